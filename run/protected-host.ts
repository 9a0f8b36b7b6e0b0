import { stat } from "node:fs/promises";
import { exitCodes, OperatorError } from "../site/operator-error.ts";

/**
 * Whoever breaks into a site's server could sign there whatever is wanted, and would find the key that opens all backups. Where it
 * cannot be seen whether backups are made, as by somebody who is not root there, they are.
 *
 * @throws OperatorError (exit code 4) where backups are made.
 */
export async function refuseOnProtectedHost(settings = "/etc/site-backup/settings.json"): Promise<void> {
  const seen = await stat(settings).then(() => "is here", unseen);
  if (seen === undefined) return;
  throw new OperatorError(
    exitCodes.refused,
    "backups are not verified on a server that makes them",
    `${settings} ${seen}: who breaks in would find the key that opens all of them`,
    "verify them from your own computer, or from one that does nothing else",
  );
}

/** Undefined when it is not there. */
function unseen(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
  if (code === "ENOENT" || code === "ENOTDIR") return undefined;
  return `may be here, and cannot be looked at (${code})`;
}
