import { Writable } from "node:stream";
import { type Inspection, type InspectionLimits, inspectionLimits } from "./inspection.ts";
import { readGzip } from "./read-gzip.ts";
import type { DatabaseEngine } from "./runbook-archive.ts";

/** Reads a database's backup of its own, `admin_sqlite_….db.gz` or `admin_postgres_….sql.gz`, once from end to end. */
export async function inspectDump(
  source: AsyncIterable<Buffer>,
  engine: DatabaseEngine,
  signal?: AbortSignal,
  limits: InspectionLimits = inspectionLimits,
): Promise<Inspection> {
  const keptBytes = 4096;
  let head = Buffer.alloc(0);
  let tail = Buffer.alloc(0);
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (head.length < keptBytes) head = Buffer.concat([head, chunk]).subarray(0, keptBytes);
      tail = Buffer.from(Buffer.concat([tail, chunk.subarray(-keptBytes)]).subarray(-keptBytes));
      done();
    },
  });
  const reading = await readGzip(source, limits, sink, signal);
  const damage =
    reading.damage ??
    (engine === "sqlite" ? sqliteDamage : postgresDamage)(head, tail, reading.unpackedBytes);
  return { ...reading, damage, root: null, members: [], manifest: null };
}

/** https://www.sqlite.org/fileformat.html#the_database_header */
function sqliteDamage(head: Buffer, _tail: Buffer, bytes: number): string | null {
  if (bytes === 0) return "an empty database file";
  if (head.length < 100 || !head.subarray(0, 16).equals(Buffer.from("SQLite format 3\0"))) {
    return "not an SQLite database";
  }
  const writtenPageSize = head.readUInt16BE(16);
  const pageSize = writtenPageSize === 1 ? 65_536 : writtenPageSize;
  const pages = head.readUInt32BE(28);
  // The count is only kept up to date by versions that also repeat the change counter.
  if (pages === 0 || head.readUInt32BE(24) !== head.readUInt32BE(92)) return null;
  return bytes === pageSize * pages
    ? null
    : `an SQLite database of ${bytes} bytes whose header says ${pageSize * pages}: copied while it changed, or cut short`;
}

function postgresDamage(_head: Buffer, tail: Buffer, bytes: number): string | null {
  if (bytes === 0) return "an empty dump";
  // pg_dump writes this last; with --verbose 2>&1, as the runbook calls it, messages may follow.
  return tail.includes("-- PostgreSQL database dump complete")
    ? null
    : "cut short: pg_dump's last line is missing";
}
