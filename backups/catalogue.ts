import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import { formatBytes } from "./format-bytes.ts";
import { inTurns } from "./in-turns.ts";
import { inspectArchive } from "./inspect-archive.ts";
import { inspectDump } from "./inspect-dump.ts";
import type { Inspection } from "./inspection.ts";
import { InspectionCache } from "./inspection-cache.ts";
import { type FolderFacts, judgeFolder, type SignatureVerdict, timeOfFolder } from "./judge-folder.ts";
import { type FileFacts, judgePoint, unreadPoint } from "./judge-point.ts";
import { manifestBytes, tiers } from "./point-manifest.ts";
import type { RestorePoint } from "./restore-point.ts";
import { type ArchiveName, parseArchiveName } from "./runbook-archive.ts";
import { longBytes, withProgress } from "./reading-progress.ts";
import { openStore } from "./stores/open-store.ts";
import type { StoredFile, StoredOddity, StoreReader } from "./stores/store.ts";
import { whoSigned } from "./ssh-signature.ts";
import { OperatorError } from "../site/operator-error.ts";
import type { Store } from "../site/schema.ts";
import type { SecretSources } from "../site/secrets.ts";

/** What a point must be to be one of the site that asks. */
export interface Expectation {
  /** Name of the site. */
  site: string;
  /** ssh public keys; with any, who signed a point is verified. */
  signers: readonly string[];
}

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
 * name of a listed point stands among its `aliases`. Of a folder of our own format the manifest is read, and no member.
 *
 * @throws OperatorError (exit code 3) when the store cannot be read, or there is no ssh-keygen to verify signatures with.
 */
export async function listPoints(
  store: Store,
  loaded: SecretSources,
  expected: Expectation,
  { say = () => undefined, signal, again = () => false, now = new Date() }: ListingOptions = {},
): Promise<RestorePoint[]> {
  const opened = await openStore(store, loaded);
  // Hidden is what whoever fills the store keeps there for itself, such as a backup that is being made.
  const entries = (await opened.list()).filter(({ name }) => !name.startsWith("."));
  const isTier = (entry: StoredFile | StoredOddity) =>
    "reason" in entry && entry.isFolder && tiers.some((tier) => tier === entry.name);
  const files = entries.filter((entry) => !isTier(entry));
  const cache = new InspectionCache();
  // Once one cannot be read for want of the store, nobody waits for the others.
  const stop = new AbortController();
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const reading = { opened, cache, say, signal: either, again, now };
  const stopping = (error: unknown) => {
    stop.abort(error);
    throw error;
  };
  const look = async (file: StoredFile | StoredOddity) => {
    either.throwIfAborted();
    const name = parseArchiveName(file.name);
    const facts: FileFacts = {
      store: store.name,
      timezone: store.timezone,
      file: file.name,
      storedAt: file.modifiedAt,
      storedBytes: "bytes" in file ? file.bytes : 0,
      mustBeSigned: expected.signers.length > 0,
    };
    return readPoint(file, name, facts, reading).catch(stopping);
  };
  const width = Math.min(4, availableParallelism());
  const isAlias = ({ name }: { name: string }) => parseArchiveName(name).form.endsWith("-alias");
  const points = await inTurns(
    files.filter((file) => !isAlias(file)),
    width,
    look,
  );
  // Most are links, and what they name is not read twice.
  const unread: typeof files = [];
  for (const alias of files.filter(isAlias)) {
    const named = namedBy(alias, points);
    if (named) named.aliases.push(alias.name);
    else unread.push(alias);
  }
  const aliases = await inTurns(unread, width, look);
  const folders = await inTurns(entries.filter(isTier), 1, async ({ name: tier }) => {
    const { entries, within } = await opened.listBoth(tier);
    const manifests = [...within].flatMap(([folder, files]) =>
      timeOfFolder(folder) === undefined ? [] : files.filter(isManifest),
    );
    const many = await opened.readMany(manifests);
    return inTurns(entries, width, async (entry) => {
      either.throwIfAborted();
      const files = within.get(entry.name) ?? [];
      return readFolder(store, tier, entry, files, many, expected, reading).catch(stopping);
    });
  });
  return sorted([...withAliases(points, aliases), ...folders.flat()]);
}

function strayEntry(store: Store, id: string, storedAt: Date, reason: string): RestorePoint {
  const facts = { store: store.name, timezone: store.timezone, file: id, storedAt, storedBytes: 0 };
  return unreadPoint({ ...facts, mustBeSigned: false }, { form: "foreign", id }, "foreign", reason);
}

const manifestNames = ["MANIFEST.json", "MANIFEST.json.sig"] as const;
function isManifest(file: StoredFile | StoredOddity): file is StoredFile {
  return (
    !("reason" in file) && manifestNames.some((name) => name === file.name) && file.bytes <= manifestBytes
  );
}

/** An entry of a tier's folder: a point of our own format, if it is a restore point at all. `many` were read already, by their paths. */
async function readFolder(
  store: Store,
  tier: string,
  folder: StoredFile | StoredOddity,
  entries: (StoredFile | StoredOddity)[],
  many: ReadonlyMap<string, Buffer>,
  expected: Expectation,
  reading: Reading,
): Promise<RestorePoint> {
  const { opened, signal, again, now } = reading;
  const { name, modifiedAt } = folder;
  const id = `${tier}/${name}`;
  if (!("reason" in folder)) return strayEntry(store, id, modifiedAt, "a file");
  if (!folder.isFolder) return strayEntry(store, id, modifiedAt, folder.reason);
  if (timeOfFolder(name) === undefined) {
    return strayEntry(store, id, modifiedAt, "not a name that a restore point's folder has");
  }
  try {
    const files = entries.filter((entry) => !("reason" in entry)) as StoredFile[];
    const read = async (wanted: (typeof manifestNames)[number]) => {
      const file = files.find((one) => one.name === wanted);
      if (file === undefined) return null;
      if (!isManifest(file)) throw new Error(`its ${wanted} is longer than one can be`);
      return many.get(file.path) ?? (await opened.read(file, whole)) ?? null;
    };
    const manifest = await read("MANIFEST.json");
    const signature = manifest && (await read("MANIFEST.json.sig"));
    return judgeFolder(
      {
        store: store.name,
        tier,
        name,
        storedAt: files.find((file) => file.name === "MANIFEST.json")?.modifiedAt ?? modifiedAt,
        files: again(id) ? await hashed(files, reading) : files.map(asArrived),
        oddities: entries.flatMap((entry) => ("reason" in entry ? [entry] : [])),
        manifest: manifest && {
          text: manifest.toString("utf8"),
          sha256: createHash("sha256").update(manifest).digest("hex"),
        },
      },
      manifest && (await signatureVerdict(manifest, signature, expected.signers)),
      expected.site,
      now,
    );
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof OperatorError) throw error;
    const reason = `it cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    const stray = strayEntry(store, id, modifiedAt, reason);
    return { ...stray, format: "folder", kind: "full", state: "damaged" };
  }
}

async function signatureVerdict(
  manifest: Buffer,
  signature: Buffer | null,
  signers: readonly string[],
): Promise<SignatureVerdict> {
  if (signers.length === 0) return null;
  if (signature === null)
    return { fault: "nobody signed it, and site.yaml names who must (restorePoints.signers)" };
  const faults = {
    signer: null,
    stranger: "its signature is of a key that site.yaml does not name (restorePoints.signers)",
    nobody: "its manifest is not the one that was signed: it was changed since, or its signature is damaged",
  };
  return { fault: faults[await whoSigned(manifest, signature, signers, "recovery-stack")] };
}

async function whole(bytes: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const asArrived = ({ name, bytes, modifiedAt }: StoredFile) => ({ name, bytes, arrivedAt: modifiedAt });

/** The files of a folder, each read from end to end; one that changes meanwhile has no hash that could be right. */
async function hashed(files: StoredFile[], { opened, say, signal }: Reading): Promise<FolderFacts["files"]> {
  return inTurns(files, 1, async (file) => {
    const sha256 = await opened.read(file, async (bytes) => {
      const hash = createHash("sha256");
      for await (const chunk of withProgress(bytes, file, say)) {
        signal.throwIfAborted();
        hash.update(chunk);
      }
      return hash.digest("hex");
    });
    return { ...asArrived(file), sha256: sha256 ?? "unknown: it changed while it was read" };
  });
}

interface Reading {
  opened: StoreReader;
  cache: InspectionCache;
  say: (line: string) => void;
  signal: AbortSignal;
  again: (file: string) => boolean;
  now: Date;
}

async function readPoint(
  file: StoredFile | StoredOddity,
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
    reading.signal.throwIfAborted();
    // The store is out of reach: that says nothing of the file.
    if (error instanceof OperatorError) throw error;
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
  { opened, cache, say, signal, again }: Reading,
): Promise<Inspection | undefined> {
  const known = await cache.get(file.identity);
  if (known !== undefined && !again(file.name)) return known;
  if (file.bytes >= longBytes)
    say(`reading ${file.name} (${formatBytes(file.bytes)}); the next time this is known`);
  const read = await opened.read(file, (bytes) => {
    const told = withProgress(bytes, file, say);
    return "engine" in name
      ? inspectDump(told, name.engine, signal)
      : inspectArchive(told, signal, { unpacked: again(file.name) });
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

/** The point that alone has the size and the time of the file: over sftp nothing else tells what a link names. */
function namedBy(
  alias: StoredFile | StoredOddity,
  points: readonly RestorePoint[],
): RestorePoint | undefined {
  const [of, ...others] = points.filter(
    ({ sha256, storedBytes, storedAt }) =>
      sha256 !== null &&
      "bytes" in alias &&
      storedBytes === alias.bytes &&
      storedAt === alias.modifiedAt.toISOString(),
  );
  return others.length === 0 ? of : undefined;
}

function withAliases(named: RestorePoint[], aliases: RestorePoint[]): RestorePoint[] {
  const points = [...named];
  for (const alias of aliases) {
    const of = points.find(({ sha256 }) => sha256 !== null && sha256 === alias.sha256);
    if (of === undefined) points.push(alias);
    else of.aliases.push(alias.file);
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
