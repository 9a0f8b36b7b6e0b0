import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { DumpVersionsReader } from "../../../backups/dump-versions.ts";

function versionsOf(bytes: Buffer, piece = bytes.length || 1) {
  const reader = new DumpVersionsReader();
  for (let at = 0; at < bytes.length; at += piece) reader.add(bytes.subarray(at, at + piece));
  return reader.versions();
}

const plain = (server: string, pgDump: string) =>
  `pg_dump: warning: circular\n--\n-- PostgreSQL database dump\n--\n\n\\restrict x\n\n-- Dumped from database version ${server}\n-- Dumped by pg_dump version ${pgDump}\n\nSET x = 1;\n`;

/** The head of pg_dump's custom format, by ReadHead in src/bin/pg_dump/pg_backup_archiver.c. */
function table(format: [number, number], server: string, pgDump: string): Buffer {
  const integer = (value: number) => {
    const bytes = Buffer.alloc(5);
    bytes[0] = value < 0 ? 1 : 0;
    bytes.writeUInt32LE(Math.abs(value), 1);
    return bytes;
  };
  const text = (value: string) => Buffer.concat([integer(value.length), Buffer.from(value)]);
  return Buffer.concat([
    Buffer.from("PGDMP"),
    Buffer.from([...format, 0, 4, 8, 1]),
    format[1] >= 15 ? Buffer.from([1]) : integer(-1),
    ...[1, 2, 3, 4, 5, 126, 0].map(integer),
    text("club"),
    text(server),
    text(pgDump),
    Buffer.alloc(600),
  ]);
}

test("plain SQL tells its versions, packed or not, after messages of pg_dump too", () => {
  const text = Buffer.from(plain("12.22 (Debian)", "15.14"));
  expect(versionsOf(text)).toEqual({ server: 12, pgDump: 15 });
  expect(versionsOf(gzipSync(Buffer.concat([text, Buffer.alloc(100_000, "x\n")])), 100)).toEqual({
    server: 12,
    pgDump: 15,
  });
});

test("the custom format tells them in its head, the old one and the new", () => {
  expect(versionsOf(table([1, 14], "13.4", "15.18"), 100)).toEqual({ server: 13, pgDump: 15 });
  expect(versionsOf(table([1, 16], "17.2", "17.2"), 700)).toEqual({ server: 17, pgDump: 17 });
});

test("the directory format tells them in its toc.dat, wherever that stands in the tar", () => {
  const folder = mkdtempSync(join(tmpdir(), "dump-"));
  writeFileSync(join(folder, "1.dat"), Buffer.alloc(5000));
  writeFileSync(join(folder, "toc.dat"), table([1, 16], "16.1", "17.0"));
  const tar = execFileSync("tar", ["-C", folder, "-cf", "-", "1.dat", "toc.dat"]);
  rmSync(folder, { recursive: true });
  for (const piece of [1, 100, 512, tar.length])
    expect(versionsOf(tar, piece)).toEqual({ server: 16, pgDump: 17 });
});

test("what is no dump tells nothing, whatever it holds", () => {
  expect(versionsOf(Buffer.alloc(0))).toBeUndefined();
  expect(versionsOf(Buffer.from("CREATE TABLE a ();"))).toBeUndefined();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), fc.boolean(), (bytes, magic) => {
      const content = Buffer.concat([Buffer.from(magic ? "PGDMP" : ""), bytes]);
      const versions = versionsOf(content);
      expect(versions === undefined || Number.isSafeInteger(versions.server)).toBe(true);
    }),
  );
});
