import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import type { SignatureVerdict } from "./judge-folder.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";

/** What a signature says that it is for: one made for another purpose does not pass. */
const namespace = "recovery-stack";

/**
 * Whether one of the signers, ssh public keys, signed these bytes; ssh-keygen decides. `signature` is the text of
 * MANIFEST.json.sig, null when there is none.
 *
 * @throws OperatorError (exit code 3) without ssh-keygen.
 */
export async function verifySignature(
  signed: Buffer,
  signature: Buffer | null,
  signers: readonly string[],
): Promise<SignatureVerdict> {
  if (signers.length === 0) return null;
  if (signature === null)
    return { fault: "nobody signed it, and site.yaml names who must (restorePoints.signers)" };
  const folder = await mkdtemp(join(tmpdir(), "recovery-signature-"));
  try {
    const file = join(folder, "signature");
    await writeFile(file, signature);
    await writeFile(join(folder, "signers"), signers.map((key) => `site ${key}\n`).join(""));
    const ask = async (...question: string[]) => {
      const { failed, exitCode, code } = await execa(
        "ssh-keygen",
        ["-Y", ...question, "-n", namespace, "-s", file],
        { input: signed, reject: false },
      );
      if (code === "ENOENT") throw missing();
      return !failed && exitCode === 0;
    };
    if (await ask("verify", "-f", join(folder, "signers"), "-I", "site")) return { fault: null };
    return {
      fault: (await ask("check-novalidate"))
        ? "its signature is of a key that site.yaml does not name (restorePoints.signers)"
        : "its manifest is not the one that was signed: it was changed since, or its signature is damaged",
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function missing(): OperatorError {
  return new OperatorError(
    exitCodes.missingHere,
    "the signatures of the restore points cannot be verified",
    "ssh-keygen is not installed here",
    "install it: sudo apt-get install -y openssh-client",
  );
}
