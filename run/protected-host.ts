import { access } from "node:fs/promises";
import { exitCodes, OperatorError } from "../site/operator-error.ts";

/**
 * Whoever breaks into a site's server could sign there whatever is wanted, and would find the key that opens all backups.
 *
 * @throws OperatorError (exit code 4) where backups are made.
 */
export async function refuseOnProtectedHost(settings = "/etc/site-backup/settings.json"): Promise<void> {
  const isProtected = await access(settings).then(
    () => true,
    () => false,
  );
  if (!isProtected) return;
  throw new OperatorError(
    exitCodes.refused,
    "backups are not verified on a server that makes them",
    `${settings} is here: who breaks in would find the key that opens all of them`,
    "verify them from your own computer, or from one that does nothing else",
  );
}
