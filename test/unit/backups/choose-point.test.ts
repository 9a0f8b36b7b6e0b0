import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { choosePoint, pinnedPoint } from "../../../backups/choose-point.ts";
import { isGood, isRead, pinOf, type RestorePoint } from "../../../backups/restore-point.ts";
import { OperatorError } from "../../../site/operator-error.ts";

function point(id: string, timeOfData: string | null, changes: Partial<RestorePoint> = {}): RestorePoint {
  return {
    format: "archive",
    id,
    store: "local",
    file: `${id}.tar.gz`,
    aliases: [],
    kind: "full",
    state: "complete",
    reason: null,
    notes: [],
    timeOfData,
    storedAt: "2025-11-09T00:00:00.000Z",
    storedBytes: 2048,
    sha256: `sha-${id}`,
    manifestSha256: `manifest-${id}`,
    root: id,
    members: [],
    unpackedBytes: 10_240,
    hostname: null,
    ...changes,
  };
}

const monday = point("monday", "2025-11-03T12:00:00.000Z", { aliases: ["full_backup_latest.tar.gz"] });
const tuesday = point("tuesday", "2025-11-04T12:00:00.000Z");
const broken = point("broken", "2025-11-05T12:00:00.000Z", { state: "damaged", reason: "cut short" });
const partial = point("partial", "2025-11-05T13:00:00.000Z", { state: "partial", reason: "says PARTIAL" });
const database = point("database", "2025-11-06T12:00:00.000Z", { kind: "database" });
const all = [database, partial, broken, monday, tuesday];

function refusal(act: () => unknown): OperatorError {
  try {
    act();
  } catch (error) {
    if (error instanceof OperatorError) return error;
  }
  throw new Error("no refusal");
}

test("the newest good whole point is chosen, in whatever order they come", () => {
  expect(choosePoint(all)).toBe(tuesday);
  expect(choosePoint([...all].reverse())).toBe(tuesday);
});

test("a time leaves out what is of then or later", () => {
  expect(choosePoint(all, { before: new Date("2025-11-04T12:00:00Z") })).toBe(monday);
  expect(choosePoint(all, { before: new Date("2025-11-04T12:00:01Z") })).toBe(tuesday);
});

test("a point can be named by its id, its file or its alias", () => {
  for (const id of ["monday", "monday.tar.gz", "full_backup_latest.tar.gz", "full_backup_latest"]) {
    expect(choosePoint(all, { id }), id).toBe(monday);
  }
});

test("of two of the same time the one that more is known of wins", () => {
  const proven = point("again", tuesday.timeOfData, { state: "proven" });
  expect(choosePoint([tuesday, proven])).toBe(proven);
});

test("where databases alone are wanted, a point of our own format that holds nothing else will do", () => {
  const hourly = point("hourly", "2025-11-05T12:00:00.000Z", { kind: "database", format: "folder" });
  const wish = { databaseAlone: true };
  expect(choosePoint([...all, hourly], wish)).toBe(hourly);
  expect(choosePoint([...all, hourly])).toBe(tuesday);
  expect(choosePoint(all, wish)).toBe(tuesday);
});

describe("a refusal", () => {
  test("lists every candidate and why it is not chosen", () => {
    const error = refusal(() => choosePoint(all, { before: new Date("2025-11-01T00:00:00Z") }));
    expect(error.exitCode).toBe(4);
    expect(error.why.split("\n")).toEqual([
      "database (2025-11-06T12:00:00.000Z, 2.0 KiB): holds a database alone",
      "partial (2025-11-05T13:00:00.000Z, 2.0 KiB): partial: says PARTIAL",
      "broken (2025-11-05T12:00:00.000Z, 2.0 KiB): damaged: cut short",
      "monday (2025-11-03T12:00:00.000Z, 2.0 KiB): too new",
      "tuesday (2025-11-04T12:00:00.000Z, 2.0 KiB): too new",
    ]);
  });

  test("of a named point says what is wrong with it", () => {
    const error = refusal(() => choosePoint(all, { id: "broken" }));
    expect([error.what, error.why]).toEqual([
      "the restore point broken cannot be used",
      "broken (2025-11-05T12:00:00.000Z, 2.0 KiB): damaged: cut short",
    ]);
  });

  test("of a name that is not there shows what is", () => {
    const error = refusal(() => choosePoint(all, { id: "friday" }));
    expect(error.what).toBe("there is no restore point friday");
    expect(error.why).toContain("tuesday (2025-11-04T12:00:00.000Z, 2.0 KiB): good");
  });

  test("of an empty store says so", () => {
    expect(refusal(() => choosePoint([])).why).toBe("the store is empty");
  });
});

describe("where verifiers read points", () => {
  const read = point("read", "2025-11-03T02:00:00.000Z", { state: "readable" });
  const proven = point("proven", "2025-11-02T02:00:00.000Z", { state: "proven" });
  const unread = (timeOfData: string) => point("unread", timeOfData);

  test("the newest that was read is chosen, before a newer one that nobody has read yet", () => {
    expect(choosePoint([unread("2025-11-05T01:59:59.000Z"), proven, read])).toBe(read);
  });

  test("but once it is two days older, nobody reads them any more, and what would be lost weighs more", () => {
    const newest = unread("2025-11-05T02:00:00.000Z");
    expect(choosePoint([read, newest, proven])).toBe(newest);
  });

  test("who names one gets that", () => {
    const newest = unread("2025-11-03T12:00:00.000Z");
    expect(choosePoint([read, newest], { id: "unread" })).toBe(newest);
  });
});

test("whatever there is, what is chosen is good, whole, and none newer is so; but for a day's that nobody has read", () => {
  const points = fc.array(
    fc.record({
      state: fc.constantFrom("complete", "readable", "proven", "damaged", "partial", "foreign"),
      kind: fc.constantFrom("full", "database", null),
      time: fc.option(fc.integer({ min: 0, max: 1000 })),
    }),
  );
  fc.assert(
    fc.property(points, (drafts) => {
      const made = drafts.map(({ state, kind, time }, index) =>
        point(String(index), time === null ? null : new Date(time * 1e6).toISOString(), { state, kind }),
      );
      const usable = made.filter((one) => isGood(one) && one.kind === "full" && one.timeOfData !== null);
      if (usable.length === 0) {
        expect(() => choosePoint(made)).toThrow(OperatorError);
        return;
      }
      const chosen = choosePoint(made);
      expect(usable).toContain(chosen);
      const days = (other: RestorePoint) =>
        (Date.parse(other.timeOfData ?? "") - Date.parse(chosen.timeOfData ?? "")) / 86_400_000;
      const newer = usable.filter((other) => days(other) > 0);
      const passed = newer.filter((other) => isRead(chosen) && !isRead(other) && days(other) < 2);
      expect(newer).toEqual(passed);
    }),
  );
});

describe("a pinned point", () => {
  const pin = pinOf(tuesday);
  if (pin === null) throw new Error("no pin");

  test("is found again by its bytes, under whatever name", () => {
    expect(pinnedPoint(all, pin)).toBe(tuesday);
    const renamed = { ...tuesday, id: "renamed" };
    expect(pinnedPoint([renamed, monday], pin)).toBe(renamed);
  });

  test("is refused when its bytes have changed, with the same manifest or not", () => {
    expect(refusal(() => pinnedPoint([{ ...tuesday, sha256: "other" }], pin)).why).toContain(
      "its bytes are others",
    );
    expect(refusal(() => pinnedPoint([{ ...tuesday, manifestSha256: "other" }], pin)).exitCode).toBe(4);
  });

  test("is refused when it is gone or no longer good", () => {
    expect(refusal(() => pinnedPoint([monday], pin)).why).toBe("no store holds it any more");
    expect(refusal(() => pinnedPoint([{ ...tuesday, state: "damaged", reason: "x" }], pin)).why).toContain(
      "damaged: x",
    );
  });

  test("is the copy of which most is known, as it was when it was chosen, where several stores hold it", () => {
    const proven: RestorePoint = { ...tuesday, store: "offsite", state: "proven" };
    for (const state of ["damaged", "complete", "readable"] as const) {
      const points = [{ ...tuesday, state }, proven];
      expect(choosePoint(points)).toBe(proven);
      expect(pinnedPoint(points, pin)).toBe(proven);
    }
  });

  test("does not exist of what was not read to its end", () => {
    expect(pinOf({ ...tuesday, sha256: null })).toBeNull();
  });
});
