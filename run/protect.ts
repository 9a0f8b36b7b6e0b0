import { prepareProtection, type ProtectionOptions } from "../stacks/protection.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { backupTasks } from "./backup-tasks.ts";
import { stepsOverSsh } from "./step-over-ssh.ts";

export interface Protection {
  /** What the server told of itself. */
  facts: Record<string, unknown>;
  /** What a person has to do before its backups are of use, a line each. */
  left: string[];
}

/**
 * Has a living server make its own backups from now on, or, with `remove`, no more: the step of the stack `backup`, without an engine.
 * What was done already is not done again; secrets are placed anew, and what is left to do is asked, each time. Throws OperatorError.
 */
export async function protect(options: ProtectionOptions & { signal: AbortSignal }): Promise<Protection> {
  const { site, steps, secrets, session } = await prepareProtection(options);
  try {
    const connection = await session.open();
    const facts = await stepsOverSsh(connection, steps, options.signal);
    // No trigger tells that a secret is another one: a hash of a password in a ledger, or in the state of a stack, is half of its disclosure.
    if (options.remove === true) return { facts, left: [] };
    const { exitCode, stderr } = await connection.run(
      `/usr/local/lib/recovery/current/resident/take-secrets ${secrets.join(" ")}`,
      { timeoutSeconds: 30, signal: options.signal },
    );
    if (exitCode !== 0) {
      throw new OperatorError(
        exitCodes.failed,
        "the server does not have the secrets that its alerts need",
        stderr.trim().split("\n").at(-1) ?? `it ended with ${exitCode}`,
        "look at the disk of /etc there, then run this again",
      );
    }
    return { facts, left: await backupTasks(connection, site, options.signal) };
  } finally {
    await session.close();
  }
}
