import { z } from "zod";

/** Seconds in each unit of a duration, smallest first. */
const secondsPerUnit = { s: 1, min: 60, h: 3600, d: 86_400 } as const;
/** Bytes in each unit of a size, smallest first. */
const bytesPerUnit = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 } as const;

const durationRule = "a duration is a whole number with its unit: 90s, 30min, 6h or 7d";
const sizeRule = "a size is a whole number with its unit: 512MiB or 20GiB";

// Six digits: more are a slip of the finger, and every product stays exact.

/** A duration written with its unit (`30min`, `6h`, `7d`), parsed to seconds. */
export const duration = z
  .string(durationRule)
  .regex(/^\d{1,6}(s|min|h|d)$/, durationRule)
  .transform((text) => parse(text, secondsPerUnit));

/** A size written with its unit (`512MiB`, `20GiB`), parsed to bytes. */
export const size = z
  .string(sizeRule)
  .regex(/^\d{1,6}(KiB|MiB|GiB|TiB)$/, sizeRule)
  .transform((text) => parse(text, bytesPerUnit));

/** Whole seconds as they are written in site.yaml, in the largest unit that fits: 21600 → `6h`, 604800 → `7d`. */
export function formatDuration(seconds: number): string {
  // A day is said in hours until there are two of them, as in "RPO 24 hours".
  return format(seconds, secondsPerUnit, seconds < 2 * secondsPerUnit.d ? ["d"] : []);
}

/** Bytes as they are written in site.yaml, in the largest unit that fits: 536870912 → `512MiB`. */
export function formatSize(bytes: number): string {
  return format(bytes, bytesPerUnit, []);
}

function parse(text: string, units: Record<string, number>): number {
  const unit = text.replace(/^\d+/, "");
  return Number(text.slice(0, -unit.length)) * (units[unit] ?? Number.NaN);
}

function format(value: number, units: Record<string, number>, without: string[]): string {
  const fitting = Object.entries(units).filter(
    ([unit, factor]) => value % factor === 0 && !without.includes(unit),
  );
  const [unit, factor] = (value === 0 ? fitting[0] : fitting.at(-1)) ?? [];
  if (unit === undefined || factor === undefined) {
    throw new RangeError(`${value} is not a whole number of ${Object.keys(units)[0] ?? "units"}`);
  }
  return `${value / factor}${unit}`;
}
