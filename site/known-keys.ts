import { z } from "zod";
import { siteSchema } from "./schema.ts";

/**
 * The keys that site.yaml may have at `path`. `written` is all that is written there, which tells one kind of check from
 * another.
 */
export function knownKeys(path: readonly PropertyKey[], written: unknown): string[] {
  let value = written;
  let schema = inner(siteSchema, value);
  for (const part of path) {
    value =
      typeof value === "object" && value !== null ? (value as Record<PropertyKey, unknown>)[part] : undefined;
    let below: z.core.$ZodType | undefined;
    if (schema instanceof z.ZodObject) below = schema.shape[String(part)] as z.core.$ZodType | undefined;
    else if (schema instanceof z.ZodArray) below = schema.element;
    if (below === undefined) return [];
    schema = inner(below, value);
  }
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

/** The known key that was probably meant by `written`, if any. */
export function closestKey(written: string, known: string[]): string | undefined {
  const plain = (key: string) => key.toLowerCase().replace(/[-_]/g, "");
  const ranked = known
    .map((key) => ({ key, distance: editDistance(plain(written), plain(key)) }))
    .sort((one, other) => one.distance - other.distance);
  const [best] = ranked;
  return best !== undefined && best.distance <= Math.max(1, Math.floor(best.key.length / 3))
    ? best.key
    : undefined;
}

function inner(schema: z.core.$ZodType, value: unknown): z.core.$ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return inner(schema.unwrap(), value);
  }
  if (schema instanceof z.ZodDiscriminatedUnion) {
    const kind = typeof value === "object" && value !== null && "kind" in value ? value.kind : undefined;
    return (
      schema.options.find(
        (option) =>
          option instanceof z.ZodObject &&
          option.shape["kind"] instanceof z.ZodLiteral &&
          option.shape["kind"].value === kind,
      ) ?? schema
    );
  }
  return schema;
}

/** How many letters must be added, dropped, changed or swapped with a neighbour to make one word the other. */
export function editDistance(one: string, other: string): number {
  const table = Array.from({ length: one.length + 1 }, (_, row) =>
    Array.from({ length: other.length + 1 }, (_, column) => (row === 0 ? column : column === 0 ? row : 0)),
  );
  const cell = (row: number, column: number) => table[row]?.[column] ?? Infinity;
  for (let row = 1; row <= one.length; row++) {
    for (let column = 1; column <= other.length; column++) {
      const same = one[row - 1] === other[column - 1];
      const swapped = one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      const distance = Math.min(
        cell(row - 1, column) + 1,
        cell(row, column - 1) + 1,
        cell(row - 1, column - 1) + (same ? 0 : 1),
        swapped ? cell(row - 2, column - 2) + 1 : Infinity,
      );
      (table[row] ?? [])[column] = distance;
    }
  }
  return cell(one.length, other.length);
}
