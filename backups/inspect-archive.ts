import { createHash } from "node:crypto";
import { Writable } from "node:stream";
import { type Header, extract } from "tar-stream";
import { DumpVersionsReader, mayBeDump } from "./dump-versions.ts";
import { Damage, type Inspection, type InspectionLimits, inspectionLimits } from "./inspection.ts";
import { readGzip } from "./read-gzip.ts";
import type { Member } from "./restore-point.ts";

/**
 * Reads a `full_backup_….tar.gz` once, from its first byte to its last, keeping little of it in memory. An archive may
 * come from anybody: entries that could act outside its place, and bombs, are damage. With `unpacked` each compressed file in it is
 * decompressed too, into nothing.
 */
export async function inspectArchive(
  source: AsyncIterable<Buffer>,
  signal?: AbortSignal,
  { unpacked = false, limits = inspectionLimits }: { unpacked?: boolean; limits?: InspectionLimits } = {},
): Promise<Inspection> {
  const listing = new Listing(limits, unpacked);
  const reading = await readGzip(source, limits, listing.sink(), signal);
  return {
    ...reading,
    damage: reading.damage ?? listing.damage(),
    root: listing.root,
    members: listing.members,
    manifest: listing.manifest,
  };
}

/** What stands in one tar. */
class Listing {
  root: string | null = null;
  manifest: Inspection["manifest"] = null;
  readonly members: Member[] = [];
  private readonly paths = new Set<string>();
  private entries = 0;
  /** The first member that cannot be what its name says. */
  private broken: string | null = null;
  private last = "its beginning";
  /** Zero bytes at the end of what was read so far: a tar ends with two blocks of them. */
  private zeros = 0;

  constructor(
    private readonly limits: InspectionLimits,
    private readonly unpacked: boolean,
  ) {}

  /** Takes the bytes of the tar; fails with Damage. */
  sink(): Writable {
    const tar = extract();
    tar.on("entry", (header, content, next) => {
      // The tar's own error comes out of its entries too: it is told once, below.
      content.on("error", () => undefined);
      const take = this.accept(header, next);
      if (take === undefined) return;
      if (this.unpacked && header.name.endsWith(".gz")) {
        this.decompress(content as AsyncIterable<Buffer>, take).then(
          () => {
            next();
          },
          () => undefined,
        );
        return;
      }
      content.on("data", (chunk) => {
        take(chunk as Buffer);
      });
      content.on("end", () => {
        take(undefined);
        next();
      });
    });
    const sink = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.countZeros(chunk);
        if (tar.write(chunk)) done();
        else
          tar.once("drain", () => {
            done();
          });
      },
      final: (done) => {
        tar.once("finish", () => {
          // tar writes the mark, gzip does not ask for it: a tar that was killed leaves a gzip that is sound.
          done(
            this.zeros < 1024 ? new Damage(`cut short: its tar has no end mark after ${this.last}`) : null,
          );
        });
        tar.end(null);
      },
      destroy: (error, done) => {
        tar.destroy();
        done(error);
      },
    });
    tar.on("error", (error: Error) => sink.destroy(this.explained(error)));
    return sink;
  }

  /** What only the whole listing tells. */
  damage(): string | null {
    if (this.broken !== null) return this.broken;
    if (this.members.length === 0) return "an archive without files";
    if (this.manifest === null)
      return "no MANIFEST.txt in its top folder: not a whole backup of the runbook's scripts";
    return null;
  }

  private explained(error: Error): Damage {
    if (error instanceof Damage) return error;
    return error.message === "Unexpected end of data"
      ? new Damage(`cut short: its tar ends within ${this.last}`)
      : new Damage(`its tar is broken after ${this.last}: ${error.message}`);
  }

  private accept(
    header: Header,
    next: (error?: Error) => void,
  ): ((chunk: Buffer | undefined) => void) | undefined {
    try {
      return this.entry(header);
    } catch (error) {
      next(error instanceof Error ? error : new Error(String(error)));
      return undefined;
    }
  }

  /** Judges an entry and returns what takes its bytes; undefined ends them. */
  private entry(header: Header): (chunk: Buffer | undefined) => void {
    this.entries++;
    if (this.entries > this.limits.entries) throw new Damage(`more than ${this.limits.entries} entries`);
    const shown = JSON.stringify(header.name.slice(0, 200));
    if (header.name.length > 4096) throw new Damage(`a name of more than 4096 characters: ${shown}`);
    if (/\p{Cc}/u.test(header.name)) throw new Damage(`control characters in a name: ${shown}`);
    if (header.name.startsWith("/")) throw new Damage(`hostile: an absolute name, ${shown}`);
    const parts = header.name.replace(/^\.\//, "").replace(/\/$/, "").split("/");
    if (parts.includes("..")) throw new Damage(`hostile: a name that leads out of the archive, ${shown}`);
    if (header.type !== "file" && header.type !== "directory") {
      throw new Damage(`hostile: ${shown} is neither a file nor a folder (${header.type})`);
    }
    this.last = shown;
    const nothing = () => undefined;
    const [top, ...below] = parts;
    if (top === "" || top === "." || top === undefined) return nothing;
    const root = header.name.startsWith("./") ? `./${top}` : top;
    this.root ??= root;
    if (this.root !== root)
      throw new Damage(`more than one top folder: ${this.root} and ${root.slice(0, 200)}`);
    if (header.type === "directory") return nothing;
    if (below.length === 0) throw new Damage(`${shown} lies outside a top folder`);
    return this.file(below.join("/"), header.size);
  }

  private file(path: string, bytes: number): (chunk: Buffer | undefined) => void {
    if (this.paths.has(path)) throw new Damage(`${path} is in it twice`);
    this.paths.add(path);
    const isManifest = path === "MANIFEST.txt";
    if (isManifest && bytes > this.limits.manifestBytes) {
      throw new Damage(`its MANIFEST.txt is larger than ${this.limits.manifestBytes} bytes`);
    }
    const compressed = path.endsWith(".gz");
    const dump = mayBeDump(path) ? new DumpVersionsReader() : undefined;
    const kept: Buffer[] = [];
    let head = Buffer.alloc(0);
    let tail = Buffer.alloc(0);
    return (chunk) => {
      if (chunk !== undefined) {
        if (isManifest) kept.push(chunk);
        dump?.add(chunk);
        if (!compressed) return;
        if (head.length < 2) head = Buffer.concat([head, chunk.subarray(0, 2)]);
        tail =
          chunk.length >= 4 ? Buffer.from(chunk.subarray(-4)) : Buffer.concat([tail, chunk]).subarray(-4);
        return;
      }
      if (isManifest) {
        const content = Buffer.concat(kept);
        this.manifest = {
          text: content.toString("utf8"),
          sha256: createHash("sha256").update(content).digest("hex"),
        };
      }
      // The smallest gzip file has 20 bytes.
      this.broken ??=
        compressed && (bytes < 20 || head[0] !== 0x1f || head[1] !== 0x8b)
          ? `${path} is ${bytes === 0 ? "empty" : "not a gzip file"}`
          : null;
      const dumped = dump?.versions();
      this.members.push({
        path,
        bytes,
        unpackedBytes: compressed && tail.length === 4 ? tail.readUInt32LE() : bytes,
        ...(dumped && { dumped }),
      });
    };
  }

  /** Reads a compressed file to its end, whatever it holds. Fails when the tar does. */
  private async decompress(
    content: AsyncIterable<Buffer>,
    take: (chunk: Buffer | undefined) => void,
  ): Promise<void> {
    async function* taken(): AsyncGenerator<Buffer> {
      for await (const chunk of content) {
        take(chunk);
        yield chunk;
      }
    }
    const nowhere = new Writable({
      write: (_chunk, _encoding, done) => {
        done();
      },
    });
    const { damage } = await readGzip(taken(), this.limits, nowhere);
    take(undefined);
    if (damage !== null) this.broken ??= `${this.members.at(-1)?.path ?? this.last} is damaged: ${damage}`;
  }

  private countZeros(chunk: Buffer): void {
    let index = chunk.length;
    while (index > 0 && chunk[index - 1] === 0) index--;
    const here = chunk.length - index;
    this.zeros = here === chunk.length ? this.zeros + here : here;
  }
}
