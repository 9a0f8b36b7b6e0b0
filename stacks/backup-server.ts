import * as pulumi from "@pulumi/pulumi";
import { BackupServer } from "../components/backup-server.ts";
import { ReplacementServer } from "../components/replacement-server.ts";
import { backupServerStores, planBackupServer } from "../runbook/backup-server.ts";
import type { Step } from "../runbook/step.ts";
import { loadSite } from "../site/load.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { packHostFolder } from "../ssh/host-folder.ts";
import { HostSession, type RunIdentity } from "../ssh/host-session.ts";
import type { RecoverySettings } from "./settings.ts";

export interface BackupServerOptions {
  siteFile: string;
  /** Name of the store whose server it is; not needed where site.yaml has one such store. */
  store?: string;
  /** The account that sets it up there: root, or one with sudo. */
  login: string;
  run: RunIdentity;
  agentSocketPath?: string;
  say: (line: string) => void;
}

/** What is put on a server that keeps backups, looked at from all sides that need no host. */
export interface PreparedBackupServer {
  store: string;
  host: RecoverySettings["host"];
  steps: Step[];
  session: HostSession;
}

/** What the stack tells. */
export interface BackupServerOutputs {
  address: pulumi.Output<string>;
}

/** Dials nobody. Throws OperatorError (2) when site.yaml has no such store, or several and none is named. */
export async function prepareBackupServer(options: BackupServerOptions): Promise<PreparedBackupServer> {
  const { run, say, agentSocketPath } = options;
  const { site } = await loadSite(options.siteFile);
  const stores = backupServerStores(site);
  const named = options.store === undefined ? stores : stores.filter(({ name }) => name === options.store);
  const [store, ...others] = named;
  const { backups } = site;
  if (store === undefined || others.length > 0 || backups === undefined) {
    throw new OperatorError(
      exitCodes.usage,
      stores.length === 0
        ? "site.yaml has no backup server to set up"
        : `it is not said which backup server is meant`,
      stores.length === 0
        ? "no store of kind ssh has a section server"
        : `site.yaml has ${stores.map(({ name }) => name).join(" and ")}`,
      stores.length === 0 ? "add one: docs/backups.md, A server that keeps them" : "name one of them",
    );
  }
  const { host: address, port, hostKey } = store;
  const host = { address, port, user: options.login, hostKey };
  return {
    store: store.name,
    host,
    steps: planBackupServer(backups, store, (await packHostFolder()).digest),
    session: new HostSession({
      target: { ...host, ...(agentSocketPath === undefined ? {} : { agentSocketPath }) },
      run,
      secrets: () => Promise.resolve({}),
      relayedFolders: {},
      say,
    }),
  };
}

/** Declares a server that keeps backups. */
export function declareBackupServer({
  host,
  steps,
  session,
}: Pick<PreparedBackupServer, "host" | "steps" | "session">): BackupServerOutputs {
  const server = new ReplacementServer("server", host);
  new BackupServer("backups", { server, steps, session });
  return { address: server.address };
}
