import { effectiveTriggers } from "../runbook/triggers.ts";
import { type BackupServerOptions, prepareBackupServer } from "../stacks/backup-server.ts";
import { stepOverSsh } from "./step-over-ssh.ts";

/** A server that keeps the backups of a site from now on. */
export interface KeepingServer {
  /** Name of the store, and the server's address. */
  store: string;
  address: string;
  /** The account that takes the backups there, and its folder. */
  account: string;
  folder: string;
}

/**
 * Has a plain Debian keep the backups of a site: the step of the stack `backup-server`, without an engine. What was done already is not done
 * again. Throws OperatorError.
 */
export async function setUpBackupServer(
  options: BackupServerOptions & { signal: AbortSignal },
): Promise<KeepingServer> {
  const { store, host, steps, session } = await prepareBackupServer(options);
  const triggers = effectiveTriggers(steps);
  let facts: Record<string, unknown> = {};
  try {
    const connection = await session.open();
    for (const step of steps)
      ({ facts } = await stepOverSsh(connection, step, triggers.get(step.id) ?? [], options.signal));
  } finally {
    await session.close();
  }
  return {
    store,
    address: host.address,
    account: String(facts["account"]),
    folder: String(facts["folder"]),
  };
}
