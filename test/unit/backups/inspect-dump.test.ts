import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { inspectDump } from "../../../backups/inspect-dump.ts";
import type { DatabaseEngine } from "../../../backups/runbook-archive.ts";

async function damageOf(content: Buffer | string, engine: DatabaseEngine): Promise<string | null> {
  const stored = gzipSync(content);
  async function* source() {
    yield await Promise.resolve(stored);
  }
  return (await inspectDump(source(), engine)).damage;
}

/** The first page of an SQLite database as its format document describes it, and empty pages. */
function sqlite(pageSize: number, pages: number): Buffer {
  const file = Buffer.alloc(pageSize * pages);
  file.write("SQLite format 3\0");
  file.writeUInt16BE(pageSize === 65_536 ? 1 : pageSize, 16);
  file.writeUInt32BE(7, 24);
  file.writeUInt32BE(pages, 28);
  file.writeUInt32BE(7, 92);
  return file;
}

test("an SQLite database of the size that its header says is sound", async () => {
  expect(await damageOf(sqlite(4096, 3), "sqlite")).toBeNull();
  expect(await damageOf(sqlite(65_536, 2), "sqlite")).toBeNull();
});

test("an SQLite database that is empty, another thing, or too short is damaged", async () => {
  expect(await damageOf("", "sqlite")).toBe("an empty database file");
  expect(await damageOf("-- a dump", "sqlite")).toBe("not an SQLite database");
  expect(await damageOf(sqlite(4096, 3).subarray(0, 8192), "sqlite")).toContain("whose header says 12288");
});

test("a PostgreSQL dump is sound when pg_dump came to its end, also with messages after it", async () => {
  const dump = "pg_dump: warning\nCREATE TABLE a ();\n--\n-- PostgreSQL database dump complete\n--\n";
  expect(await damageOf(dump, "postgres")).toBeNull();
  expect(await damageOf(`${dump}\n\\unrestrict x\npg_dump: done\n`, "postgres")).toBeNull();
  expect(await damageOf(dump.slice(0, 40), "postgres")).toContain("cut short");
  expect(await damageOf("", "postgres")).toBe("an empty dump");
});
