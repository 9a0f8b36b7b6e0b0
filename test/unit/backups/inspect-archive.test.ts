import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { pack } from "tar-stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inspectArchive } from "../../../backups/inspect-archive.ts";
import { type Inspection, inspectionLimits } from "../../../backups/inspection.ts";
import { manifestText, packArchive, temporaryStore } from "./archives.ts";

let store: string;
let good: Buffer;
beforeAll(() => {
  store = temporaryStore();
  good = readFileSync(packArchive(store, { named: "20251104_120000" }));
});
afterAll(() => {
  rmSync(store, { recursive: true });
});

async function* pieces(bytes: Buffer, size = 10_000): AsyncGenerator<Buffer> {
  for (let start = 0; start < bytes.length; start += size) {
    yield await Promise.resolve(bytes.subarray(start, start + size));
  }
}

function inspect(bytes: Buffer, limits = inspectionLimits, size?: number): Promise<Inspection> {
  return inspectArchive(pieces(bytes, size), undefined, { limits });
}

/** The sound archive with one bit changed. */
function flipped(index: number, bit: number): Buffer {
  const bytes = Buffer.from(good);
  bytes[index] = (bytes[index] ?? 0) ^ (1 << bit);
  return bytes;
}

/** Whether the gzip program accepts `bytes` and unpacks what the sound archive holds. */
function sameForGzip(bytes: Buffer): boolean {
  const { status, stdout } = spawnSync("gzip", ["-dc"], { input: bytes, maxBuffer: 64 * 1024 ** 2 });
  return status === 0 && stdout.equals(gunzipSync(good));
}

interface Entry {
  name: string;
  type?: "file" | "directory" | "symlink" | "link" | "character-device" | "block-device" | "fifo";
  linkname?: string;
  content?: string | Buffer;
}

const manifest: Entry = {
  name: "full/MANIFEST.txt",
  content: manifestText("20251104_120000", "2025-11-04T12:00:00Z"),
};

async function tarOf(...entries: Entry[]): Promise<Buffer> {
  const tar = pack();
  for (const { content, ...header } of entries) tar.entry({ type: "file", ...header }, content ?? "");
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function damageOf(...entries: Entry[]): Promise<string | null> {
  return (await inspect(gzipSync(await tarOf(...entries)))).damage;
}

test("a sound archive is listed, hashed, and its manifest read", async () => {
  const found = await inspect(good);
  const text = manifestText("20251104_120000", "2025-11-04T12:00:00Z");
  expect(found).toMatchObject({
    damage: null,
    storedBytes: good.length,
    sha256: createHash("sha256").update(good).digest("hex"),
    unpackedBytes: gunzipSync(good).length,
    root: "full_backup_20251104_120000",
    manifest: { text, sha256: createHash("sha256").update(text).digest("hex") },
  });
  const members = [...found.members].sort((one, other) => (one.path < other.path ? -1 : 1));
  expect(members.map(({ path, unpackedBytes }) => [path, unpackedBytes])).toEqual([
    ["MANIFEST.txt", text.length],
    ["config/.env", 14],
    ["database/admin.db.gz", 150_000],
    ["files/uploads.tar.gz", 7],
  ]);
});

test("an archive made with ./ before its names is listed the same", async () => {
  const found = await inspect(
    gzipSync(await tarOf({ name: "./", type: "directory" }, { ...manifest, name: "./full/MANIFEST.txt" })),
  );
  expect(found).toMatchObject({ damage: null, root: "./full", members: [{ path: "MANIFEST.txt" }] });
});

test("the size of the pieces that arrive changes nothing", async () => {
  const whole = await inspect(good, inspectionLimits, good.length);
  expect(await inspect(good, inspectionLimits, 1021)).toEqual(whole);
});

describe("bytes that are missing, changed or added are damage", () => {
  test.each([
    ["an empty file", () => Buffer.alloc(0), "an empty file"],
    ["a text", () => Buffer.from("not an archive at all"), "not a gzip file"],
    ["a zip", () => Buffer.from("PK\u0003\u0004aaaa"), "not a gzip file"],
    ["one byte", () => good.subarray(0, 1), "cut short"],
    ["a cut in the header", () => good.subarray(0, 8), "cut short"],
    [
      "a cut in the middle",
      () => good.subarray(0, good.length >> 1),
      "cut short: its gzip stream ends in the middle, after N bytes",
    ],
    ["a cut in the checksum", () => good.subarray(0, -3), "cut short"],
    ["a foreign end", () => Buffer.concat([good, Buffer.from("foreign")]), "broken: incorrect header check"],
    [
      "zero bytes at the end",
      () => Buffer.concat([good, Buffer.alloc(700)]),
      "700 foreign bytes after its end",
    ],
    ["a gzip of no tar", () => gzipSync("hello".repeat(1000)), "its tar is broken after its beginning"],
    ["a gzip of nothing", () => gzipSync(""), "cut short: its tar has no end mark"],
    [
      "a tar that was killed between entries",
      () => gzipSync(gunzipSync(good).subarray(0, 512)),
      "cut short: its tar has no end mark",
    ],
    [
      "a tar that was killed in an entry",
      () => gzipSync(gunzipSync(good).subarray(0, 9000)),
      "cut short: its tar ends within",
    ],
  ])("%s", async (_what, bytes, damage) => {
    const file = bytes();
    const found = await inspect(file);
    expect(found.damage).toContain(damage.replace("N", String(file.length)));
    expect(found.sha256).toBe(createHash("sha256").update(file).digest("hex"));
    expect(found.storedBytes).toBe(file.length);
  });

  test("wherever the file is cut", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), async (bytes) => {
        expect((await inspect(good.subarray(0, bytes))).damage).not.toBeNull();
      }),
      { numRuns: 60 },
    );
  });

  // RFC 1952: the time, level and system of whoever packed it, and the hint that it holds text, say nothing of the content.
  const saysNothing = (index: number, bit: number) =>
    (index === 3 && bit === 0) || (index >= 4 && index <= 9);

  test("each bit of gzip's header is judged, and those that say nothing of the content are none", async () => {
    for (let index = 0; index < 10; index++) {
      for (let bit = 0; bit < 8; bit++) {
        const damage = expect.soft((await inspect(flipped(index, bit))).damage, `byte ${index}, bit ${bit}`);
        if (saysNothing(index, bit)) damage.toBeNull();
        else damage.not.toBeNull();
      }
    }
  });

  test("each bit of its end is judged as the gzip program of a host does", async () => {
    // Among them those between the end of the compressed data and the next whole byte: how many there are differs from file to
    // file, and what they are nobody reads (RFC 1951).
    let unread = 0;
    for (let index = good.length - 16; index < good.length; index++) {
      for (let bit = 0; bit < 8; bit++) {
        const bytes = flipped(index, bit);
        const sound = (await inspect(bytes)).damage === null;
        expect.soft(sound, `byte ${index}, bit ${bit}`).toBe(sameForGzip(bytes));
        if (sound) unread++;
      }
    }
    expect(unread).toBeLessThan(8);
  });

  test("whichever bit is flipped behind its header, unless gzip unpacks the same as before", async () => {
    // Compressed data can say the same in two ways: which of its unread bits are set, which of many equal zeros are repeated.
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 10, max: good.length - 1 }), fc.nat(7), async (index, bit) => {
        const bytes = flipped(index, bit);
        if ((await inspect(bytes)).damage === null) expect(sameForGzip(bytes)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  test("whatever the bytes are, they are judged, never thrown", async () => {
    const bytes = fc.oneof(
      fc.uint8Array(),
      fc.uint8Array().map((content) => gzipSync(content)),
      fc
        .uint8Array({ minLength: 512, maxLength: 2000 })
        .map((content) => gzipSync(Buffer.concat([content, Buffer.alloc(1024)]))),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (content) => {
        expect((await inspect(Buffer.from(content))).damage).not.toBeNull();
      }),
      { numRuns: 200 },
    );
  });
});

describe("entries that could act outside their place are damage", () => {
  test.each<[string, Entry, string]>([
    ["a name that climbs out", { name: "full/../../etc/cron.d/x" }, "hostile: a name that leads out"],
    ["a name that is ..", { name: ".." }, "hostile: a name that leads out"],
    ["an absolute name", { name: "/etc/passwd" }, "hostile: an absolute name"],
    ["a symbolic link", { name: "full/config/.env", type: "symlink", linkname: "/etc/shadow" }, "(symlink)"],
    ["a hard link", { name: "full/config/.env", type: "link", linkname: "full/MANIFEST.txt" }, "(link)"],
    ["a device", { name: "full/sda", type: "block-device" }, "(block-device)"],
    ["a terminal", { name: "full/tty", type: "character-device" }, "(character-device)"],
    ["a pipe", { name: "full/pipe", type: "fifo" }, "(fifo)"],
    ["a second top folder", { name: "other/file" }, "more than one top folder: full and other"],
    ["a file beside the folder", { name: "full" }, '"full" lies outside a top folder'],
    ["a member twice", { name: "full/MANIFEST.txt" }, "MANIFEST.txt is in it twice"],
    ["an escape sequence in a name", { name: "full/\u001b[2J" }, "control characters in a name"],
    ["a name without end", { name: `full/${"x/".repeat(3000)}` }, "a name of more than 4096 characters"],
  ])("%s", async (_what, entry, damage) => {
    expect(await damageOf(manifest, entry)).toContain(damage);
  });

  test("also as tar itself packs them", async () => {
    const work = join(store, "work");
    mkdirSync(join(work, "full/config"), { recursive: true });
    writeFileSync(join(work, "full/MANIFEST.txt"), "x");
    const tar = (...options: string[]) =>
      inspect(
        execFileSync("tar", ["-czf", "-", "-C", work, ...options, "full"], {
          stdio: ["ignore", "pipe", "ignore"],
        }),
      );
    expect((await tar("-P", "--transform", "s,^full/MANIFEST,full/../../MANIFEST,")).damage).toContain(
      "leads out",
    );
    expect((await tar("-P", "--transform", "s,^full/MANIFEST,/MANIFEST,")).damage).toContain(
      "an absolute name",
    );
    symlinkSync("/etc/passwd", join(work, "full/config/link"));
    expect((await tar()).damage).toContain("(symlink)");
  });
});

describe("what is too much is damage, and little of it is kept", () => {
  test("a bomb", async () => {
    const limits = { ...inspectionLimits, expandedBytes: 1024 ** 2 };
    const bomb = gzipSync(
      await tarOf({ name: "full/zeros", content: Buffer.alloc(8 * 1024 ** 2) }, manifest),
    );
    expect((await inspect(bomb, limits)).damage).toBe("it unpacks to more than 100 times its size");
  });

  test("entries without end", async () => {
    const limits = { ...inspectionLimits, entries: 10 };
    const many = Array.from({ length: 11 }, (_, index) => ({ name: `full/${index}` }));
    expect((await inspect(gzipSync(await tarOf(...many)), limits)).damage).toBe("more than 10 entries");
  });

  test("a manifest as large as a disk", async () => {
    const limits = { ...inspectionLimits, manifestBytes: 100 };
    expect((await inspect(good, limits)).damage).toBe("its MANIFEST.txt is larger than 100 bytes");
  });
});

test("an archive without a manifest, or without files, is no whole backup", async () => {
  expect(await damageOf({ name: "full/config/MANIFEST.txt" })).toContain("no MANIFEST.txt in its top folder");
  expect(await damageOf({ name: "full", type: "directory" })).toBe("an archive without files");
});

test("a member that cannot be what its name says is damage", async () => {
  expect(await damageOf(manifest, { name: "full/database/admin.db.gz" })).toBe(
    "database/admin.db.gz is empty",
  );
  expect(await damageOf(manifest, { name: "full/database/admin.db.gz", content: "x".repeat(40) })).toBe(
    "database/admin.db.gz is not a gzip file",
  );
});

test("an interruption and a source that fails are thrown, not taken for damage", async () => {
  const controller = new AbortController();
  async function* interrupted() {
    yield good.subarray(0, 50_000);
    controller.abort(new Error("stopped by the test"));
    yield await Promise.resolve(good.subarray(50_000));
  }
  await expect(inspectArchive(interrupted(), controller.signal)).rejects.toThrow("stopped by the test");
  async function* failing() {
    yield await Promise.resolve(good.subarray(0, 50_000));
    throw new Error("EIO");
  }
  await expect(inspectArchive(failing())).rejects.toThrow("EIO");
});
