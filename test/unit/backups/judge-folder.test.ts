import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type FolderFacts,
  judgeFolder,
  type SignatureVerdict,
  timeOfFolder,
} from "../../../backups/judge-folder.ts";
import type { PointManifest } from "../../../backups/point-manifest.ts";
import type { RestorePoint } from "../../../backups/restore-point.ts";
import { manifest, member, sha256Of } from "./manifests.ts";

const now = new Date("2026-03-02T00:00:00Z");
const good: SignatureVerdict = { fault: null };
const manifestSha256 = "d".repeat(64);

/** When its files arrive, unless it is said otherwise. */
const arrivedAt = new Date("2026-03-01T02:00:05Z");

function facts(written: PointManifest = manifest(), changes: Partial<FolderFacts> = {}): FolderFacts {
  return {
    store: "disk",
    tier: "daily",
    name: "20260301T020000Z",
    storedAt: new Date("2026-03-01T02:10:05Z"),
    files: [
      { name: "MANIFEST.json", bytes: 900, arrivedAt },
      { name: "MANIFEST.json.sig", bytes: 300, arrivedAt },
      ...written.members.map(({ name, bytes }) => ({ name, bytes, arrivedAt })),
    ],
    oddities: [],
    manifest: { text: JSON.stringify(written), sha256: manifestSha256 },
    ...changes,
  };
}

function judged(
  written?: Partial<PointManifest>,
  changes?: Partial<FolderFacts>,
  signature: SignatureVerdict = good,
) {
  return judgeFolder(facts(manifest(written), changes), signature, "club", now);
}

function verdict({ state, reason }: RestorePoint): string {
  return `${state}: ${reason ?? ""}`;
}

test("a folder whose manifest is signed, of its time, and that holds what it names is complete", () => {
  expect(judged()).toEqual({
    format: "folder",
    id: "daily/20260301T020000Z",
    store: "disk",
    file: "daily/20260301T020000Z",
    aliases: [],
    kind: "full",
    state: "complete",
    reason: null,
    notes: [],
    timeOfData: "2026-03-01T02:00:00.000Z",
    storedAt: "2026-03-01T02:10:05.000Z",
    storedBytes: 900 + 300 + 690,
    sha256: null,
    manifestSha256,
    root: null,
    members: [
      {
        path: "database-club.db.zst.age",
        bytes: 100,
        unpackedBytes: 1000,
        sha256: sha256Of("database-club.db.zst.age"),
      },
      {
        path: "uploads-1.tar.zst.age",
        bytes: 200,
        unpackedBytes: 2000,
        sha256: sha256Of("uploads-1.tar.zst.age"),
        folder: "/srv/uploads",
      },
      {
        path: "data-1.tar.zst.age",
        bytes: 300,
        unpackedBytes: 3000,
        sha256: sha256Of("data-1.tar.zst.age"),
        folder: "data",
      },
      { path: "config.tar.zst.age", bytes: 40, unpackedBytes: 400, sha256: sha256Of("config.tar.zst.age") },
      {
        path: "inventory.tar.zst.age",
        bytes: 50,
        unpackedBytes: 500,
        sha256: sha256Of("inventory.tar.zst.age"),
      },
    ],
    unpackedBytes: 6900,
    hostname: null,
  });
});

test("a folder without a manifest is damaged, and counts as the whole site that it was to be", () => {
  const point = judged({}, { manifest: null });
  expect(verdict(point)).toBe(
    "damaged: no MANIFEST.json, which is written last: its backup was cut off, or is still under way",
  );
  expect([point.kind, point.timeOfData, point.manifestSha256]).toEqual(["full", null, null]);
});

const files = facts().files;
const file = (name: string) => files.find((one) => one.name === name) ?? { name, bytes: 0, arrivedAt };
const allArrived = (time: string) => files.map((one) => ({ ...one, arrivedAt: new Date(time) }));
const without = (name: string) => files.filter((one) => one.name !== name);

test.each<[what: string, written: Partial<PointManifest>, changes: Partial<FolderFacts>, verdict: string]>([
  ["of another site", { site: "shop" }, {}, "foreign: a backup of shop, not of club"],
  [
    "renamed",
    {},
    { name: "20260301T030000Z" },
    "damaged: its manifest is that of daily at 2026-03-01T02:00:00Z: renamed, or put together",
  ],
  [
    "moved to another tier",
    {},
    { tier: "monthly" },
    "damaged: its manifest is that of daily at 2026-03-01T02:00:00Z: renamed, or put together",
  ],
  [
    "dated 2099",
    { startedAt: "2099-01-01T00:00:00Z", endedAt: "2099-01-01T00:10:00Z" },
    { name: "20990101T000000Z", storedAt: new Date("2099-01-01T00:10:00Z") },
    "damaged: it says that it is of 2099-01-01T00:00:00Z, which is yet to come",
  ],
  [
    "dated after it came",
    {},
    { storedAt: new Date("2026-03-01T00:59:59Z") },
    "damaged: it says that it is of 2026-03-01T02:00:00Z, later than it came into the store (2026-03-01T00:59:59.000Z)",
  ],
  [
    "dated back",
    {},
    { files: allArrived("2026-03-01T03:10:01Z"), storedAt: new Date("2026-03-01T03:10:02Z") },
    "damaged: it says that it ended at 2026-03-01T02:10:00Z, and it came into the store at 2026-03-01T03:10:01.000Z: dated back, or copied without its times (cp -a and rclone copy keep them)",
  ],
  [
    "an hour late",
    {},
    { files: allArrived("2026-03-01T03:10:00Z"), storedAt: new Date("2026-03-01T03:10:01Z") },
    "complete: ",
  ],
  [
    "beside which something else lies for long",
    {},
    { files: [...files, { name: "x", bytes: 1, arrivedAt: new Date("2020-01-01T00:00:00Z") }] },
    "complete: ",
  ],
  [
    "with an object of a bucket below the name of a member",
    {},
    { oddities: [{ name: "config.tar.zst.age", reason: "a folder" }] },
    "complete: ",
  ],
  ["a day on its way", {}, { storedAt: new Date("2026-03-02T02:00:05Z") }, "complete: "],
  [
    "completed long after it was cut off",
    {},
    { storedAt: new Date("2026-03-02T02:00:06Z") },
    "damaged: its first file came at 2026-03-01T02:00:05.000Z, and its manifest at 2026-03-02T02:00:06.000Z: more than a day later",
  ],
  ["an hour early", {}, { storedAt: new Date("2026-03-01T01:00:00Z") }, "complete: "],
  [
    "without a member",
    {},
    { files: without("config.tar.zst.age") },
    "damaged: its manifest names config.tar.zst.age, which is not there",
  ],
  [
    "with a member of another size",
    {},
    { files: [...without("config.tar.zst.age"), { name: "config.tar.zst.age", bytes: 41, arrivedAt }] },
    "damaged: config.tar.zst.age has 41 bytes, and its manifest says 40",
  ],
  [
    "with a member that was read and has another hash",
    {},
    { files: [...without("config.tar.zst.age"), { ...file("config.tar.zst.age"), sha256: "f".repeat(64) }] },
    `damaged: config.tar.zst.age is not what its manifest says: its sha256 is ${"f".repeat(64)}, and was ${sha256Of("config.tar.zst.age")}`,
  ],
  [
    "with a link for a member",
    {},
    { files: without("config.tar.zst.age"), oddities: [{ name: "config.tar.zst.age", reason: "a link" }] },
    "damaged: config.tar.zst.age is a link, not a file",
  ],
  [
    "with errors",
    { errors: ["uploads: no space left"] },
    {},
    "partial: its manifest lists errors: uploads: no space left",
  ],
])("a folder %s is told as such", (_, written, changes, expected) => {
  expect(verdict(judged(written, changes))).toBe(expected);
});

test("what is wrong with its signature makes it damaged", () => {
  expect(verdict(judged({}, {}, { fault: "nobody signed it" }))).toBe("damaged: nobody signed it");
});

test("what an operator should know all the same stands in its notes", () => {
  const clear = manifest().members.map((one) => ({ ...one, name: one.name.replace(".age", "") }));
  const point = judged(
    { members: clear, warnings: ["uploads-1.tar: uploads/a: file changed as we read it", "another"] },
    {
      files: [
        { name: "MANIFEST.json", bytes: 900, arrivedAt },
        { name: "notes.txt", bytes: 1, arrivedAt },
        ...clear.map(({ name, bytes }) => ({ name, bytes, arrivedAt })),
      ],
    },
    null,
  );
  expect([point.state, point.notes]).toEqual([
    "complete",
    [
      "nobody vouches for it: site.yaml names no signers",
      "it is not encrypted",
      "2 warnings of the server that made it, such as: uploads-1.tar: uploads/a: file changed as we read it",
      "1 other files lie in its folder: they are not restored",
    ],
  ]);
});

test("a point of databases alone is not one of a whole site", () => {
  const members = [member("database-club.db.zst", 1), member("inventory.tar.zst", 1)];
  expect(judged({ members }).kind).toBe("database");
});

test("only a point that all is right with is good, whatever its manifest says", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...(Object.keys(manifest()) as (keyof PointManifest)[])),
      fc.jsonValue(),
      (field, value) => {
        const text = JSON.stringify({ ...manifest(), [field]: value });
        const { state } = judgeFolder(
          facts(manifest(), { manifest: { text, sha256: manifestSha256 } }),
          good,
          "club",
          now,
        );
        // Other members than those that lie there, another time, another site: only these fields may differ.
        if (state === "complete")
          expect(["revision", "tools", "errors", "warnings", "endedAt", "version"]).toContain(field);
      },
    ),
  );
});

test("a folder's name is a time, or it is no point's", () => {
  expect(timeOfFolder("20260301T020000Z")).toBe("2026-03-01T02:00:00Z");
  for (const name of [
    "20260230T020000Z",
    "20260301T250000Z",
    "latest",
    "20260301T020000",
    "2026-03-01T02:00:00Z",
    "..",
  ]) {
    expect(timeOfFolder(name), name).toBeUndefined();
  }
});
