import { exitCodes, OperatorError } from "../site/operator-error.ts";
import type { Site } from "../site/schema.ts";
import type { SshConnection } from "../ssh/connection.ts";

/** The server asks each of its stores, and waits for half a minute. */
const limitSeconds = 60;

/**
 * What a person has to do before the backups of a protected server are of use: a line each, as it is now, whatever was to be done when the
 * server was protected.
 *
 * @throws OperatorError (1) when the server does not say.
 */
export async function backupTasks(
  connection: Pick<SshConnection, "run">,
  { restorePoints }: Site,
  signal: AbortSignal,
): Promise<string[]> {
  const { exitCode, stdout, stderr } = await connection.run(
    "/usr/local/lib/recovery/current/resident/tasks",
    {
      stdin: restorePoints.signers.map((signer) => `${signer}\n`).join(""),
      timeoutSeconds: limitSeconds,
      signal,
    },
  );
  if (exitCode !== 0) {
    throw new OperatorError(
      exitCodes.failed,
      "what is left to do for the backups of this server is not known",
      printable(stderr.trim().split("\n").at(-1) ?? "") || `it ended with ${exitCode}`,
      "npx recovery protect asks it again",
    );
  }
  return stdout
    .split("\n")
    .map(printable)
    .filter((line) => line !== "");
}

/** A server that was broken into may say anything: nothing that a terminal acts on. */
function printable(line: string): string {
  return line.replaceAll(/\p{Cc}/gu, "");
}
