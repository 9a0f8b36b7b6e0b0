import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { execa, type Options } from "execa";
import { z } from "zod";
import { exitCodes, OperatorError } from "../../site/operator-error.ts";
import type { Store } from "../../site/schema.ts";
import { connect } from "../../ssh/connection.ts";
import { rcloneEnvironment, type RcloneRemote } from "../../ssh/rclone-remote.ts";
import { cacheHome } from "../inspection-cache.ts";
import type { StoredFile, StoredOddity, StoreReader } from "./store.ts";

type SshStore = Extract<Store, { kind: "ssh" }>;

/** Whoever does not list a folder in this time is not waited for. Logging in has 15 s of its own (ssh/connection.ts). */
const listSeconds = 60;
const flags = [
  "--config=",
  "--checkers=4",
  "--transfers=4",
  "--contimeout=15s",
  "--timeout=30s",
  "--low-level-retries=1",
  "--retries=1",
];

/** A folder on a server of one's own, read by rclone over sftp. Its bytes pass through; no copy of them is made here. */
export function sshStore(store: SshStore): StoreReader {
  const remote = sshRemote(store);
  return {
    list: async (folder = ".") => {
      if (folder === ".") await meet(store); // always the first that is listed
      return (await list(store, remote, folder)).map((entry) => listed(store, entry, folder)).sort(byName);
    },
    listBoth: (folder) => listBoth(store, remote, folder),
    readMany: (files) => readMany(store, remote, files),
    read: (file, visit) => read(store, remote, file, visit),
    relayed: (file) => ({ name: basename(file), remote: below(remote, dirname(file)) }),
  };
}

/** What rclone is told of the store. Logging in is left to the operator's ssh agent. */
export function sshRemote(store: SshStore): RcloneRemote {
  const { host, port, user, path } = store;
  return {
    environment: {
      RCLONE_CONFIG_STORE_TYPE: "sftp",
      // rclone puts a colon and the port behind it.
      RCLONE_CONFIG_STORE_HOST: host.includes(":") ? `[${host}]` : host,
      RCLONE_CONFIG_STORE_PORT: String(port),
      RCLONE_CONFIG_STORE_USER: user,
      RCLONE_CONFIG_STORE_KEY_USE_AGENT: "true",
      RCLONE_CONFIG_STORE_KNOWN_HOSTS_FILE: knownHostsFile(store),
      // Files alone: many accounts for backups may run no command, and rclone need not find out.
      RCLONE_CONFIG_STORE_SHELL_TYPE: "none",
    },
    path: `store:${path}`,
  };
}

function below(remote: RcloneRemote, folder: string): RcloneRemote {
  return folder === "." ? remote : { ...remote, path: `${remote.path}/${folder}` };
}

function knownHostsFile({ host, port, hostKey }: SshStore): string {
  const digest = createHash("sha256").update(`${host} ${port} ${hostKey}`).digest("hex").slice(0, 16);
  return join(cacheHome(), "recovery-stack", "known-hosts", digest);
}

/** rclone's exit codes (https://rclone.org/docs/#exit-code). */
const notFound = { folder: 3, file: 4 };

const entrySchema = z.object({
  /** Below the folder that was listed. */
  Path: z.string(),
  Name: z.string(),
  Size: z.number(),
  ModTime: z.coerce.date(),
  IsDir: z.boolean(),
});

async function list(
  store: SshStore,
  remote: RcloneRemote,
  folder: string,
  ...options: string[]
): Promise<z.infer<typeof entrySchema>[]> {
  const { exitCode, stdout, why } = await rclone(["lsjson", ...options, below(remote, folder).path], remote);
  if (exitCode !== 0) {
    throw unreadable(
      store,
      exitCode === notFound.folder ? `there is no folder ${store.path} on ${store.host}` : why,
      "correct `path` in site.yaml, or see that the account may read it: sftp shows what it sees",
    );
  }
  return z.array(entrySchema).parse(JSON.parse(stdout));
}

const byName = (one: { name: string }, other: { name: string }) => (one.name < other.name ? -1 : 1);

/** To log in takes longer than all else: one login for all folders. */
async function listBoth(store: SshStore, remote: RcloneRemote, folder: string) {
  const all = await list(store, remote, folder, "--recursive", "--max-depth=2");
  const of = (parent: string) =>
    all
      .filter(({ Path: path }) => dirname(path) === parent)
      .map((entry) => listed(store, entry, parent === "." ? folder : `${folder}/${parent}`))
      .sort(byName);
  const entries = of(".");
  const folders = entries.filter((entry) => "reason" in entry && entry.isFolder);
  return { entries, within: new Map(folders.map(({ name }) => [name, of(name)])) };
}

/** The same for files: what came as it was listed, by size and time, is there. */
async function readMany(
  store: SshStore,
  remote: RcloneRemote,
  files: readonly StoredFile[],
): Promise<ReadonlyMap<string, Buffer>> {
  const read = new Map<string, Buffer>();
  if (files.length === 0) return read;
  const folder = await mkdtemp(join(tmpdir(), "recovery-store-"));
  try {
    const paths = files.map(({ path }) => path.slice(store.path.length + 1));
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

function listed(
  store: SshStore,
  entry: z.infer<typeof entrySchema>,
  folder = ".",
): StoredFile | StoredOddity {
  const { Name: name, Size: bytes, ModTime: modifiedAt, IsDir: isFolder } = entry;
  if (isFolder) return { name, modifiedAt, isFolder, reason: "a folder" };
  // Nothing else tells over sftp. A name does not: `latest` is a link. Who exchanges a file for one of the same size and
  // time gains nothing: the host hashes what it fetches, and refuses what is not the pinned archive.
  const identity = ["ssh", store.hostKey, store.path, bytes, modifiedAt.getTime()].join(" ");
  return {
    name,
    path: folder === "." ? `${store.path}/${name}` : `${store.path}/${folder}/${name}`,
    bytes,
    modifiedAt,
    identity,
  };
}

async function read<Result>(
  store: SshStore,
  remote: RcloneRemote,
  file: StoredFile,
  visit: (bytes: AsyncIterable<Buffer>) => Promise<Result>,
): Promise<Result | undefined> {
  const source = `store:${file.path}`;
  const cat = execa("rclone", [...flags, "cat", `--count=${file.bytes}`, source], {
    ...surroundings(remote),
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
      `${file.name} broke off after ${bytes} of ${file.bytes} bytes: ${lastWords(stderr)}`,
      "run the same command again: what was read to its end is not read again",
    );
  }
  const look = await rclone(["lsjson", "--stat", source], remote);
  if (look.exitCode === notFound.folder || look.exitCode === notFound.file) return undefined;
  if (look.exitCode !== 0) throw unreadable(store, look.why, "run the same command again");
  const now = listed(store, entrySchema.parse(JSON.parse(look.stdout)));
  const same = "identity" in now && now.identity === file.identity && bytes === file.bytes;
  return same ? result : undefined;
}

/**
 * Logs in once, to compare the host's key with the pinned one and to hear all others that it proves to have. rclone needs
 * them: it cannot ask for a key of a certain kind (1.60), and takes a server that shows another for the wrong one.
 *
 * @throws OperatorError within 15 s when it is another host, does not let us in, cannot be reached or is silent
 */
async function meet(store: SshStore): Promise<void> {
  const { host: address, port, user, hostKey } = store;
  const keys = await connect({ address, port, user, hostKey })
    .then(async (connection) => {
      try {
        return await connection.hostKeys();
      } finally {
        await connection.close();
      }
    })
    .catch((error: unknown) => {
      if (!(error instanceof OperatorError)) throw error;
      const { exitCode, what, why, next } = error;
      throw new OperatorError(exitCode, `the store ${store.name} cannot be read`, `${what} ${why}`, next, {
        cause: error,
      });
    });
  const file = knownHostsFile(store);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const name = port === 22 ? address : `[${address}]:${port}`;
  await writeFile(`${file}.${process.pid}`, keys.map((key) => `${name} ${key}\n`).join(""), { mode: 0o600 });
  await rename(`${file}.${process.pid}`, file);
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

/** Runs rclone to its end, within a minute. Throws OperatorError when it is not there. */
async function rclone(
  command: string[],
  remote: RcloneRemote,
  input = "",
): Promise<{ exitCode: number | undefined; stdout: string; why: string }> {
  const ended = await execa("rclone", [...flags, ...command], {
    ...surroundings(remote),
    stdin: "pipe",
    input,
    encoding: "utf8",
    timeout: listSeconds * 1000,
  });
  if (ended.code === "ENOENT") {
    throw new OperatorError(
      exitCodes.missingHere,
      "rclone is not installed here",
      "stores on a server are read by it",
      "install it: apt-get install rclone",
    );
  }
  const why = ended.timedOut ? `it did not answer within ${listSeconds} s` : lastWords(ended.stderr);
  return { exitCode: ended.exitCode, stdout: ended.stdout, why };
}

/** rclone's last line, without the time that it puts before it. */
function lastWords(stderr: string | Uint8Array): string {
  const text = typeof stderr === "string" ? stderr : Buffer.from(stderr).toString();
  const line = text.trim().split("\n").at(-1) ?? "";
  return line.replace(/^[\d/]+ [\d:]+ (\w+ *: )?/, "") || "rclone said nothing";
}

function unreadable(store: SshStore, why: string, next: string): OperatorError {
  return new OperatorError(exitCodes.missingHere, `the store ${store.name} cannot be read`, why, next);
}
