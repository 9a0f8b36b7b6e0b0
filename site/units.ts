import { z } from "zod";

const secondsPerUnit = { s: 1, min: 60, h: 3600, d: 86_400 } as const;
const bytesPerUnit = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 } as const;

/** A duration written with its unit (`30min`, `6h`, `7d`), parsed to seconds. */
export const duration = z
  .string()
  .regex(/^\d+(s|min|h|d)$/, "a duration is a whole number with its unit: 90s, 30min, 6h or 7d")
  .transform((text) => parse(text, secondsPerUnit));

/** A size written with its unit (`512MiB`, `20GiB`), parsed to bytes. */
export const size = z
  .string()
  .regex(/^\d+(KiB|MiB|GiB|TiB)$/, "a size is a whole number with its unit: 512MiB or 20GiB")
  .transform((text) => parse(text, bytesPerUnit));

function parse(text: string, units: Record<string, number>): number {
  const unit = text.replace(/^\d+/, "");
  return Number(text.slice(0, -unit.length)) * (units[unit] ?? Number.NaN);
}
