import { describe, expect, test } from "vitest";
import type { RestorePoint } from "../../../backups/restore-point.ts";
import { choose, chooseDatabases, draw } from "../../../run/choose.ts";

import { smallSite } from "../runbook/small-site.ts";

/** A good point of a whole site, of an hour of one day. */
function point(hour: string, changes: Partial<RestorePoint> = {}): RestorePoint {
  return {
    format: "archive",
    id: `full_${hour}`,
    store: "disk",
    file: `full_${hour}.tar.gz`,
    aliases: [],
    kind: "full",
    state: "complete",
    reason: null,
    notes: [],
    timeOfData: `2025-03-01T${hour}:00:00.000Z`,
    storedAt: `2025-03-01T${hour}:05:00.000Z`,
    storedBytes: 1000,
    sha256: `sha-${hour}`,
    manifestSha256: `manifest-${hour}`,
    root: "root",
    members: [],
    unpackedBytes: 5000,
    hostname: null,
    ...changes,
  };
}

function chosen(points: RestorePoint[], wish: Parameters<typeof choose>[1] = {}) {
  const said: string[] = [];
  const { pin, passedOver } = choose(points, wish, (line) => said.push(line));
  return { pin, passedOver, said };
}

const damaged = { state: "damaged", reason: "its gzip checksum is wrong", timeOfData: null } as const;

test("newer points that are damaged or partial are said and kept for the record; others are not", () => {
  const { pin, passedOver, said } = chosen([
    point("06", damaged),
    point("05", { state: "partial", reason: "uploads failed" }),
    point("04", { kind: "database" }),
    point("04", { ...damaged, kind: null, state: "foreign" }),
    point("03"),
    point("02"),
    point("01", damaged),
  ]);
  expect(pin).toEqual({ id: "full_03", manifestSha256: "manifest-03", archiveSha256: "sha-03" });
  expect(passedOver).toEqual([
    "passed over full_06 in disk: damaged, its gzip checksum is wrong",
    "passed over full_05 in disk: partial, uploads failed",
  ]);
  expect(said).toEqual([
    ...passedOver,
    expect.stringMatching(
      /^restore point full_03 in disk, complete; data of 2025-03-01T03:00:00\.000Z \(\d.* old\)$/,
    ),
  ]);
});

test("of points that hold databases alone those are said that would have done", () => {
  const hourly = { kind: "database", format: "folder", ...damaged } as const;
  const points = [point("05", hourly), point("04", { ...hourly, format: "archive" }), point("03")];
  expect(chosen(points, { databaseAlone: true }).passedOver).toEqual([
    "passed over full_05 in disk: damaged, its gzip checksum is wrong",
  ]);
  expect(chosen(points).passedOver).toEqual([]);
});

test("who names a point, or a time before which it must be, is told nothing of what they did not want", () => {
  const points = [point("06", damaged), point("03"), point("02")];
  expect(chosen(points, { id: "full_02" })).toMatchObject({ pin: { id: "full_02" }, passedOver: [] });
  expect(chosen(points, { before: new Date("2025-03-01T04:00:00Z") })).toMatchObject({
    pin: { id: "full_03" },
    passedOver: [],
  });
});

test("where verifiers read points, a newer one that none has read yet is said, and which a drill proved last", () => {
  const [unread, read] = [point("06"), point("05", { state: "readable" })];
  expect(chosen([unread, read])).toMatchObject({
    pin: { id: "full_05" },
    passedOver: [
      "passed over full_06 in disk: no verifier has read it yet; --point full_06 takes it",
      "no point was ever proven by a drill",
    ],
  });
  expect(chosen([unread, read, point("02", { state: "proven" })]).passedOver).toContain(
    "the newest that a drill proved is full_02 in disk, with data of 2025-03-01T02:00:00.000Z",
  );
  expect(chosen([point("06", { state: "proven" })]).passedOver).toEqual([]);
});

test("a point is drawn among the good ones of the whole site alone", () => {
  const points = [point("06", damaged), point("05", { kind: "database" }), point("03"), point("02")];
  const drawn = new Set(Array.from({ length: 100 }, () => draw(points)));
  expect([...drawn].sort()).toEqual(["full_02", "full_03"]);
  expect(draw([])).toBeUndefined();
});

describe("the databases of a whole site", () => {
  const databases = (hour: string, changes: Partial<RestorePoint> = {}) =>
    point(hour, {
      format: "folder",
      kind: "database",
      id: `hourly/${hour}`,
      sha256: null,
      members: [{ path: "database-club.db.zst.age", bytes: 1, unpackedBytes: 1 }],
      ...changes,
    });
  const full = point("03", { format: "folder", id: "daily/03", sha256: null });
  const points = [
    databases("08", { state: "damaged", reason: "cut short" }),
    // The runbook's scripts made it: it cannot be taken alone.
    databases("07", { format: "archive" }),
    databases("07", { id: "hourly/of-another", members: [] }),
    databases("06"),
    databases("05"),
    full,
    databases("02"),
  ];
  const chosen = (
    from: "newest" | "point" | { id: string },
    { of = full, among = points, before }: { of?: RestorePoint; among?: RestorePoint[]; before?: Date } = {},
  ) => {
    const said: string[] = [];
    const choice = chooseDatabases(of, among, { site: smallSite, before, from }, (line) => said.push(line));
    return { ...choice, said };
  };

  test("are those of the newest good point that is newer and holds all of them", () => {
    const { databases: taken, passedOver, said } = chosen("newest");
    expect(taken?.pin).toEqual({ id: "hourly/06", manifestSha256: "manifest-06", archiveSha256: null });
    expect(taken?.point).toBe(points[3]);
    expect(passedOver).toEqual([]);
    expect(said).toEqual([
      expect.stringMatching(
        /^its databases from hourly\/06 in disk, complete; data of 2025-03-01T06:00:00\.000Z \(.* old\); with --point daily\/03 all of it is from that one$/,
      ),
    ]);
    const before = new Date("2025-03-01T06:00:00Z");
    expect(chosen("newest", { before }).databases?.pin.id).toBe("hourly/05");
  });

  test.each([
    ["none is newer", { of: point("07", { format: "folder" }) }],
    ["there is none", { among: [full] }],
  ])("are its own when %s", (_, options) => {
    expect(chosen("newest", options)).toEqual({ passedOver: [], said: [] });
  });

  test("are none of a site that has none", () => {
    const said: string[] = [];
    const bare = { site: { ...smallSite, databases: [] }, from: "newest" as const };
    expect(chooseDatabases(full, points, bare, (line) => said.push(line))).toEqual({ passedOver: [] });
    expect(said).toEqual([]);
  });

  test("are its own when that is asked for, or it is an archive: newer ones are named", () => {
    const named =
      "the databases alone are newer in hourly/06 in disk, with data of 2025-03-01T06:00:00.000Z: when this is done, the same command with --again HOST --only database --point hourly/06 brings them";
    expect(chosen("point")).toEqual({ passedOver: [named], said: [named] });
    expect(chosen("newest", { of: point("03") })).toEqual({ passedOver: [named], said: [named] });
  });

  test("are those that were taken before, when a rebuild goes on", () => {
    const { databases: taken, passedOver } = chosen({ id: "hourly/05" });
    expect(taken?.pin.id).toBe("hourly/05");
    expect(passedOver).toEqual([expect.stringContaining("newer in hourly/06")]);
    expect(() => chosen({ id: "hourly/04" })).toThrow("there is no restore point hourly/04");
  });
});
