import { constants, gunzipSync } from "node:zlib";

/** The major versions that a PostgreSQL dump says it was made from and with. */
export interface DumpVersions {
  /** Of the server whose database it is. */
  server: number;
  /** Of pg_dump: a newer one writes what an older server does not understand. */
  pgDump: number;
}

/** Whether the file may be a PostgreSQL dump, by its name; site.yaml allows these endings. */
export function mayBeDump(path: string): boolean {
  return /\.(sql\.gz|sql|dump|tar)$/.test(path);
}

/**
 * Looks for the versions in a dump while its bytes pass by, keeping little of them: in the first lines of plain SQL, packed
 * or not, in the head of pg_dump's custom format, and in the toc.dat of a tar of its directory format.
 */
export class DumpVersionsReader {
  private static readonly keptBytes = 16 * 1024;
  private head: Buffer = Buffer.alloc(0);
  private table: Buffer = Buffer.alloc(0);
  /** Bytes of the block that the last piece ended in. */
  private rest: Buffer = Buffer.alloc(0);

  add(piece: Buffer): void {
    const { keptBytes } = DumpVersionsReader;
    if (this.head.length < keptBytes) this.head = Buffer.concat([this.head, piece]).subarray(0, keptBytes);
    if (this.table.length > 0) {
      if (this.table.length < keptBytes)
        this.table = Buffer.concat([this.table, piece]).subarray(0, keptBytes);
      return;
    }
    // What a file in a tar holds begins at a block.
    const blocks = this.rest.length === 0 ? piece : Buffer.concat([this.rest, piece]);
    const whole = blocks.length - (blocks.length % 512);
    for (let at = 0; at < whole; at += 512) {
      if (blocks[at] === magic[0] && blocks.subarray(at, at + magic.length).equals(magic)) {
        this.table = Buffer.from(blocks.subarray(at, at + keptBytes));
        return;
      }
    }
    this.rest = Buffer.from(blocks.subarray(whole));
  }

  /** What was found; undefined when it says nothing, or is no dump. */
  versions(): DumpVersions | undefined {
    if (this.table.length > 0) return tableVersions(this.table);
    return plainVersions(this.head[0] === 0x1f ? beginning(this.head) : this.head);
  }
}

const magic = Buffer.from("PGDMP");

function beginning(packed: Buffer): Buffer {
  try {
    return gunzipSync(packed, { finishFlush: constants.Z_SYNC_FLUSH });
  } catch {
    return Buffer.alloc(0);
  }
}

function plainVersions(head: Buffer): DumpVersions | undefined {
  const text = head.toString("latin1");
  const server = /^-- Dumped from database version (\d+)/m.exec(text)?.[1];
  const pgDump = /^-- Dumped by pg_dump version (\d+)/m.exec(text)?.[1];
  return server === undefined || pgDump === undefined
    ? undefined
    : { server: Number(server), pgDump: Number(pgDump) };
}

/** The head of the custom format and of toc.dat: ReadHead in PostgreSQL's src/bin/pg_dump/pg_backup_archiver.c. */
function tableVersions(table: Buffer): DumpVersions | undefined {
  const [major = 0, minor = 0, , integerBytes = 0] = table.subarray(magic.length);
  const format = major * 100 + minor;
  // Bytes of integers and offsets, the format; compression is a byte from 1.15 on, and an integer before.
  let at = magic.length + 6 + (format >= 115 ? 1 : 1 + integerBytes);
  const integer = (): number => {
    const sign = table[at] === 0 ? 1 : -1;
    const value = integerBytes === 4 && at + 5 <= table.length ? table.readUInt32LE(at + 1) : Number.NaN;
    at += 1 + integerBytes;
    return sign * value;
  };
  const text = (): string => {
    const length = integer();
    const value = length > 0 ? table.toString("latin1", at, at + length) : "";
    at += Math.max(0, length);
    return value;
  };
  for (let field = 0; field < 7; field++) integer(); // the time of the dump
  text(); // the database's name
  const [server, pgDump] = [text(), text()].map((version) => /^\d+/.exec(version)?.[0]);
  return format < 110 || server === undefined || pgDump === undefined
    ? undefined
    : { server: Number(server), pgDump: Number(pgDump) };
}
