import { createHash, randomBytes } from "node:crypto";
import { link, lstat, mkdir, open, rename, rm, statfs, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { formatBytes } from "./format-bytes.ts";
import type { RestorePoint } from "./restore-point.ts";
import { openStore } from "./stores/open-store.ts";
import { fileNamed } from "./stores/store.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import type { Store } from "../site/schema.ts";
import type { SecretSources } from "../site/secrets.ts";

export interface FetchOptions {
  /** Told how many bytes have arrived. */
  onProgress?: ((bytes: number) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Copies a point, whole and byte for byte, into a folder that is there, and returns the path of the copy. Its hash is
 * compared with that of the listing while it is copied; until then it has a temporary name. What has its name already is
 * never overwritten. An interruption leaves nothing. A point of our own format keeps its place, TIER/TIME, in the folder.
 *
 * @throws OperatorError: exit code 4 when the name is taken or the point was never read whole, 3 when the folder is missing
 * or too small, 1 when the copy is not what was listed.
 */
export async function fetchPoint(
  store: Store,
  loaded: SecretSources,
  point: RestorePoint,
  folder: string,
  { onProgress = () => undefined, signal }: FetchOptions = {},
): Promise<string> {
  if (point.format === "folder") return fetchFolder(store, loaded, point, folder, { onProgress, signal });
  const { sha256 } = point;
  if (sha256 === null) {
    throw new OperatorError(
      exitCodes.refused,
      `${point.file} is not fetched`,
      `it could not be read to its end: ${point.reason ?? "no reason known"}`,
      "name another point; npx recovery points list shows them all",
    );
  }
  const path = join(folder, point.file);
  await requireRoom(folder, path, point.storedBytes);
  const opened = await openStore(store, loaded);
  const file = fileNamed(await opened.list(), point.file);
  const draft = join(folder, `.${point.file}.${randomBytes(4).toString("hex")}.partial`);
  try {
    const hash =
      file === undefined
        ? undefined
        : await opened.read(file, (bytes) => copy(bytes, draft, onProgress, signal));
    if (hash !== sha256) {
      throw new OperatorError(
        exitCodes.failed,
        `${point.file} was not fetched: it is not what was listed`,
        hash === undefined
          ? "it was changed or taken away while it was copied"
          : `its sha256 is ${hash}, and was ${sha256}`,
        `see what it is worth now: npx recovery points verify ${point.id}`,
      );
    }
    await name(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
  return path;
}

async function fetchFolder(
  store: Store,
  loaded: SecretSources,
  point: RestorePoint,
  folder: string,
  { onProgress = () => undefined, signal }: FetchOptions,
): Promise<string> {
  if (point.manifestSha256 === null || point.members.length === 0) {
    throw new OperatorError(
      exitCodes.refused,
      `${point.file} is not fetched`,
      `what it should hold is not known: ${point.reason ?? "no reason known"}`,
      "name another point; npx recovery points list shows them all",
    );
  }
  const opened = await openStore(store, loaded);
  const entries = await opened.list(point.file);
  const path = join(folder, point.file);
  await requireRoom(folder, path, point.storedBytes);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomBytes(4).toString("hex")}.partial`;
  await mkdir(draft, { mode: 0o700 });
  let before = 0;
  const take = async (name: string) => {
    const done = before;
    const progress = (bytes: number) => {
      before = done + bytes;
      onProgress(before);
    };
    const file = fileNamed(entries, name);
    if (file === undefined) return undefined;
    const hash = await opened.read(file, (bytes) => copy(bytes, join(draft, name), progress, signal));
    // The copy of a point is of the same time: one that came later than its point counts as dated back.
    if (hash !== undefined) await utimes(join(draft, name), file.modifiedAt, file.modifiedAt);
    return hash;
  };
  try {
    const signature = fileNamed(entries, "MANIFEST.json.sig");
    const files = [
      ...point.members.map(({ path: name, sha256 = "" }) => ({ name, sha256 })),
      { name: "MANIFEST.json", sha256: point.manifestSha256 },
      // Nothing names its hash. It must be there all the same: a copy without is nobody's.
      ...(signature ? [{ name: signature.name, sha256: undefined }] : []),
    ];
    for (const { name, sha256 } of files) {
      const hash = await take(name);
      if (hash !== undefined && hash === (sha256 ?? hash)) continue;
      throw new OperatorError(
        exitCodes.failed,
        `${point.file} was not fetched: ${name} is not what was listed`,
        hash === undefined
          ? "it was changed or taken away"
          : `its sha256 is ${hash}, and was ${sha256 ?? "another"}`,
        `see what it is worth now: npx recovery points verify ${point.id}`,
      );
    }
    await rename(draft, path);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return path;
}

async function requireRoom(folder: string, path: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder).catch((error: unknown) => {
    throw new OperatorError(
      exitCodes.missingHere,
      `nothing can be put into ${folder}`,
      error instanceof Error ? error.message : String(error),
      "make the folder, or name another with --to",
      { cause: error },
    );
  });
  if (bavail * bsize < bytes) {
    throw new OperatorError(
      exitCodes.missingHere,
      `${folder} has too little room`,
      `${formatBytes(bavail * bsize)} are free, ${formatBytes(bytes)} are needed`,
      "make room, or name another folder with --to",
    );
  }
  if (await isThere(path)) throw taken(path);
}

/** Returns the SHA-256 of what was copied. */
async function copy(
  bytes: AsyncIterable<Buffer>,
  draft: string,
  onProgress: (bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<string> {
  const hash = createHash("sha256");
  let copied = 0;
  // A backup holds everything that the site keeps from strangers.
  const handle = await open(draft, "wx", 0o600);
  try {
    for await (const chunk of bytes) {
      signal?.throwIfAborted();
      hash.update(chunk);
      await handle.writeFile(chunk);
      copied += chunk.length;
      onProgress(copied);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  return hash.digest("hex");
}

/** A link, unlike a renaming, never replaces what took the name meanwhile. */
async function name(draft: string, path: string): Promise<void> {
  try {
    await link(draft, path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    // The file systems of USB sticks know no links.
    if (code !== "EEXIST" && !(await isThere(path))) await rename(draft, path);
    else throw taken(path);
  }
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

function taken(path: string): OperatorError {
  return new OperatorError(
    exitCodes.refused,
    `${path} exists`,
    "a copy never overwrites anything",
    "move it away, or name another folder with --to",
  );
}
