import fc from "fast-check";
import { expect, test } from "vitest";
import { closestKey, editDistance, knownKeys } from "../../../site/known-keys.ts";

test("the keys of a place are those that the schema has there", () => {
  expect(knownKeys(["php"], {})).toEqual(["version", "extensions", "pool"]);
  expect(knownKeys(["objectives", "rpo"], {})).toContain("database");
  expect(knownKeys(["checks", 0], { checks: [{ kind: "rows" }] })).toEqual([
    "kind",
    "title",
    "database",
    "table",
    "minimum",
  ]);
  expect(knownKeys(["checks", 0, "bearer"], { checks: [{ kind: "upload" }] })).toEqual([
    "variable",
    "secret",
  ]);
  expect(knownKeys(["checks", 0], { checks: [{ kind: "none" }] })).toEqual([]);
  expect(knownKeys(["nowhere", 3], {})).toEqual([]);
});

test("a slip of the finger finds the key that was meant, other words find none", () => {
  const known = ["environmentFile", "requiredVariables", "files", "load"];
  expect(closestKey("enviromentFile", known)).toBe("environmentFile");
  expect(closestKey("required_variables", known)).toBe("requiredVariables");
  expect(closestKey("flies", known)).toBe("files");
  expect(closestKey("lod", known)).toBe("load");
  expect(closestKey("colour", known)).toBeUndefined();
});

test("a distance is none from a word to itself, the same both ways, and at most the longer word", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (one, other) => {
      expect(editDistance(one, one)).toBe(0);
      expect(editDistance(one, other)).toBe(editDistance(other, one));
      expect(editDistance(one, other)).toBeLessThanOrEqual(Math.max(one.length, other.length));
      expect(editDistance(one, other) === 0).toBe(one === other);
    }),
  );
  expect(editDistance("kitten", "sitting")).toBe(3);
  expect(editDistance("ab", "ba")).toBe(1);
});
