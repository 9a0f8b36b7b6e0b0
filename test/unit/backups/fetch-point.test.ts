import { siteIn } from "../../site-in.ts";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { listPoints } from "../../../backups/catalogue.ts";
import { fetchPoint } from "../../../backups/fetch-point.ts";
import type { RestorePoint } from "../../../backups/restore-point.ts";
import type { Store } from "../../../site/schema.ts";
import { packArchive, temporaryStore } from "./archives.ts";

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
