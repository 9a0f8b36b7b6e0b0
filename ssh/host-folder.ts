import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { pack } from "tar-stream";

const hostFolder = fileURLToPath(new URL("../host", import.meta.url));

/**
 * host/ as a tar, and the digest that names this release of it: same files and modes, same digest. Further files of `more`, by
 * name, are for their owner alone and no part of the digest.
 */
export async function packHostFolder(
  more: Readonly<Record<string, string>> = {},
): Promise<{ digest: string; tar: Buffer }> {
  const hash = createHash("sha256");
  const tar = pack();
  const entries = await readdir(hostFolder, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(hostFolder.length + 1))
    .sort();
  for (const name of names) {
    const path = join(hostFolder, name);
    const content = await readFile(path);
    const mode = ((await stat(path)).mode & 0o100) === 0 ? 0o644 : 0o755;
    hash.update(`${name}\0${mode}\0${content.length}\0`).update(content);
    tar.entry({ name, mode, mtime: new Date(0) }, content);
  }
  for (const [name, content] of Object.entries(more)) tar.entry({ name, mode: 0o600 }, content);
  tar.finalize();
  return { digest: hash.digest("hex").slice(0, 16), tar: await buffer(tar) };
}

/** A bash that unpacks such a tar, its standard input, where no disk keeps it, and removes it again however the command ends: `$folder` in it. */
export function inMemory(command: string): string {
  return `bash -c 'umask 077; folder=$(mktemp -d /run/recovery-check.XXXXXX) && trap "rm -rf $folder" EXIT && tar -x --no-same-owner -C "$folder" && ${command} </dev/null'`;
}
