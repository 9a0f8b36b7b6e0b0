import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, expect, test } from "vitest";

const program = fileURLToPath(new URL("../../../host/resident/expire", import.meta.url));
const [first, second, third] = ["daily/20260301T020000Z", "daily/20260302T020000Z", "daily/20260303T020000Z"];

let store: string;
/** The watch's read.json. */
let read: string;

/** Fresh for each test: three good points that are older than their tier keeps them, of which it keeps the newest. */
beforeEach(() => {
  store = mkdtempSync(join(tmpdir(), "store-"));
  read = join(store, ".backup", "read.json");
  mkdirSync(join(store, ".backup"));
  for (const id of [first, second, third]) {
    mkdirSync(join(store, id), { recursive: true });
    writeFileSync(join(store, id, "config.tar.zst"), "content");
    const members = [{ name: "config.tar.zst", bytes: "content".length }];
    writeFileSync(join(store, id, "MANIFEST.json"), JSON.stringify({ errors: [], members }));
  }
  writeFileSync(
    join(store, ".backup", "settings.json"),
    JSON.stringify({ tiers: { daily: { keepSeconds: 86_400, atLeast: 1 } } }),
  );
  return () => {
    rmSync(store, { recursive: true });
  };
});

/** What was removed, which are those that are no longer there. */
function expired(): unknown {
  const { status, stdout } = spawnSync(
    "bash",
    [program, store, join(store, ".backup", "settings.json"), read],
    { encoding: "utf8" },
  );
  expect(status).toBe(0);
  const removed = JSON.parse(stdout) as string[];
  const there = readdirSync(join(store, "daily")).map((name) => `daily/${name}`);
  expect([...removed, ...there].sort()).toEqual([first, second, third]);
  return removed;
}
const found = (what: object) => {
  writeFileSync(read, JSON.stringify(what));
};

test("a point in which the watch found flipped bits lets no good one go: the last that is really good stays", () => {
  found({ [third]: { at: 1, bad: ["config.tar.zst"] }, [second]: { at: 1, bad: [] } });
  expect(expired()).toEqual([first]);
});

test("nor does one that lacks a file, or holds another length of it", () => {
  writeFileSync(join(store, third, "config.tar.zst"), "other");
  rmSync(join(store, second, "config.tar.zst"));
  expect(expired()).toEqual([]);
});

test.each([
  ["is not there", undefined],
  ["was cut off", '{"daily/20260303T020000Z": {"at": 1, "bad": ["config'],
  ["is no object", '["daily/20260303T020000Z"]'],
  ["holds something else", `{"${third}": "bad", "${second}": {"bad": true}}`],
])("when what the watch found %s, nothing is known of it, and points go by their manifests", (_, text) => {
  if (text !== undefined) writeFileSync(read, text);
  expect(expired()).toEqual([first, second]);
});
