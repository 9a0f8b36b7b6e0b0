import { infrequentTiers } from "../offsite/bucket-stay.ts";
import { intervalSeconds, objectivesOfBackups, storesOf } from "../offsite/shortfalls.ts";
import type { Site, Store } from "../site/schema.ts";
import { serverFiles } from "../site/server-files.ts";
import { isWritable } from "../site/writable-stores.ts";
import { backupTimers, backupUnits, watchTimer } from "./backup-units.ts";
import { databaseFiles, hasDatabaseServer } from "./databases.ts";
import { hostPath } from "./host-path.ts";
import type { Facts, Step } from "./step.ts";

type Backups = NonNullable<Site["backups"]>;
/** Where Debian's node-exporter looks for text files. */
const defaultTextfile = "/var/lib/prometheus/node-exporter";
/** The step by which a server makes its own backups, or no more. */
export const protectionStep = "backup-schedule";
const tiers = ["hourly", "daily", "weekly", "monthly"] as const;

/**
 * A living server that makes its own backups: what is put on it. `newServer`: one that site.yaml cannot know yet, whose key may be a
 * stranger's until it is named there. Pure.
 */
export function planProtection(
  site: Site,
  backups: Backups,
  release: string,
  { newServer = false } = {},
): Step[] {
  const settings = backupSettings(site, backups);
  const sqlite = databaseFiles(site).map((file) => hostPath(site, file));
  const units = [
    ...backupUnits({
      programs: `/usr/local/lib/recovery/${release}/resident`,
      // Who reads a database of SQLite makes a -wal and a -shm beside it.
      writable: [backups.path, ...new Set(sqlite.map((file) => file.slice(0, file.lastIndexOf("/"))))],
      textfile: site.alerts?.textfile ?? defaultTextfile,
    }),
    ...backupTimers(backups),
    watchTimer,
  ];
  return [
    {
      id: protectionStep,
      script: "backup-schedule",
      title: "The server makes its own backups",
      runbook: "backups",
      inputs: {
        path: backups.path,
        signers: site.restorePoints.signers,
        needs: [
          ...["age", "zstd", "jq", "openssl", "git", "libnet-ssleay-perl"],
          ...(sqlite.length > 0 ? ["sqlite3"] : []),
          ...(hasDatabaseServer(site) ? ["postgresql-client"] : []),
          ...(site.stores.some(isObjectStore) ? ["rclone"] : []),
          ...(asksServers(site) || site.metrics !== undefined ? ["curl"] : []),
        ],
        sendmail: site.alerts?.mail !== undefined && site.alerts.mail.smtp === undefined,
        secrets: serverSecrets(site),
        newServer,
        stores: site.stores.flatMap((store) =>
          store.kind === "ssh"
            ? [{ name: store.name, hostKey: store.hostKey.split(" ").slice(0, 2).join(" ") }]
            : [],
        ),
        settings: `${JSON.stringify(settings, null, 2)}\n`,
        units,
      },
      secrets: serverSecrets(site),
      // The programs are those of a release, and the units name it.
      triggers: [
        `release ${release}`,
        `settings ${JSON.stringify(settings)}`,
        ...units.map(({ text }) => text),
      ],
      after: [],
      budgetSeconds: 300,
      timeoutSeconds: 600,
    },
  ];
}

/** The plan of a recovery whose server makes its own backups from then on, before it is left as it should be. Pure. */
export function protectedAfter(recovery: readonly Step[], protection: readonly Step[]): Step[] {
  const finish = recovery.find(({ id }) => id === "finish");
  if (!finish) throw new Error("a recovery without an end");
  return [
    ...recovery.filter((step) => step !== finish),
    ...protection.map((step) => ({ ...step, after: finish.after })),
    { ...finish, after: [...finish.after, ...protection.map(({ id }) => id)] },
  ];
}

/** The same server without it. What it made before stays. Pure. */
export function planUnprotection(backups: Backups): Step[] {
  return [
    {
      id: protectionStep,
      script: "backup-unschedule",
      title: "The server makes no backups any more",
      runbook: "backups",
      inputs: { path: backups.path },
      secrets: [],
      triggers: ["none"],
      after: [],
      budgetSeconds: 60,
      timeoutSeconds: 120,
    },
  ];
}

/** Names of the secrets that a server needs to send its backups elsewhere and to tell of them. */
export function serverSecrets({ alerts, stores }: Site): string[] {
  const names = [
    ...stores.filter(isObjectStore).map(writerSecret),
    ...[alerts?.mail?.password, alerts?.webhook, alerts?.deadMan],
  ];
  return [...new Set(names.filter((name) => name !== undefined))];
}

type ObjectStore = Extract<Store, { kind: "s3" | "azure-blob" }>;

/** Whether the server writes objects there. */
function isObjectStore(store: Store): store is ObjectStore {
  return store.kind !== "ssh" && isWritable(store);
}

function writerSecret({ writer }: ObjectStore): string | undefined {
  return typeof writer === "object" ? writer.secretAccessKey : writer;
}

/** What a server is told of a store that it writes to: host/resident/stores/KIND.sh reads it. */
function storeSettings(site: Site, store: Store): Facts[] {
  switch (store.kind) {
    case "directory":
      return [];
    case "ssh":
      return [
        {
          ...{ kind: store.kind, host: store.host, port: store.port, user: store.user },
          ...(store.server && { isSetUpFromHere: true }),
        },
      ];
    case "s3": {
      const { kind, bucket, path, region, endpoint, writer } = store;
      if (!writer) return [];
      const { accessKeyId, secretAccessKey: secret } = writer;
      const infrequent = infrequentTiers(site, store);
      return [
        {
          ...{ kind, bucket, path, region, ...(endpoint !== undefined && { endpoint }), accessKeyId, secret },
          ...(infrequent.length > 0 && { infrequent }),
        },
      ];
    }
    case "azure-blob": {
      const { kind, container, path, writer: secret } = store;
      return secret === undefined ? [] : [{ kind, container, path, secret }];
    }
  }
}

function asksServers({ alerts }: Site): boolean {
  return [alerts?.mail?.smtp, alerts?.webhook, alerts?.deadMan].some((place) => place !== undefined);
}

/** How often a tier makes a backup, how long it keeps one, and how many there are in that time. */
function keptOf(backups: Backups, tier: (typeof tiers)[number]) {
  const keepSeconds = backups[tier].keep;
  const everySeconds = intervalSeconds(backups, tier);
  return { everySeconds, keepSeconds, atLeast: Math.max(1, Math.ceil(keepSeconds / everySeconds)) };
}

/** What host/resident/expire reads: which restore points a store need not keep. */
export function expirySettings(backups: Backups): Facts {
  return { tiers: Object.fromEntries(tiers.map((tier) => [tier, keptOf(backups, tier)])) };
}

/**
 * What host/resident/backup and host/resident/watch read: what is packed, as host/resident/pack is told of it, where it goes, how old it may
 * become, and whom it is told.
 */
export function backupSettings(site: Site, backups: Backups): Facts {
  const folders = (list: { path: string }[]) =>
    list.map(({ path }) => ({ path, folder: hostPath(site, path) }));
  const { application, nginx, php, permissions } = site;
  // As a recovery installs them, or else where Debian has such files.
  const places: Record<string, string[]> = {
    "nginx.site": [
      `/etc/nginx/sites-available/${site.name}`,
      ...["sites-enabled", "sites-available", "conf.d"].map((folder) => `/etc/nginx/${folder}/${nginx.site}`),
    ],
    "php.pool.file": [
      `/etc/php/${php.version}/fpm/pool.d/${site.name}.conf`,
      `/etc/php/${php.version}/fpm/pool.d/${php.pool?.file ?? ""}`,
    ],
  };
  return {
    path: backups.path,
    request: {
      site: site.name,
      recipients: site.restorePoints.recipients,
      signingKey: "/etc/ssh/ssh_host_ed25519_key",
      databases: site.databases.map((database) =>
        database.kind === "sqlite"
          ? { name: database.name, kind: "sqlite", path: hostPath(site, database.path) }
          : {
              ...{
                name: database.name,
                kind: "postgresql",
                role: database.role,
                database: database.database,
              },
              environmentFile: hostPath(site, site.configuration.environmentFile),
              // Without the fields that are undefined: what remains is JSON.
              connection: JSON.parse(JSON.stringify(database.connection)) as Facts,
              elsewhere: database.server === "own",
            },
      ),
      uploads: folders(site.uploads),
      data: folders(site.data),
      configuration: {
        folder: application.path,
        files: site.configuration.files,
        named: serverFiles(site).flatMap(({ field, file, from }) =>
          from === "backup" ? [{ name: file, from: places[field.join(".")] ?? [] }] : [],
        ),
        server: [
          "/etc/nginx",
          `/etc/php/${php.version}/fpm`,
          ...site.workers.flatMap(({ unit }) => [
            `/etc/systemd/system/${unit}`,
            `/etc/systemd/system/${unit}.d`,
          ]),
          ...["/etc/crontab", "/etc/cron.d", "/var/spool/cron/crontabs"],
        ],
        certificates: "/etc/letsencrypt",
      },
      application: {
        packed: true,
        // Where the server does not tell: no commit has this name.
        revision: /^[0-9a-f]{40}$/.test(application.revision) ? application.revision : "0".repeat(40),
        folder: application.path,
        owner: permissions.owner,
      },
      rows: "/var/lib/site-backup/rows",
    },
    logs: site.logs.map(({ path }) => path),
    metrics: site.metrics ? { domain: site.domain, path: site.metrics.path } : null,
    tiers: {
      ...Object.fromEntries(
        tiers.map((tier) => [tier, { ...keptOf(backups, tier), stores: storesOf(site, backups, tier) }]),
      ),
      // Goes where a daily one does, and nobody removes it.
      manual: { stores: storesOf(site, backups, "daily") },
    },
    stores: Object.fromEntries(
      site.stores.flatMap((store) => storeSettings(site, store).map((settings) => [store.name, settings])),
    ),
    rpo: objectivesOfBackups(site),
    alerts: JSON.parse(JSON.stringify(site.alerts ?? {})) as Facts,
  };
}
