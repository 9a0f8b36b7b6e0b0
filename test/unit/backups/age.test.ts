import fc from "fast-check";
import { expect, test } from "vitest";
import { age } from "../../../backups/age.ts";

const now = new Date("2026-03-10T12:00:00Z");

test.each([
  ["2026-03-10T12:00:00Z", "0 min"],
  ["2026-03-10T11:59:01Z", "0 min"],
  ["2026-03-10T11:00:01Z", "59 min"],
  ["2026-03-10T11:00:00Z", "1 h 0 min"],
  ["2026-03-10T05:48:00Z", "6 h 12 min"],
  ["2026-03-08T12:00:01Z", "47 h 59 min"],
  ["2026-03-08T12:00:00Z", "2 d 0 h"],
  ["2026-03-01T09:00:00Z", "9 d 3 h"],
  ["2026-03-10T12:05:00Z", "0 min"],
  ["unknown", "of unknown age"],
])("data of %s is %s old at noon of 10 March", (moment, expected) => {
  expect(age(moment, now)).toBe(expected);
});

test("an age of any length tells it to the minute up to two days, then to the hour", () => {
  fc.assert(
    fc.property(fc.nat({ max: 400 * 1440 }), (minutes) => {
      const text = age(new Date(now.getTime() - minutes * 60_000).toISOString(), now);
      const unit = { d: 1440, h: 60, min: 1 };
      const told = [...text.matchAll(/(\d+) (d|h|min)/g)].reduce(
        (sum, [, count, name]) => sum + Number(count) * unit[name as keyof typeof unit],
        0,
      );
      expect(minutes - told).toBeGreaterThanOrEqual(0);
      expect(minutes - told).toBeLessThan(minutes < 2880 ? 1 : 60);
    }),
  );
});
