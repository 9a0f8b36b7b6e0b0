import { availableParallelism } from "node:os";
import { formatBytes } from "./format-bytes.ts";
import { inspectArchive } from "./inspect-archive.ts";
import { inspectDump } from "./inspect-dump.ts";
import type { Inspection } from "./inspection.ts";
import { InspectionCache } from "./inspection-cache.ts";
import { type FileFacts, judgePoint, unreadPoint } from "./judge-point.ts";
import type { RestorePoint } from "./restore-point.ts";
import { type ArchiveName, parseArchiveName } from "./runbook-archive.ts";
import { listDirectory, readStored, type StoredFile } from "./stores/directory.ts";
import type { Store } from "../site/schema.ts";

export interface ListingOptions {
  /** Told, a line at a time, what is being read when that takes long. */
  say?: ((line: string) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** Which files are read again although they are known from before; none without. */
  again?: ((file: string) => boolean) | undefined;
  now?: Date;
}

/**
 * Everything in a store: restore points and what else lies there, newest data first, what has no time last. Each
 * archive is read from end to end once; the second listing takes that from the cache. A file that is only another
 * name of a listed point stands among its `aliases`.
 *
 * @throws OperatorError (exit code 3) when the store cannot be read.
 */
export async function listPoints(
  store: Store,
  siteDirectory: string,
  { say = () => undefined, signal, again = () => false, now = new Date() }: ListingOptions = {},
): Promise<RestorePoint[]> {
  const files = await listDirectory(store, siteDirectory);
  const cache = new InspectionCache();
  const listed = await inTurns(files, Math.min(4, availableParallelism()), async (file) => {
    signal?.throwIfAborted();
    const name = parseArchiveName(file.name);
    const facts: FileFacts = {
      store: store.name,
      timezone: store.timezone,
      file: file.name,
      storedAt: file.modifiedAt,
      storedBytes: "bytes" in file ? file.bytes : 0,
    };
    const point = await readPoint(file, name, facts, { cache, say, signal, again, now });
    return { point, isAlias: name.form.endsWith("-alias") };
  });
  return sorted(withAliases(listed));
}

interface Reading {
  cache: InspectionCache;
  say: (line: string) => void;
  signal: AbortSignal | undefined;
  again: (file: string) => boolean;
  now: Date;
}

async function readPoint(
  file: Awaited<ReturnType<typeof listDirectory>>[number],
  name: ArchiveName,
  facts: FileFacts,
  reading: Reading,
): Promise<RestorePoint> {
  if (name.form === "foreign")
    return unreadPoint(facts, name, "foreign", "not a name that the backup scripts give");
  if (name.form === "forensic") {
    return unreadPoint(facts, name, "foreign", "a broken database that was set aside, not a backup");
  }
  if ("reason" in file) return unreadPoint(facts, name, "foreign", file.reason);
  try {
    const inspection = await inspect(file, name, reading);
    if (inspection === undefined) {
      return unreadPoint(facts, name, "damaged", "it changed while it was read: is it still being written?");
    }
    return judgePoint(facts, name, inspection, reading.now);
  } catch (error) {
    reading.signal?.throwIfAborted();
    return unreadPoint(
      facts,
      name,
      "damaged",
      `it cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

async function inspect(
  file: StoredFile,
  name: ArchiveName,
  { cache, say, signal, again }: Reading,
): Promise<Inspection | undefined> {
  const known = await cache.get(file.identity);
  if (known !== undefined && !again(file.name)) return known;
  const read = await readStored(file, (bytes) => {
    const told = withProgress(bytes, file, say);
    return "engine" in name ? inspectDump(told, name.engine, signal) : inspectArchive(told, signal);
  });
  if (read === undefined) return undefined;
  const inspection = { ...read, damage: read.damage ?? decay(read, known) };
  await cache.put(file.identity, inspection);
  return inspection;
}

/** Bits that flip where they lie change no time of a file: only what was read before tells. */
function decay(read: Inspection, known: Inspection | undefined): string | null {
  if (known === undefined) return null;
  if (known.sha256 === read.sha256) return known.damage;
  return `its bytes are others than when it was first read (sha256 ${known.sha256.slice(0, 12)}…, now ${read.sha256.slice(0, 12)}…)`;
}

async function* withProgress(
  bytes: AsyncIterable<Buffer>,
  file: StoredFile,
  say: (line: string) => void,
): AsyncGenerator<Buffer> {
  const longBytes = 256 * 1024 ** 2;
  if (file.bytes >= longBytes)
    say(`reading ${file.name} (${formatBytes(file.bytes)}); the next time this is known`);
  let read = 0;
  let toldAt = 0;
  for await (const chunk of bytes) {
    yield chunk;
    read += chunk.length;
    if (read - toldAt >= 1024 ** 3) {
      toldAt = read;
      say(`reading ${file.name}: ${formatBytes(read)} of ${formatBytes(file.bytes)}`);
    }
  }
}

function withAliases(listed: { point: RestorePoint; isAlias: boolean }[]): RestorePoint[] {
  const points = listed.filter(({ isAlias }) => !isAlias).map(({ point }) => point);
  for (const { point: alias } of listed.filter(({ isAlias }) => isAlias)) {
    const named = points.find(({ sha256 }) => sha256 !== null && sha256 === alias.sha256);
    if (named === undefined) points.push(alias);
    else named.aliases.push(alias.file);
  }
  return points;
}

function sorted(points: RestorePoint[]): RestorePoint[] {
  // ISO times in UTC sort as text.
  const key = ({ timeOfData }: RestorePoint) => timeOfData ?? "";
  return points.sort((one, other) => compare(key(other), key(one)) || compare(one.file, other.file));
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** Runs `work` on each item, `width` at a time, and keeps the order. */
async function inTurns<Item, Result>(
  items: readonly Item[],
  width: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const queue = items.entries();
  const worker = async () => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
  return results;
}
