import { constants, type BigIntStats } from "node:fs";
import { open, readdir, realpath, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { exitCodes, OperatorError } from "../../site/operator-error.ts";
import type { Store } from "../../site/schema.ts";
import { printable, type StoredFile, type StoredOddity, type StoreReader, unprintable } from "./store.ts";

type DirectoryStore = Extract<Store, { kind: "directory" }>;

/** A folder on the operator's computer. */
export function directoryStore(store: DirectoryStore, siteDirectory: string): StoreReader {
  const directory = resolve(siteDirectory, store.path);
  return {
    list: (folder = ".") => listDirectory(store.name, join(directory, folder)),
    listBoth: async (folder) => {
      const entries = await listDirectory(store.name, join(directory, folder));
      const within = entries
        .filter((entry) => "reason" in entry && entry.isFolder)
        .map(
          async ({ name }) => [name, await listDirectory(store.name, join(directory, folder, name))] as const,
        );
      return { entries, within: new Map(await Promise.all(within)) };
    },
    readMany: () => Promise.resolve(new Map()),
    read: readStored,
    relayed: (file, name) => ({ name, path: join(directory, file) }),
  };
}

async function listDirectory(store: string, directory: string): Promise<(StoredFile | StoredOddity)[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    throw new OperatorError(
      exitCodes.missingHere,
      `the store ${store} cannot be read`,
      messageOf(error),
      "mount or create the folder, or correct the store's path in site.yaml",
      { cause: error },
    );
  });
  return Promise.all(names.sort().map((name) => look(directory, name)));
}

async function look(directory: string, name: string): Promise<StoredFile | StoredOddity> {
  if (printable(name) !== name) return unprintable(name, new Date(0));
  try {
    // With links resolved: what is read is what was looked at.
    const path = await realpath(join(directory, name));
    const stats = await stat(path, { bigint: true });
    const modifiedAt = new Date(Number(stats.mtimeMs));
    if (stats.isFile())
      return { name, path, bytes: Number(stats.size), modifiedAt, identity: identityOf(stats) };
    const isFolder = stats.isDirectory();
    return { name, modifiedAt, isFolder, reason: isFolder ? "a folder" : "neither a file nor a folder" };
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
    const reason = isMissing ? "a link to nothing" : messageOf(error);
    return { name, modifiedAt: new Date(0), isFolder: false, reason };
  }
}

async function readStored<Result>(
  file: StoredFile,
  visit: (bytes: AsyncIterable<Buffer>) => Promise<Result>,
): Promise<Result | undefined> {
  // Not blocking: a pipe may have taken the file's name.
  const handle = await open(file.path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const isAsListed = async (stats: Promise<BigIntStats>) => identityOf(await stats) === file.identity;
    if (!(await isAsListed(handle.stat({ bigint: true })))) return undefined;
    const result = await visit(chunks(handle, file.bytes));
    const same =
      (await isAsListed(handle.stat({ bigint: true }))) &&
      (await isAsListed(stat(file.path, { bigint: true })));
    return same ? result : undefined;
  } finally {
    await handle.close();
  }
}

async function* chunks(handle: Awaited<ReturnType<typeof open>>, bytes: number): AsyncGenerator<Buffer> {
  const chunkBytes = 256 * 1024;
  let position = 0;
  while (position < bytes) {
    const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, bytes - position));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

function identityOf(stats: BigIntStats): string {
  // The time of change of the inode too: `touch -d` and `cp -p` set the other at will.
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join("-");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
