import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";

/** A new ed25519 key made by OpenSSH: of those that the ssh2 library makes, one in 256 cannot be read (it drops a leading zero). */
export async function newKeyPair(comment: string): Promise<{ private: string; public: string }> {
  const folder = await mkdtemp(join(tmpdir(), "recovery-key-"));
  try {
    const file = join(folder, "key");
    await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", file]);
    return { private: await readFile(file, "utf8"), public: (await readFile(`${file}.pub`, "utf8")).trim() };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
