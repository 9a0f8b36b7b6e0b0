import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseLock, whyLockHolds } from "../../../engine/stack-lock.ts";

const text =
  '{"pid":4711,"username":"root","hostname":"desk","timestamp":"2026-11-23T17:41:49.123456789+01:00"}';
const lock = {
  pid: 4711,
  username: "root",
  hostname: "desk",
  timestamp: new Date("2026-11-23T16:41:49.123Z"),
};
const here = (startedAt: string | undefined) => ({
  hostname: "desk",
  startedAt: () => (startedAt === undefined ? undefined : new Date(startedAt)),
});

describe("a lock of the file backend", () => {
  test("is read as the engine wrote it", () => {
    expect(parseLock(text)).toEqual(lock);
  });

  test("is told from anything else without an exception", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (other) => {
        expect(parseLock(other)).toBeUndefined();
      }),
    );
  });

  test("is stale when its process is gone", () => {
    expect(whyLockHolds(lock, here(undefined))).toBeUndefined();
  });

  test("is stale when its number now belongs to a process that started later", () => {
    expect(whyLockHolds(lock, here("2026-11-23T16:42:00Z"))).toBeUndefined();
  });

  test("holds while its process runs, and says whose it is and since when", () => {
    expect(whyLockHolds(lock, here("2026-11-23T16:41:49Z"))).toBe(
      "it is locked by root@desk (process 4711) since 2026-11-23T16:41:49.123Z, which still runs",
    );
  });

  test("of another computer holds, since nobody can see from here whether it is in use", () => {
    expect(whyLockHolds({ ...lock, hostname: "laptop" }, here(undefined))).toBe(
      "it is locked by root@laptop (process 4711) since 2026-11-23T16:41:49.123Z; whether that still runs cannot be seen from desk",
    );
  });
});
