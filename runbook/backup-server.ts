import type { Site, Store } from "../site/schema.ts";
import { pruningUnits } from "./backup-units.ts";
import { expirySettings } from "./protection.ts";
import type { Step } from "./step.ts";

type SshStore = Extract<Store, { kind: "ssh" }>;
/** A store on a plain Debian that is set up for it. */
export type BackupServerStore = SshStore & { server: NonNullable<SshStore["server"]> };

/** Those of a site. */
export function backupServerStores({ stores }: Pick<Site, "stores">): BackupServerStore[] {
  return stores.filter(
    (store): store is BackupServerStore => store.kind === "ssh" && store.server !== undefined,
  );
}

/**
 * A server that keeps the backups of a site: an account that takes them from the site's server, gives them to who may read them, and removes
 * what its tiers need not keep. Pure.
 */
export function planBackupServer(
  backups: NonNullable<Site["backups"]>,
  { user, path, server }: BackupServerStore,
  release: string,
): Step[] {
  const programs = `/usr/local/lib/recovery/${release}/resident`;
  const units = pruningUnits({ programs, user, path });
  const inputs = {
    user,
    path,
    settings: `${JSON.stringify({ path, ...expirySettings(backups) }, null, 2)}\n`,
    authorizedKeys: [
      ...server.writers.map(
        (key) => `restrict,command="${programs}/receive ${path} ${server.limit / 1024 ** 3}" ${key}`,
      ),
      // Which folder it begins in is for whoever looks by hand.
      ...server.readers.map((key) => `restrict,command="internal-sftp -R -d ${path}" ${key}`),
    ],
    units,
  };
  return [
    {
      id: "backup-server",
      script: "backup-server",
      title: "The server keeps the site's backups",
      runbook: "backups",
      inputs,
      secrets: [],
      triggers: [`release ${release}`, JSON.stringify(inputs)],
      after: [],
      budgetSeconds: 120,
      timeoutSeconds: 600,
    },
  ];
}
