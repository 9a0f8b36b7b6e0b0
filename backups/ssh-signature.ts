import { access, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { exitCodes, OperatorError } from "../site/operator-error.ts";

/** What a signature says that it is for: one made for another purpose does not pass. */
export type SignatureNamespace = "recovery-stack" | "recovery-stack-verdict";

/** Who signed: one of the `signers`; a stranger; nobody, since what was signed is something else, or was changed. */
export type SignedBy = "signer" | "stranger" | "nobody";

/**
 * Whether one of the signers, ssh public keys, signed these bytes; ssh-keygen decides. `signature` is the text that
 * `ssh-keygen -Y sign` writes.
 *
 * @throws OperatorError (exit code 3) without ssh-keygen.
 */
export async function whoSigned(
  signed: Buffer,
  signature: Buffer,
  signers: readonly string[],
  namespace: SignatureNamespace,
): Promise<SignedBy> {
  return inFolder(tmpdir(), async (folder) => {
    const file = join(folder, "signature");
    await writeFile(file, signature);
    await writeFile(join(folder, "signers"), signers.map((key) => `site ${key}\n`).join(""));
    const ask = async (...question: string[]) =>
      (await sshKeygen(["-Y", ...question, "-n", namespace, "-s", file], signed)).exitCode === 0;
    if (await ask("verify", "-f", join(folder, "signers"), "-I", "site")) return "signer";
    return (await ask("check-novalidate")) ? "stranger" : "nobody";
  });
}

/** The text of a signature of these bytes by a private key, or what ssh-keygen says against the key. */
export async function signWith(
  privateKey: string,
  bytes: Buffer,
  namespace: SignatureNamespace,
): Promise<{ signature: Buffer } | { fault: string }> {
  // ssh-keygen reads a key from a file alone, and reads it twice: one in memory, which no power cut can leave on a disk.
  const memory = "/dev/shm";
  const place = await access(memory).then(
    () => memory,
    () => tmpdir(),
  );
  return inFolder(place, async (folder) => {
    const file = join(folder, "key");
    await writeFile(file, `${privateKey}\n`, { mode: 0o600 });
    // A passphrase is given, so that none is asked for: a key that one locks fails.
    const { exitCode, stdout, stderr } = await sshKeygen(
      ["-q", "-P", "none", "-Y", "sign", "-f", file, "-n", namespace],
      bytes,
    );
    if (exitCode === 0) return { signature: Buffer.from(stdout) };
    const said = stderr.replaceAll(file, "the key").trim().split("\n").at(-1);
    return { fault: said === undefined || said === "" ? "ssh-keygen did not say why" : said };
  });
}

async function sshKeygen(
  args: string[],
  input: Buffer,
): Promise<{ exitCode: number | undefined; stdout: string; stderr: string }> {
  const { exitCode, code, stdout, stderr } = await execa("ssh-keygen", args, {
    input,
    reject: false,
    stripFinalNewline: false,
  });
  if (code === "ENOENT") {
    throw new OperatorError(
      exitCodes.missingHere,
      "signatures can be neither made nor verified",
      "ssh-keygen is not installed here",
      "install it: sudo apt-get install -y openssh-client",
    );
  }
  return { exitCode, stdout, stderr };
}

async function inFolder<Result>(place: string, work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(place, "recovery-signature-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
