import { type BackupServerOptions, prepareBackupServer } from "../stacks/backup-server.ts";
import { stepsOverSsh } from "./step-over-ssh.ts";

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
  try {
    const facts = await stepsOverSsh(await session.open(), steps, options.signal);
    return {
      store,
      address: host.address,
      account: String(facts["account"]),
      folder: String(facts["folder"]),
    };
  } finally {
    await session.close();
  }
}
