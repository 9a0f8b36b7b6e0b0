import { siteIn } from "../../site-in.ts";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { listPoints } from "../../../backups/catalogue.ts";
import { fetchPoint } from "../../../backups/fetch-point.ts";
import type { RestorePoint } from "../../../backups/restore-point.ts";
import type { Store } from "../../../site/schema.ts";
import { packArchive, temporaryStore } from "./archives.ts";
import { manifest, member } from "./manifests.ts";

const store: Store = { kind: "directory", name: "local", path: "backups", timezone: "UTC" };

let base: string;
let to: string;
let archive: string;
let point: RestorePoint;
beforeEach(async () => {
  base = temporaryStore();
  to = join(base, "to");
  mkdirSync(join(base, "backups"));
  mkdirSync(to);
  vi.stubEnv("XDG_CACHE_HOME", join(base, "cache"));
  archive = packArchive(join(base, "backups"), { named: "20251104_120000" });
  const [only] = await listPoints(store, siteIn(base), { site: "club", signers: [] });
  if (only === undefined) throw new Error("no point");
  point = only;
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(base, { recursive: true });
});

test("a copy has the same bytes, for its owner alone, and its progress is told", async () => {
  const told: number[] = [];
  const path = await fetchPoint(store, siteIn(base), point, to, { onProgress: (bytes) => told.push(bytes) });
  expect(readFileSync(path).equals(readFileSync(archive))).toBe(true);
  expect((statSync(path).mode & 0o777).toString(8)).toBe("600");
  expect(statSync(path).nlink).toBe(1);
  expect(told.at(-1)).toBe(point.storedBytes);
  expect(readdirSync(to)).toEqual([point.file]);
});

test("what has the name is left as it is", async () => {
  writeFileSync(join(to, point.file), "mine");
  await expect(fetchPoint(store, siteIn(base), point, to)).rejects.toMatchObject({ exitCode: 4 });
  expect(readFileSync(join(to, point.file), "utf8")).toBe("mine");
});

test("what takes the name while it is copied is left as it is too", async () => {
  const onProgress = () => {
    writeFileSync(join(to, point.file), "mine");
  };
  await expect(fetchPoint(store, siteIn(base), point, to, { onProgress })).rejects.toMatchObject({
    exitCode: 4,
  });
  expect(readFileSync(join(to, point.file), "utf8")).toBe("mine");
  expect(readdirSync(to)).toEqual([point.file]);
});

test("other bytes than were listed are no copy, and leave nothing", async () => {
  const bytes = readFileSync(archive);
  bytes[100] = 255 - (bytes[100] ?? 0);
  writeFileSync(archive, bytes);
  await expect(fetchPoint(store, siteIn(base), point, to)).rejects.toMatchObject({
    exitCode: 1,
    why: expect.stringContaining(point.sha256 ?? "") as string,
  });
  rmSync(archive);
  await expect(fetchPoint(store, siteIn(base), point, to)).rejects.toMatchObject({
    exitCode: 1,
    why: "it was changed or taken away while it was copied",
  });
  expect(readdirSync(to)).toEqual([]);
});

test("a point of our own format keeps the times of its files, and is no copy without the signature that was there", async () => {
  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
  const folder = join(base, "backups/daily/20260301T020000Z");
  const [began, ended] = [new Date("2026-03-01T02:05:00Z"), new Date("2026-03-01T05:00:00Z")];
  const members = ["database-club.db.zst.age", "inventory.tar.zst.age"].map((name) => ({
    ...member(name, 4),
    sha256: sha256("rows"),
  }));
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries({
    "database-club.db.zst.age": "rows",
    "inventory.tar.zst.age": "rows",
    "MANIFEST.json": JSON.stringify(manifest({ members })),
    "MANIFEST.json.sig": "signature",
  }))
    writeFileSync(join(folder, name), text);
  utimesSync(join(folder, "database-club.db.zst.age"), began, began);
  utimesSync(join(folder, "MANIFEST.json"), ended, ended);
  const listed = await listPoints(store, siteIn(base), { site: "club", signers: [] });
  const own = listed.find(({ format }) => format === "folder");
  if (own === undefined) throw new Error("no point");
  // Hours on its way, and good, here and there.
  expect([own.state, own.reason]).toEqual(["complete", null]);
  const path = await fetchPoint(store, siteIn(base), own, to);
  expect(statSync(join(path, "database-club.db.zst.age")).mtime).toEqual(began);
  expect(statSync(join(path, "MANIFEST.json")).mtime).toEqual(ended);
  expect(readFileSync(join(path, "MANIFEST.json.sig"), "utf8")).toBe("signature");

  rmSync(join(to, "daily"), { recursive: true });
  const onProgress = () => {
    writeFileSync(join(folder, "MANIFEST.json.sig"), "another one");
  };
  await expect(fetchPoint(store, siteIn(base), own, to, { onProgress })).rejects.toMatchObject({
    exitCode: 1,
    why: "it was changed or taken away",
  });
  expect(readdirSync(join(to, "daily"))).toEqual([]);
});

test("an interruption leaves nothing", async () => {
  const abort = new AbortController();
  abort.abort(new Error("the operator said so"));
  await expect(fetchPoint(store, siteIn(base), point, to, { signal: abort.signal })).rejects.toThrow(
    "the operator said so",
  );
  expect(readdirSync(to)).toEqual([]);
});

test.each([
  ["a folder that is not there", 3, () => fetchPoint(store, siteIn(base), point, join(base, "nowhere"))],
  ["too little room", 3, () => fetchPoint(store, siteIn(base), { ...point, storedBytes: 2 ** 60 }, to)],
  [
    "a point that was never read whole",
    4,
    () => fetchPoint(store, siteIn(base), { ...point, sha256: null }, to),
  ],
])("%s is refused before anything is written", async (_, exitCode, fetch) => {
  await expect(fetch()).rejects.toMatchObject({ exitCode });
  expect(readdirSync(to)).toEqual([]);
});
