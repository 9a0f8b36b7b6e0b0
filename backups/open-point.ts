import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { basename, dirname } from "node:path";
import type { Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { extract } from "tar-stream";
import { inspectionLimits } from "./inspection.ts";
import { contentName, isEncrypted } from "./point-manifest.ts";
import { withProgress } from "./reading-progress.ts";
import type { Member, RestorePoint } from "./restore-point.ts";
import { fileNamed, type StoreReader } from "./stores/store.ts";

/**
 * What came of opening a point: all of it is what was backed up; it is damaged; the key is not one of those that open it; or it went,
 * or changed, while it was read, which says nothing of it: backups come to the end of their time.
 */
export type Opening = "opened" | NotOpened;
export type NotOpened = { fault: string } | { locked: string } | { gone: string };

export interface OpeningOptions {
  /** The private key, as a file of age's or ssh's holds it; not needed for members that are not encrypted. */
  identity: string | undefined;
  /** Told, a line at a time, how far it is when that takes long. */
  say: (line: string) => void;
  signal: AbortSignal;
}

/** A list with a line for each member. */
const mostSums = 1024 ** 2;

/**
 * Reads all of a point of our own format, from the store through age and zstd, each member one stream and none of it kept: the stored
 * bytes must have the hash of the manifest, and what they hold that of the point's inventory. Needs bash, age and zstd here.
 *
 * @throws OperatorError when the store does not give it, which says nothing of the point.
 */
export async function openPoint(
  store: StoreReader,
  point: RestorePoint,
  options: OpeningOptions,
): Promise<Opening> {
  const inventory = await readInventory(store, point, options);
  if (!("sums" in inventory)) return inventory;
  const { stored, sums } = inventory;
  const held = new Set(point.members.map(({ path }) => contentName(path)));
  const lost = [...sums.keys()].find((name) => !held.has(name));
  if (lost !== undefined) return { fault: `its inventory knows ${lost}, which its manifest does not name` };
  for (const member of point.members) {
    if (isInventory(member)) continue;
    const name = contentName(member.path);
    const listed = sums.get(name);
    if (listed === undefined) return { fault: `its inventory does not know ${member.path}` };
    const content = await openMember(store, stored, point, member, options);
    // The key opened the inventory: whoever made the other one wants nobody here to open it.
    if ("locked" in content) return { fault: `${content.locked} than its inventory` };
    if (!("sha256" in content)) return content;
    if (content.sha256 !== listed) {
      return {
        fault: `${member.path} holds other bytes than were backed up: the sha256 of ${name} is ${content.sha256}, and was ${listed}`,
      };
    }
  }
  return "opened";
}

/** Whether a key opens a point: by its inventory, which is small, and nothing else of it. As openPoint. */
export async function openInventory(
  store: StoreReader,
  point: RestorePoint,
  options: OpeningOptions,
): Promise<Opening> {
  const inventory = await readInventory(store, point, options);
  return "sums" in inventory ? "opened" : inventory;
}

type Stored = Awaited<ReturnType<StoreReader["list"]>>;

/** What lies in a point's folder; undefined when the store has none of its name any more. */
async function filesOf(store: StoreReader, point: RestorePoint): Promise<Stored | undefined> {
  try {
    return await store.list(point.file);
  } catch (error) {
    // A store that cannot be reached throws here too.
    const siblings = await store.list(dirname(point.file));
    if (siblings.some(({ name }) => name === basename(point.file))) throw error;
    return undefined;
  }
}

const isInventory = ({ path }: Member) => contentName(path) === "inventory.tar";

/** The hashes of what the members hold, and the files that they lie in. */
async function readInventory(
  store: StoreReader,
  point: RestorePoint,
  options: OpeningOptions,
): Promise<{ stored: Stored; sums: ReadonlyMap<string, string> } | NotOpened> {
  const stored = await filesOf(store, point);
  if (stored === undefined) return { gone: "it is not there any more" };
  const inventory = point.members.find(isInventory);
  if (inventory === undefined) return { fault: "it has no inventory" };
  const list = sumsReader();
  const read = await openMember(store, stored, point, inventory, options, list);
  return "sha256" in read ? { stored, sums: list.sums() } : read;
}

/** Takes the content of a member as it comes; what `take` throws is a fault of the member. */
interface ContentSink {
  take(chunk: Buffer): Promise<void>;
  end(): Promise<void>;
}

/** Finds SHA256SUMS in the tar that an inventory is: hashes by member. The rest of it is let by. */
function sumsReader(): ContentSink & { sums(): ReadonlyMap<string, string> } {
  const tar = extract();
  let text = "";
  let found = false;
  tar.on("entry", (header, content, next) => {
    // The tar's own error comes out of its entries too: it is told once, below.
    content.on("error", () => undefined);
    const wanted = header.name === "SHA256SUMS" && header.type === "file";
    if (wanted && (found || header.size > mostSums)) {
      next(new Error(`its SHA256SUMS is ${found ? "in it twice" : "longer than one can be"}`));
      return;
    }
    found ||= wanted;
    content.on("data", (chunk) => {
      if (wanted) text += (chunk as Buffer).toString("latin1");
    });
    content.on("end", () => {
      next();
    });
  });
  const done = finished(tar);
  done.catch(() => undefined); // told by the one that waits
  return {
    take: async (chunk) => {
      if (!tar.write(chunk)) await Promise.race([once(tar, "drain"), done]);
    },
    end: async () => {
      tar.end(null);
      await done;
    },
    sums: () =>
      new Map(
        text.split("\n").flatMap((line) => {
          const [, sha256 = "", name = ""] = /^([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? [];
          return sha256 === "" ? [] : [[name, sha256]];
        }),
      ),
  };
}

// The key comes through a pipe of its own: age reads it from a file, and there is none.
const decrypt = `set -o pipefail; age --decrypt --identity <(cat <&3) | zstd -q -d -c`;
const decompress = "exec zstd -q -d -c";

async function openMember(
  store: StoreReader,
  stored: Stored,
  point: RestorePoint,
  { path, bytes, unpackedBytes, sha256 }: Member,
  { identity, say, signal }: OpeningOptions,
  keep?: ContentSink,
): Promise<{ sha256: string } | NotOpened> {
  const file = fileNamed(stored, path);
  if (file === undefined) return { gone: `${path} is not there any more` };
  const encrypted = isEncrypted(path);
  const child = spawn("bash", ["-c", encrypted ? decrypt : decompress], {
    stdio: ["pipe", "pipe", "pipe", "pipe"],
    signal,
  });
  const [stdin, stdout, stderr, key] = child.stdio as unknown as [Writable, Readable, Readable, Writable];
  const closed = once(child, "close") as Promise<[number | null]>;
  closed.catch(() => undefined); // also when the run is interrupted
  // A program that ends early reads no more: why is in its exit code.
  for (const pipe of [stdin, key]) pipe.on("error", () => undefined);
  key.end(identity === undefined ? "" : `${identity}\n`);
  let said = "";
  stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString("utf8")).slice(-2000)));
  const content = contentOf(stdout, { bytes, unpackedBytes }, keep).catch((error: unknown) => {
    child.kill("SIGKILL");
    return { fault: error instanceof Error ? error.message : String(error) };
  });
  const storedHash = createHash("sha256");
  const all = await store.read(file, async (read) => {
    for await (const chunk of withProgress(read, { name: `${point.id}/${path}`, bytes }, say)) {
      signal.throwIfAborted();
      storedHash.update(chunk);
      // What follows may have ended, also while it is waited for: the stored bytes are hashed to their end all the same.
      if (stdin.writable && !stdin.write(chunk)) await Promise.race([drained(stdin), closed]);
    }
    return true;
  });
  stdin.end();
  const [exitCode] = await closed;
  const held = await content;
  if (all === undefined) return { gone: `${path} changed while it was read` };
  const hash = storedHash.digest("hex");
  if (hash !== sha256) {
    return {
      fault: `${path} is not what its manifest says: its sha256 is ${hash}, and was ${sha256 ?? "none"}`,
    };
  }
  if ("fault" in held) return { fault: `${path}: ${held.fault}` };
  if (exitCode === 0) return held;
  if (said.includes("no identity matched")) return { locked: `${path} was encrypted to other keys` };
  return {
    fault: `${path} cannot be ${encrypted ? "decrypted and " : ""}decompressed: ${lastLine(said)}`,
  };
}

/** Until more can be written, or nobody reads any more. */
async function drained(pipe: Writable): Promise<void> {
  await once(pipe, "drain").catch(() => undefined);
}

/** The hash of what a member holds, which is as long as was said. */
async function contentOf(
  stdout: AsyncIterable<unknown>,
  said: Pick<Member, "bytes" | "unpackedBytes">,
  keep: ContentSink | undefined,
): Promise<{ sha256: string } | { fault: string }> {
  const hash = createHash("sha256");
  const { expansion, expandedBytes } = inspectionLimits;
  let bytes = 0;
  for await (const chunk of stdout as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > said.unpackedBytes)
      throw new Error(`it holds more than the ${said.unpackedBytes} bytes that its manifest says`);
    // Whoever signed it may say what they like: a verifier would read it for ever, and nothing after it.
    if (bytes > expandedBytes && bytes > expansion * said.bytes)
      throw new Error(`it unpacks to more than ${expansion} times its size`);
    hash.update(chunk);
    await keep?.take(chunk);
  }
  await keep?.end();
  return { sha256: hash.digest("hex") };
}

function lastLine(said: string): string {
  const line =
    said
      .trim()
      .split("\n")
      .at(-1)
      ?.replaceAll(/\p{Cc}/gu, "") ?? "";
  return line === "" ? "nothing was said" : line;
}
