import { execa } from "execa";
import { isEncrypted } from "../backups/point-manifest.ts";
import { ensureDebianPackages } from "../machines/debian-packages.ts";
import { identityProblem } from "../site/age-identity.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import type { RelayedFile } from "../ssh/relay.ts";

/** It reads from a local file; a machine that swaps is given time. */
const limitMilliseconds = 60_000;

/**
 * Whether a private key opens a restore point, before any host is touched: one member is decrypted on this computer, into
 * nothing. `name` is what site.yaml calls the key, `value` the key itself, which reaches age through a pipe alone.
 *
 * @throws OperatorError: exit code 3 when it is no key, or one for something else; 4 when the member is damaged.
 */
export async function proveIdentity(
  { name, value }: { name: string; value: string },
  files: readonly RelayedFile[],
  say: (line: string) => void,
): Promise<void> {
  const problem = identityProblem(value);
  if (problem !== undefined) {
    throw new OperatorError(
      exitCodes.missingHere,
      `the secret ${name} cannot decrypt a backup`,
      `${problem}; on the host nobody could be asked`,
      "give the key itself: let from in site.yaml be a command that unlocks it, such as command:age -d key.age",
    );
  }
  // What lies on a server is not fetched here: there the host is the first to find out.
  const inventory = files.find((file) => isEncrypted(file.name) && file.name.startsWith("inventory."));
  if (!inventory || !("path" in inventory)) return;
  await ensureDebianPackages([{ command: "age", package: "age" }], say);
  const { failed, stderr } = await execa("age", ["--decrypt", "--identity", "-", inventory.path], {
    input: `${value}\n`,
    stdout: "ignore",
    reject: false,
    timeout: limitMilliseconds,
  });
  if (!failed) return;
  const said = stderr.split("\n")[0]?.replace(/^age: error: /, "") ?? "nothing";
  if (said.includes("no identity matched")) {
    throw new OperatorError(
      exitCodes.missingHere,
      `the secret ${name} does not open this restore point`,
      "it was encrypted to other keys",
      "let restorePoints.identity in site.yaml name the private key of one of the recipients that the backup was made for",
    );
  }
  throw new OperatorError(
    exitCodes.refused,
    `${inventory.name} of the restore point cannot be decrypted`,
    `age said: ${said}`,
    "choose another restore point: npx recovery points list",
  );
}
