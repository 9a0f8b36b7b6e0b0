import { intervalSeconds, storesOf } from "../offsite/shortfalls.ts";
import type { Site } from "../site/schema.ts";
import { serverFiles } from "../site/server-files.ts";
import { backupTimers, backupUnits } from "./backup-units.ts";
import { databaseFiles } from "./databases.ts";
import { hostPath } from "./host-path.ts";
import type { Facts, Step } from "./step.ts";

type Backups = NonNullable<Site["backups"]>;
const tiers = ["hourly", "daily", "weekly", "monthly"] as const;

/** A living server that makes its own backups: what is put on it. Pure. */
export function planProtection(site: Site, backups: Backups, release: string): Step[] {
  const settings = backupSettings(site, backups);
  const sqlite = databaseFiles(site).map((file) => hostPath(site, file));
  const units = [
    ...backupUnits({
      program: `/usr/local/lib/recovery/${release}/resident/backup`,
      // Who reads a database of SQLite makes a -wal and a -shm beside it.
      writable: [backups.path, ...new Set(sqlite.map((file) => file.slice(0, file.lastIndexOf("/"))))],
    }),
    ...backupTimers(backups),
  ];
  return [
    {
      id: "backup-schedule",
      script: "backup-schedule",
      title: "The server makes its own backups",
      runbook: "backups",
      inputs: {
        path: backups.path,
        signers: site.restorePoints.signers,
        needs: ["age", "zstd", "jq", "openssl", "git", ...(sqlite.length > 0 ? ["sqlite3"] : [])],
        stores: site.stores.flatMap((store) =>
          store.kind === "ssh"
            ? [{ name: store.name, hostKey: store.hostKey.split(" ").slice(0, 2).join(" ") }]
            : [],
        ),
        settings: `${JSON.stringify(settings, null, 2)}\n`,
        units,
      },
      secrets: [],
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

/** The same server without it. What it made before stays. Pure. */
export function planUnprotection(backups: Backups): Step[] {
  return [
    {
      id: "backup-schedule",
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

/** What host/resident/backup reads: what is packed, as host/resident/pack is told of it, and where it goes. */
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
              ...{ name: database.name, kind: "postgresql", server: "/var/run/postgresql", port: "5432" },
              ...{ account: "postgres", user: "postgres", database: database.database },
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
    },
    logs: site.logs.map(({ path }) => path),
    tiers: {
      ...Object.fromEntries(
        tiers.map((tier) => {
          const keepSeconds = backups[tier].keep;
          const atLeast = Math.max(1, Math.ceil(keepSeconds / intervalSeconds(backups, tier)));
          return [tier, { keepSeconds, atLeast, stores: storesOf(site, backups, tier) }];
        }),
      ),
      // Goes where a daily one does, and nobody removes it.
      manual: { stores: storesOf(site, backups, "daily") },
    },
    stores: Object.fromEntries(
      site.stores.flatMap((store) =>
        store.kind === "ssh" ? [[store.name, { host: store.host, port: store.port, user: store.user }]] : [],
      ),
    ),
  };
}
