import fc from "fast-check";
import { expect, test } from "vitest";
import { contentName, parsePointManifest, tiers } from "../../../backups/point-manifest.ts";
import { manifest, member } from "./manifests.ts";

test("a manifest is read as it was written", () => {
  expect(parsePointManifest(JSON.stringify(manifest()))).toEqual(manifest());
});

const [database, uploads, data, config, inventory] = manifest().members;
if (!database || !uploads || !data || !config || !inventory) throw new Error("the manifest lacks members");

test.each<[what: string, text: string, fault: string]>([
  ["nothing", "", "is not JSON"],
  ["half of one", JSON.stringify(manifest()).slice(0, 300), "is not JSON"],
  ["a list", "[]", "is not one"],
  ["null", "null", "is not one"],
  ["a later version", JSON.stringify({ ...manifest(), version: 2 }), "its format has version 2"],
  ["a field more", JSON.stringify({ ...manifest(), owner: "x" }), "is not one"],
  ["a tier of its own", JSON.stringify({ ...manifest(), tier: "yearly" }), "tier is not as it should be"],
  [
    "local time",
    JSON.stringify({ ...manifest(), startedAt: "2026-03-01T02:00:00+01:00" }),
    "startedAt is not",
  ],
  ["no day", JSON.stringify({ ...manifest(), startedAt: "2026-02-30T02:00:00Z" }), "startedAt is not"],
  [
    "an end before its start",
    JSON.stringify({ ...manifest(), endedAt: "2026-03-01T01:59:59Z" }),
    "ended before",
  ],
  ["a branch", JSON.stringify({ ...manifest(), revision: "main" }), "revision is not"],
  [
    "an error that moves the cursor",
    JSON.stringify({ ...manifest(), errors: ["\u001b[2J"] }),
    "errors.0 is not",
  ],
  ["no member", JSON.stringify(manifest({ members: [] })), "members is not"],
  ["no inventory", JSON.stringify(manifest({ members: [config] })), "it has no inventory.tar"],
  [
    "a member twice",
    JSON.stringify(manifest({ members: [config, config, inventory] })),
    "config.tar is in it twice",
  ],
  [
    "a member twice, once in clear",
    JSON.stringify(manifest({ members: [config, member("config.tar.zst", 1), inventory] })),
    "config.tar is in it twice",
  ],
  [
    "a member in clear among encrypted ones",
    JSON.stringify(manifest({ members: [member("config.tar.zst", 1), inventory] })),
    "some members are encrypted and some are not",
  ],
  [
    "uploads of nowhere",
    JSON.stringify(manifest({ members: [member("uploads-1.tar.zst.age", 1), inventory] })),
    "members.0 is not",
  ],
  [
    "a database with a path",
    JSON.stringify(manifest({ members: [{ ...database, path: "data" }, inventory] })),
    "members.0 is not",
  ],
  [
    "a size below zero",
    JSON.stringify(manifest({ members: [{ ...config, bytes: -1 }, inventory] })),
    "bytes is not",
  ],
  [
    "no size",
    JSON.stringify(manifest({ members: [{ ...config, bytes: 1e300 }, inventory] })),
    "bytes is not",
  ],
])("%s is no manifest", (_, text, fault) => {
  const parsed = parsePointManifest(text);
  expect(parsed).toHaveProperty("fault");
  expect("fault" in parsed ? parsed.fault : "").toContain(fault);
});

test.each([
  "../config.tar.zst",
  "/etc/passwd.zst",
  "a/config.tar.zst",
  "database-.db.zst",
  "config.tar",
  "uploads-0.tar.zst",
  "config.tar.zst\n",
  "CON.tar.zst",
  "MANIFEST.json",
])("no member is called %j", (name) => {
  expect(
    parsePointManifest(JSON.stringify(manifest({ members: [{ ...config, name }, inventory] }))),
  ).toHaveProperty("fault");
});

test("whatever is written there, it is a manifest or it has a fault, and a terminal can show both", () => {
  const controlCharacters = /\p{Cc}/u;
  const anything = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.json(),
    // One field of a good one exchanged for anything: what gets past the first look.
    fc
      .tuple(fc.constantFrom(...Object.keys(manifest())), fc.jsonValue())
      .map(([field, value]) => JSON.stringify({ ...manifest(), [field]: value })),
    fc
      .tuple(fc.constantFrom("name", "path", "bytes", "sha256"), fc.jsonValue())
      .map(([field, value]) =>
        JSON.stringify(manifest({ members: [{ ...uploads, [field]: value }, inventory] })),
      ),
  );
  fc.assert(
    fc.property(anything, (text) => {
      const parsed = parsePointManifest(text);
      if ("fault" in parsed) {
        expect(parsed.fault).not.toMatch(controlCharacters);
        return;
      }
      expect(tiers).toContain(parsed.tier);
      for (const { name, bytes, unpackedBytes } of parsed.members) {
        expect(name).toMatch(/^[a-z][a-z0-9.-]*$/);
        expect(name).not.toContain("..");
        expect(Number.isSafeInteger(bytes) && Number.isSafeInteger(unpackedBytes)).toBe(true);
      }
      expect(JSON.stringify(parsed.errors)).not.toMatch(controlCharacters);
    }),
  );
});

test("a member's content is named without what it is wrapped in", () => {
  expect(contentName("database-admin.db.zst.age")).toBe("database-admin.db");
  expect(contentName("uploads-1.tar.zst")).toBe("uploads-1.tar");
});
