import fc from "fast-check";
import { expect, test } from "vitest";
import { type LocalTime, momentsOf } from "../../../backups/local-time.ts";

function local(text: string): LocalTime {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = text.split(/[-T:]/).map(Number);
  return { year, month, day, hour, minute, second };
}

function moments(text: string, zone: string): string[] {
  return momentsOf(local(text), zone).map((moment) => moment.toISOString());
}

test("a local time is one moment, as a rule", () => {
  expect(moments("2025-11-04T12:00:00", "UTC")).toEqual(["2025-11-04T12:00:00.000Z"]);
  expect(moments("2025-11-04T12:00:00", "Europe/Madrid")).toEqual(["2025-11-04T11:00:00.000Z"]);
  expect(moments("2025-07-04T12:00:00", "Europe/Madrid")).toEqual(["2025-07-04T10:00:00.000Z"]);
  expect(moments("2025-01-01T00:00:00", "Pacific/Kiritimati")).toEqual(["2024-12-31T10:00:00.000Z"]);
  expect(moments("2025-01-01T05:45:00", "Asia/Kathmandu")).toEqual(["2025-01-01T00:00:00.000Z"]);
});

test("in the hour that the end of summer time repeats it is two", () => {
  expect(moments("2025-10-26T02:30:00", "Europe/Madrid")).toEqual([
    "2025-10-26T00:30:00.000Z",
    "2025-10-26T01:30:00.000Z",
  ]);
  // Half an hour only, on Lord Howe Island.
  expect(moments("2025-04-06T01:45:00", "Australia/Lord_Howe")).toHaveLength(2);
});

test("in the hour that the start of summer time leaves out it is none", () => {
  expect(moments("2025-03-30T02:30:00", "Europe/Madrid")).toEqual([]);
  expect(moments("2025-03-09T02:30:00", "America/New_York")).toEqual([]);
});

test("what a clock shows at a moment leads back to it", () => {
  const zones = [
    "UTC",
    "Europe/Madrid",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
  ];
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), fc.constantFrom(...zones), (seconds, zone) => {
      const moment = new Date(seconds * 1000);
      // Swedish writes dates as ISO does.
      const shown = moment.toLocaleString("sv-SE", { timeZone: zone }).replace(" ", "T");
      expect(moments(shown, zone)).toContain(moment.toISOString());
    }),
  );
});
