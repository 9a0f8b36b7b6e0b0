import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { execa, type Options } from "execa";
import { z } from "zod";
import { exitCodes, OperatorError } from "../../site/operator-error.ts";
import { rcloneEnvironment, type RcloneRemote } from "../../ssh/rclone-remote.ts";
import { printable, type StoredFile, type StoredOddity, type StoreReader, unprintable } from "./store.ts";

/** A store that rclone reads. Its bytes pass through; no copy of them is made here. */
export interface RcloneStore {
  /** What site.yaml calls it. */
  name: string;
  /** Its folder. */
  remote: RcloneRemote;
  /** Words for a store that has no such folder, and what to do then. */
  noFolder: { why: string; next: string };
  /** What tells two stores apart: part of a listed file's identity. */
  place: string;
  /** Done before the first listing. Throws OperatorError. */
  meet?: () => Promise<void>;
  /** In a store that keeps what was overwritten. */
  versions?: {
    /** What rclone must be told so that a listing has all versions. */
    all: Record<string, string>;
    /** What the store held at first: of a listing of all versions one entry for each name. */
    first: (entries: Entry[], folder: string) => Entry[];
    /** What rclone must be told to see the store as it was at a moment. */
    at: (moment: Date) => Record<string, string>;
  };
}

/** Whoever does not answer in this time is not waited for. */
const answerSeconds = 60;
/** Whoever may write may have put millions of objects there. */
const listSeconds = 300;
const flags = [
  "--config=",
  "--checkers=4",
  "--transfers=4",
  "--contimeout=15s",
  "--timeout=30s",
  "--low-level-retries=1",
  "--retries=1",
  // When it arrived, by the store's own clock: what whoever sent it says of its time proves nothing.
  "--use-server-modtime",
];

const entrySchema = z.object({
  /** Below the folder that was listed. */
  Path: z.string(),
  Name: z.string(),
  Size: z.number(),
  ModTime: z.coerce.date(),
  IsDir: z.boolean(),
});
/** An entry of a listing, as `rclone lsjson` prints it. */
export type Entry = z.infer<typeof entrySchema>;
const entriesSchema = z.array(entrySchema);

/** rclone's exit code where there is no such folder (https://rclone.org/docs/#exit-code). */
const notFound = 3;

export function rcloneStore(store: RcloneStore): StoreReader {
  return {
    list: async (folder = ".") => {
      if (folder === ".") await store.meet?.(); // always the first that is listed
      return (await list(store, folder)).map((entry) => listed(store, entry, folder)).sort(byName);
    },
    listBoth: (folder) => listBoth(store, folder),
    readMany: (files) => readMany(store, files),
    read: (file, visit) => read(store, file, visit),
    relayed: (file, _, moment) => ({
      name: basename(file),
      remote: below(asOf(store, moment), dirname(file)),
    }),
  };
}

/** As it was at a moment, in a store that still knows. */
function asOf({ remote, versions }: RcloneStore, moment: Date): RcloneRemote {
  return versions ? { ...remote, environment: { ...remote.environment, ...versions.at(moment) } } : remote;
}

function below(remote: RcloneRemote, folder: string): RcloneRemote {
  return folder === "." ? remote : { ...remote, path: `${remote.path}${folder}/` };
}

async function list(store: RcloneStore, folder: string, ...options: string[]): Promise<Entry[]> {
  const { remote, versions } = store;
  const seen = versions ? { ...remote, environment: { ...remote.environment, ...versions.all } } : remote;
  // What kind of file it is, some stores tell only when asked for each.
  const command = ["lsjson", "--no-mimetype", ...options, below(seen, folder).path];
  const { exitCode, stdout, why } = await rclone(command, seen, "", listSeconds);
  if (exitCode === notFound) throw unreadable(store, store.noFolder.why, store.noFolder.next);
  if (exitCode !== 0) throw unreadable(store, why, store.noFolder.next);
  const entries = entriesSchema.parse(JSON.parse(stdout));
  return versions ? versions.first(entries, folder) : entries;
}

const byName = (one: { name: string }, other: { name: string }) => (one.name < other.name ? -1 : 1);

/** To log in, or to ask, takes longer than all else: once for all folders. */
async function listBoth(store: RcloneStore, folder: string) {
  const all = await list(store, folder, "--recursive", "--max-depth=2");
  const of = (parent: string) =>
    all
      .filter(({ Path: path }) => dirname(path) === parent)
      .map((entry) => listed(store, entry, parent === "." ? folder : `${folder}/${parent}`))
      .sort(byName);
  const entries = of(".");
  const folders = entries.filter((entry) => "reason" in entry && entry.isFolder);
  return { entries, within: new Map(folders.map(({ name }) => [name, of(name)])) };
}

/**
 * The same for files: what came as it was listed, by size and time, is there. One that was overwritten since is not, where the store
 * still has the first.
 */
async function readMany(
  { remote }: RcloneStore,
  files: readonly StoredFile[],
): Promise<ReadonlyMap<string, Buffer>> {
  const read = new Map<string, Buffer>();
  if (files.length === 0) return read;
  const folder = await mkdtemp(join(tmpdir(), "recovery-store-"));
  try {
    const paths = files.map(({ path }) => path.slice(remote.path.length));
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    // None of them may have grown without end meanwhile.
    const bounded = ["--max-transfer", String(2 * bytes), "--cutoff-mode=hard"];
    await rclone(
      ["copy", "--no-traverse", "--files-from-raw=-", ...bounded, remote.path, folder],
      remote,
      paths.join("\n"),
    );
    for (const [at, file] of files.entries()) {
      const copy = join(folder, paths[at] ?? "");
      const look = await stat(copy).catch(() => undefined);
      if (look?.size === file.bytes && look.mtime.getTime() === file.modifiedAt.getTime())
        read.set(file.path, await readFile(copy));
    }
    return read;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function listed({ remote, place }: RcloneStore, entry: Entry, folder = "."): StoredFile | StoredOddity {
  const { Name: name, Size: bytes, ModTime: modifiedAt, IsDir: isFolder } = entry;
  if (printable(name) !== name) return unprintable(name, modifiedAt);
  if (isFolder) return { name, modifiedAt, isFolder, reason: "a folder" };
  // Nothing else tells over sftp. Who exchanges a file for one of the same size and time gains nothing: the host hashes what it
  // fetches, and refuses what is not the pinned archive.
  const identity = [place, folder, name, bytes, modifiedAt.getTime()].join(" ");
  return { name, path: `${below(remote, folder).path}${name}`, bytes, modifiedAt, identity };
}

async function read<Result>(
  store: RcloneStore,
  file: StoredFile,
  visit: (bytes: AsyncIterable<Buffer>) => Promise<Result>,
): Promise<Result | undefined> {
  const remote = asOf(store, file.modifiedAt);
  // Named in its folder: a file of a bucket as it was at a moment is not found by its own path (rclone 1.60).
  const named = ["--files-from-raw=-", `${dirname(file.path)}/`];
  const cat = execa("rclone", [...flags, "cat", `--count=${file.bytes}`, ...named], {
    ...surroundings(remote),
    stdin: "pipe",
    input: basename(file.path),
    buffer: { stdout: false },
  });
  let bytes = 0;
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const chunk of cat.stdout) {
      bytes += (chunk as Buffer).length;
      yield chunk as Buffer;
    }
  }
  let result: Result;
  try {
    result = await visit(counted());
  } catch (error) {
    cat.kill("SIGKILL");
    throw error;
  }
  const { exitCode, stderr } = await cat;
  if (exitCode !== 0) {
    throw unreadable(
      store,
      `${file.name} broke off after ${bytes} of ${file.bytes} bytes: ${lastWords(stderr, remote)}`,
      "run the same command again: what was read to its end is not read again",
    );
  }
  const look = await rclone(["lsjson", "--no-mimetype", ...named], remote, basename(file.path));
  if (look.exitCode === notFound) return undefined;
  if (look.exitCode !== 0) throw unreadable(store, look.why, "run the same command again");
  const [entry] = entriesSchema.parse(JSON.parse(look.stdout));
  if (!entry) return undefined;
  const now = listed(store, entry, dirname(file.path.slice(store.remote.path.length)));
  const same = "identity" in now && now.identity === file.identity && bytes === file.bytes;
  return same ? result : undefined;
}

function surroundings(remote: RcloneRemote) {
  return {
    env: rcloneEnvironment(remote),
    extendEnv: false,
    stdin: "ignore",
    encoding: "buffer",
    reject: false,
  } satisfies Options;
}

/** Runs rclone to its end, for so long. Throws OperatorError when it is not there. */
async function rclone(
  command: string[],
  remote: RcloneRemote,
  input = "",
  seconds = answerSeconds,
): Promise<{ exitCode: number | undefined; stdout: string; why: string }> {
  const ended = await execa("rclone", [...flags, ...command], {
    ...surroundings(remote),
    stdin: "pipe",
    input,
    encoding: "utf8",
    timeout: seconds * 1000,
  });
  if (ended.code === "ENOENT") {
    throw new OperatorError(
      exitCodes.missingHere,
      "rclone is not installed here",
      "stores that are no folder of this computer are read by it",
      "install it: apt-get install rclone",
    );
  }
  const why = ended.timedOut ? `it did not answer within ${seconds} s` : lastWords(ended.stderr, remote);
  return { exitCode: ended.exitCode, stdout: ended.stdout, why };
}

/**
 * The last that rclone said, without the time, or the level for a journal, that it puts before it, and without secrets. What comes from a
 * store may be a page, and one line of it tells; of a connection to Azure that failed, the last.
 */
export function lastWords(stderr: string | Uint8Array, { environment }: RcloneRemote): string {
  const text = typeof stderr === "string" ? stderr : Buffer.from(stderr).toString();
  const lines = text.trim().split("\n");
  const cause = lines
    .findLast((line) => /^( *RESPONSE Status|caused by): /.test(line))
    ?.replace(/^.*?: /, "");
  const dated = text.includes("pipeline.NewError")
    ? undefined
    : lines.findLast((line) => /^(\d{4}\/\d\d\/\d\d |<\d>)/.test(line));
  const line = (cause ?? dated ?? lines.at(-1) ?? "").replace(/^([\d/]+ [\d:]+ |<\d>)([A-Z]+ *: )?/, "");
  const secret = environment["RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY"] ?? "";
  const masked = secret === "" ? line : line.replaceAll(secret, "[masked]");
  return printable(masked.replaceAll(/sig=[^&" ]*/g, "sig=[masked]")) || "rclone said nothing";
}

function unreadable({ name }: RcloneStore, why: string, next: string): OperatorError {
  return new OperatorError(exitCodes.missingHere, `the store ${name} cannot be read`, why, next);
}
