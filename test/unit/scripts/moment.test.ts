import fc from "fast-check";
import { expect, test } from "vitest";
import { moment } from "../../../scripts/moment.ts";

test.each([
  ["2026-03-01", "2026-03-01T00:00:00.000Z"],
  ["2026-03-01T02:00Z", "2026-03-01T02:00:00.000Z"],
  ["2026-03-01T02:00:30Z", "2026-03-01T02:00:30.000Z"],
  // As this program itself prints the times of points.
  ["2026-03-01T02:00:30.125Z", "2026-03-01T02:00:30.125Z"],
  ["2026-03-01T00:30+02:00", "2026-02-28T22:30:00.000Z"],
  ["2026-02-28T23:30-05:00", "2026-03-01T04:30:00.000Z"],
  ["2024-02-29", "2024-02-29T00:00:00.000Z"],
])("%s is a moment", (text, expected) => {
  expect(moment(text).toISOString()).toBe(expected);
});

test.each([
  "",
  "yesterday",
  "2026",
  "2026-03",
  "2026-3-1",
  "01.03.2026",
  "2026-03-01 02:00Z",
  "2026-03-01T02:00",
  "2026-03-01T02:00:00.Z",
  "2026-03-01T25:00Z",
  "2026-03-01T02:60Z",
  "2026-13-01",
  "2026-02-29",
  "2026-04-31T10:00Z",
  "1772330400",
])("'%s' is none", (text) => {
  expect(() => moment(text)).toThrow("a time is written as");
});

test("every moment that can be written is read as what it says, in any zone", () => {
  const dates = fc.date({ min: new Date("0001-01-02"), max: new Date("9998-12-30"), noInvalidDate: true });
  const zones = fc.tuple(
    fc.constantFrom("+", "-"),
    fc.integer({ min: 0, max: 23 }),
    fc.integer({ min: 0, max: 59 }),
  );
  fc.assert(
    fc.property(dates, zones, (date, [sign, hours, minutes]) => {
      const inSeconds = new Date(Math.floor(date.getTime() / 1000) * 1000);
      expect(moment(`${inSeconds.toISOString().slice(0, 19)}Z`)).toEqual(inSeconds);
      const offset = (sign === "+" ? 1 : -1) * (hours * 60 + minutes) * 60_000;
      const local = new Date(inSeconds.getTime() + offset).toISOString().slice(0, 19);
      const zone = `${sign}${String(hours).padStart(2, "0")}:${String(minutes).padStart(2, "0")}`;
      expect(moment(`${local}${zone}`)).toEqual(inSeconds);
    }),
  );
});

test("a day that no month has is no moment, whatever Date makes of it", () => {
  const days = fc.record({
    year: fc.integer({ min: 1970, max: 2100 }),
    month: fc.integer({ min: 1, max: 12 }),
    day: fc.integer({ min: 1, max: 31 }),
  });
  fc.assert(
    fc.property(days, ({ year, month, day }) => {
      const text = `${year}-${String(month).padStart(2, "0")}-${String(day).padStart(2, "0")}`;
      const daysOfMonth = new Date(Date.UTC(year, month, 0)).getUTCDate();
      if (day <= daysOfMonth) expect(moment(text).getUTCDate()).toBe(day);
      else expect(() => moment(text)).toThrow("a time is written as");
    }),
  );
});
