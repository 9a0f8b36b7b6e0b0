import fc from "fast-check";
import { expect, test } from "vitest";
import { duration, formatDuration, formatSize, size } from "../../../site/units.ts";

test("durations are seconds", () => {
  expect(["90s", "30min", "6h", "7d", "0s", "007s"].map((text) => duration.parse(text))).toEqual([
    90, 1800, 21_600, 604_800, 0, 7,
  ]);
});

test("sizes are bytes", () => {
  expect(["1KiB", "512MiB", "20GiB", "2TiB"].map((text) => size.parse(text))).toEqual([
    1024, 536_870_912, 21_474_836_480, 2_199_023_255_552,
  ]);
});

test("durations are written in the largest unit that fits, a day in hours", () => {
  expect([0, 90, 1800, 21_600, 86_400, 172_800, 90_000].map(formatDuration)).toEqual([
    "0s",
    "90s",
    "30min",
    "6h",
    "24h",
    "2d",
    "25h",
  ]);
});

test("what is written is read back as the same", () => {
  fc.assert(
    fc.property(fc.nat(999_999), fc.constantFrom("s", "min", "h", "d"), (count, unit) => {
      const seconds = duration.parse(`${count}${unit}`);
      expect(duration.parse(formatDuration(seconds))).toBe(seconds);
    }),
  );
  fc.assert(
    fc.property(fc.nat(999_999), fc.constantFrom("KiB", "MiB", "GiB", "TiB"), (count, unit) => {
      const bytes = size.parse(`${count}${unit}`);
      expect(size.parse(formatSize(bytes))).toBe(bytes);
    }),
  );
});

test("text is a duration or a size only in its whole", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const result = duration.safeParse(text);
      expect(result.success).toBe(/^\d{1,6}(s|min|h|d)$/.test(text));
      if (result.success) expect(Number.isSafeInteger(result.data)).toBe(true);
      expect(size.safeParse(text).success).toBe(/^\d{1,6}(KiB|MiB|GiB|TiB)$/.test(text));
    }),
  );
  for (const text of ["6", "6 h", "-6h", "1.5h", "6h ", "6H", "1e3s", "6h\n", "9999999h"]) {
    expect(duration.safeParse(text).success, text).toBe(false);
  }
});
