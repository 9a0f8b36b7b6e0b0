import { siteIn } from "../../site-in.ts";
import {
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { listPoints } from "../../../backups/catalogue.ts";
import { choosePoint } from "../../../backups/choose-point.ts";
import type { RestorePoint } from "../../../backups/restore-point.ts";
import type { Store } from "../../../site/schema.ts";
import { type ArchiveOptions, packArchive, temporaryStore } from "./archives.ts";

const now = new Date("2025-11-10T00:00:00Z");
const anybody = { site: "club", signers: [] };

let base: string;
let folder: string;
beforeEach(() => {
  base = temporaryStore();
  folder = join(base, "backups");
  mkdirSync(folder);
  vi.stubEnv("XDG_CACHE_HOME", join(base, "cache"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(base, { recursive: true });
});

function store(timezone = "UTC"): Store {
  return { kind: "directory", name: "local", path: "backups", timezone };
}

function list(timezone?: string): Promise<RestorePoint[]> {
  return listPoints(store(timezone), siteIn(base), anybody, { now });
}

async function only(timezone?: string): Promise<RestorePoint> {
  const [point, ...others] = await list(timezone);
  if (point === undefined || others.length > 0) throw new Error("not exactly one point");
  return point;
}

function add(named: string, options: Omit<ArchiveOptions, "named"> = {}): string {
  return packArchive(folder, { named, ...options });
}

test("points are listed with the newest data first, whatever the times of their files", async () => {
  add("20251103_120000", { storedAt: new Date("2025-11-09T00:00:00Z") });
  add("20251105_120000");
  add("20251104_120000", { storedAt: new Date("2025-11-08T00:00:00Z") });
  const points = await list();
  expect(points.map(({ id, state, timeOfData }) => [id, state, timeOfData])).toEqual([
    ["full_backup_20251105_120000", "complete", "2025-11-05T12:00:00.000Z"],
    ["full_backup_20251104_120000", "complete", "2025-11-04T12:00:00.000Z"],
    ["full_backup_20251103_120000", "complete", "2025-11-03T12:00:00.000Z"],
  ]);
  expect(choosePoint(points).id).toBe("full_backup_20251105_120000");
});

test("a good point says what it holds and what pins it", async () => {
  const archive = add("20251104_120000");
  expect(await only()).toMatchObject({
    store: "local",
    file: "full_backup_20251104_120000.tar.gz",
    kind: "full",
    reason: null,
    notes: [],
    storedBytes: statSync(archive).size,
    sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    manifestSha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    root: "full_backup_20251104_120000",
    hostname: "web1",
  });
});

test("whatever is broken, partial or foreign is listed with its reason and never chosen", async () => {
  const good = add("20251101_120000");
  const spoil = (named: string, change: (bytes: Buffer) => Buffer) => {
    const file = add(named);
    writeFileSync(file, change(readFileSync(file)));
  };
  spoil("20251102_000000", () => Buffer.alloc(0));
  spoil("20251103_000000", (bytes) => bytes.subarray(0, 70_000));
  spoil("20251104_000000", (bytes) => {
    bytes[80_000] = (bytes[80_000] ?? 0) ^ 1;
    return bytes;
  });
  spoil("20251105_000000", () => Buffer.from("<html>404 Not Found</html>"));
  add("20251106_000000", { status: "PARTIAL" });
  add("20251107_000000", { manifest: null });
  add("20991231_000000");
  writeFileSync(join(folder, "corrupted_20251108_000000.gz"), "x");
  writeFileSync(join(folder, "notes.txt"), "x");
  mkdirSync(join(folder, "old"));
  execFileSync("/usr/bin/mkfifo", [join(folder, "full_backup_20251109_000000.tar.gz")]);
  symlinkSync("nowhere", join(folder, "full_backup_latest.tar.gz"));

  const points = await list();
  const told = Object.fromEntries(
    points.map(({ file, state, reason }) => [file, `${state}: ${reason ?? ""}`]),
  );
  expect(told).toEqual({
    "full_backup_20251101_120000.tar.gz": "complete: ",
    "full_backup_20251102_000000.tar.gz": "damaged: an empty file",
    "full_backup_20251103_000000.tar.gz":
      "damaged: cut short: its gzip stream ends in the middle, after 70000 bytes",
    "full_backup_20251104_000000.tar.gz": expect.stringMatching(/^damaged: broken: /) as string,
    "full_backup_20251105_000000.tar.gz": "damaged: not a gzip file",
    "full_backup_20251106_000000.tar.gz": "partial: its manifest says PARTIAL",
    "full_backup_20251107_000000.tar.gz": expect.stringMatching(/^damaged: no MANIFEST.txt/) as string,
    "full_backup_20991231_000000.tar.gz":
      "damaged: its data is said to be of 2099-12-31T00:00:00.000Z, which is yet to come",
    "corrupted_20251108_000000.gz": "foreign: a broken database that was set aside, not a backup",
    "notes.txt": "foreign: not a name that the backup scripts give",
    old: "foreign: not a name that the backup scripts give",
    "full_backup_20251109_000000.tar.gz": "foreign: neither a file nor a folder",
    "full_backup_latest.tar.gz": "foreign: a link to nothing",
  });
  expect(choosePoint(points).file).toBe(good.split("/").at(-1));
  expect(points.at(0)?.timeOfData).not.toMatch(/^2099/);
});

describe("the time of the data", () => {
  test("cannot be later than the file itself by more than an hour", async () => {
    add("20251104_120000", { storedAt: new Date("2025-11-04T10:59:00Z") });
    expect(await only()).toMatchObject({
      state: "damaged",
      timeOfData: null,
      reason: expect.stringContaining("later than the file itself") as string,
    });
  });

  test("may be earlier than the file by any time: copies are", async () => {
    add("20251104_120000", { storedAt: new Date("2025-11-09T12:00:00Z") });
    expect(await only()).toMatchObject({ state: "complete", notes: [] });
  });

  test("is the manifest's, in UTC, where the server's clock showed another", async () => {
    add("20251104_130000", { createdAt: "2025-11-04T12:00:01Z" });
    expect(await only("Europe/Madrid")).toMatchObject({ timeOfData: "2025-11-04T12:00:01.000Z", notes: [] });
  });

  test("comes with a note when the store's zone cannot be right", async () => {
    add("20251104_130000", { createdAt: "2025-11-04T12:00:01Z" });
    const point = await only("UTC");
    expect(point).toMatchObject({ state: "complete", timeOfData: "2025-11-04T12:00:01.000Z" });
    expect(point.notes[0]).toContain("fit a server 1:00 h ahead of UTC, not UTC");
  });

  test("told differently by name and manifest is damage", async () => {
    add("20251104_120000", { createdAt: "2025-11-05T23:40:00Z", storedAt: new Date("2025-11-06T00:00:00Z") });
    expect((await only()).reason).toContain("tell different times");
  });

  test("is the name's when the manifest does not tell it", async () => {
    add("20251104_130000", { manifest: "Backup Status: SUCCESS\n" });
    const point = await only("Europe/Madrid");
    expect(point).toMatchObject({ state: "complete", timeOfData: "2025-11-04T12:00:00.000Z" });
    expect(point.notes[0]).toContain("does not say when");
  });

  test("of a database's own backup in the repeated hour is the earlier, with a note", async () => {
    database("20251026_023000");
    const point = await only("Europe/Madrid");
    expect(point).toMatchObject({
      kind: "database",
      state: "complete",
      timeOfData: "2025-10-26T00:30:00.000Z",
    });
    expect(point.notes[0]).toContain("twice");
  });

  test("of a database's own backup in the hour that never was is asked for", async () => {
    database("20250330_023000");
    expect(await only("Europe/Madrid")).toMatchObject({
      state: "damaged",
      reason: "clocks in Europe/Madrid never showed the time in its name: look at the store's timezone",
    });
  });
});

function database(named: string): void {
  const file = Buffer.alloc(4096);
  file.write("SQLite format 3\0");
  const path = join(folder, `admin_sqlite_${named}.db.gz`);
  writeFileSync(path, gzipSync(file));
}

test("a database's own backup is listed but not chosen for a whole site; its pin is its own hash", async () => {
  database("20251104_120000");
  const point = await only();
  expect(point).toMatchObject({ kind: "database", state: "complete", unpackedBytes: 4096 });
  expect(point.manifestSha256).toBe(point.sha256);
  expect(() => choosePoint([point])).toThrow("holds a database alone");
});

describe("another name for a point is no second point", () => {
  test.each([
    [
      "a symbolic link",
      (from: string, to: string) => {
        symlinkSync(from.split("/").at(-1) ?? "", to);
      },
    ],
    ["a hard link", linkSync],
    ["a copy", copyFileSync],
  ])("%s", async (_what, make) => {
    const file = add("20251104_120000");
    make(file, join(folder, "full_backup_latest.tar.gz"));
    expect(await only()).toMatchObject({
      id: "full_backup_20251104_120000",
      aliases: ["full_backup_latest.tar.gz"],
    });
  });

  test("but the point itself when it is the only one", async () => {
    const file = add("20251104_120000");
    copyFileSync(file, join(folder, "full_backup_latest.tar.gz"));
    rmSync(file);
    expect(await only()).toMatchObject({
      id: "full_backup_latest",
      state: "complete",
      timeOfData: "2025-11-04T12:00:00.000Z",
    });
  });
});

test("a partial backup's own errors are its reason", async () => {
  add("20251104_120000", {
    manifest: "Backup created at: 2025-11-04T12:00:00Z\nBackup Status: PARTIAL\n\nErrors:\n  - No database\n",
  });
  expect(await only()).toMatchObject({ state: "partial", reason: "its manifest says PARTIAL: No database" });
});

test("an archive that lacks what its manifest names is damaged", async () => {
  add("20251104_120000", {
    manifest:
      "Backup created at: 2025-11-04T12:00:00Z\nComponents:\n- Application Data: ./data (app_data.tar.gz)\nBackup Status: SUCCESS\n",
  });
  expect((await only()).reason).toBe("its manifest names app_data.tar.gz, which it does not hold");
});

test("a manifest without an end is damage", async () => {
  add("20251104_120000", { manifest: "Backup created at: 2025-11-04T12:00:00Z\n" });
  expect((await only()).reason).toContain("does not say SUCCESS");
});

describe("the cache", () => {
  function cached(): string[] {
    const directory = join(base, "cache/recovery-stack/catalogue");
    return readdirSync(directory).map((name) => join(directory, name));
  }

  test("answers the second time, and only for the same bytes", async () => {
    const file = add("20251104_120000");
    const first = await list();
    const [entry = ""] = cached();
    writeFileSync(
      entry,
      readFileSync(entry, "utf8").replace(
        '"text":"Backup created at',
        '"text":"Hostname: cached\\nBackup created at',
      ),
    );
    expect((await list())[0]?.hostname).toBe("cached");

    // The same size and the same times of change, as after `cp -p`: the inode's own time tells.
    const { atime, mtime } = statSync(file);
    const bytes = readFileSync(file);
    bytes[80_000] = (bytes[80_000] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    utimesSync(file, atime, mtime);
    expect((await list())[0]?.state).toBe("damaged");
    expect(first[0]?.state).toBe("complete");
  });

  test("is closed to others", async () => {
    add("20251104_120000");
    await list();
    expect(cached().map((file) => statSync(file).mode & 0o777)).toEqual([0o600]);
  });

  test("that is broken or cannot be written is as good as none", async () => {
    add("20251104_120000");
    const expected = await list();
    for (const file of cached()) writeFileSync(file, "{");
    expect(await list()).toEqual(expected);
    writeFileSync(join(base, "file"), "");
    vi.stubEnv("XDG_CACHE_HOME", join(base, "file"));
    expect(await list()).toEqual(expected);
  });
});

test("a file that changes while it is read is damaged, and read anew the next time", async () => {
  const file = add("20251104_120000");
  // Reading a file of 256 MiB or more is announced as it starts: the moment to change it.
  truncateSync(file, 256 * 1024 ** 2);
  const changes: string[] = [];
  const [point] = await listPoints(store(), siteIn(base), anybody, {
    now,
    say: (line) => {
      changes.push(line);
      truncateSync(file, 1000);
    },
  });
  expect(changes[0]).toContain("reading full_backup_20251104_120000.tar.gz (256 MiB)");
  expect(point).toMatchObject({
    state: "damaged",
    reason: expect.stringContaining("changed while it was read") as string,
  });
  expect((await only()).reason).toContain("cut short");
});

test("a name that a terminal would act on is listed without that, and is no backup", async () => {
  writeFileSync(join(folder, "full_backup_20251103_120000\u001b]0;x\u0007.tar.gz"), "x");
  expect(await list()).toMatchObject([
    {
      file: "full_backup_20251103_120000\ufffd]0;x\ufffd.tar.gz",
      state: "foreign",
    },
  ]);
});

test("a store that is not there is missing here", async () => {
  const nowhere: Store = { ...store(), path: "nowhere" };
  await expect(listPoints(nowhere, siteIn(base), anybody)).rejects.toMatchObject({ exitCode: 3 });
});

test("an interruption is passed on", async () => {
  add("20251104_120000");
  const signal = AbortSignal.abort(new Error("stopped by the test"));
  await expect(listPoints(store(), siteIn(base), anybody, { signal })).rejects.toThrow("stopped by the test");
});

test("a file is read again when that is asked for; other bytes than before are damage, then and afterwards", async () => {
  add("20251104_120000");
  const { sha256 } = await only();
  const cached = join(base, "cache", "recovery-stack", "catalogue");
  for (const file of readdirSync(cached)) {
    const path = join(cached, file);
    writeFileSync(path, readFileSync(path, "utf8").replace(sha256 ?? "", "0".repeat(64)));
  }
  expect(await only()).toMatchObject({ state: "complete", sha256: "0".repeat(64) });
  const damaged = { state: "damaged", sha256, reason: expect.stringContaining("others than when") as string };
  const again = () =>
    listPoints(store(), siteIn(base), anybody, { now, again: (file) => file.startsWith("full_backup_") });
  expect(await again()).toMatchObject([damaged]);
  expect(await only()).toMatchObject(damaged);
  expect(await again()).toMatchObject([damaged]);
});
