import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { proveKeys } from "../../../run/prove-keys.ts";
import { loadSite } from "../../../site/load.ts";
import { siteFolder, type SiteFolder } from "../stacks/site-folder.ts";
import { makeKeys, packSealed, type Keys } from "./sealed-points.ts";

let keys: Keys;
let folder: SiteFolder;
beforeAll(async () => {
  keys = await makeKeys();
}, 60_000);
afterAll(() => {
  keys.remove();
});
afterEach(() => {
  folder.remove();
});

function siteWith({
  recipients = ["identity", "escrow"],
  operator = "identity",
  verifier = "escrow",
} = {}): void {
  folder = siteFolder({
    secrets: [
      { name: "MONITORING", from: "command:echo x" },
      { name: "MINE", from: `file:${keys.file(operator)}` },
      { name: "ITS", from: `file:${keys.file(verifier)}` },
    ],
    restorePoints: { recipients: recipients.map((name) => keys.publicKey(name)), identity: "MINE" },
    verification: { signers: [keys.publicKey("verifier")], identity: "ITS" },
  });
}
const packed = (startedAt: string, tier = "daily", ...recipients: string[]) =>
  packSealed(folder.directory, {
    tier,
    startedAt,
    recipients: recipients.map((name) => keys.publicKey(name)),
  }).id;
const proof = async () =>
  proveKeys(await loadSite(folder.file), { say: () => undefined, signal: new AbortController().signal });
/** Backups that are made now count as of their time. */
const at = (minutesAgo: number) =>
  `${new Date(Date.now() - minutesAgo * 60_000).toISOString().slice(0, 19)}Z`;

test("each key opens the newest backup of each tier, and nothing is at fault", async () => {
  siteWith();
  packed(at(30), "daily", "identity", "escrow");
  const daily = packed(at(10), "daily", "identity", "escrow");
  const hourly = packed(at(5), "hourly", "identity", "escrow");
  const opened = [hourly, daily].map((id) => ({ id, store: "disk", opens: true, why: null }));
  expect(await proof()).toEqual({
    recipients: [keys.publicKey("identity"), keys.publicKey("escrow")],
    keys: [
      {
        secret: "MINE",
        of: "operator",
        publicKey: keys.publicKey("identity"),
        problem: null,
        points: opened,
      },
      { secret: "ITS", of: "verifier", publicKey: keys.publicKey("escrow"), problem: null, points: opened },
    ],
    faults: [],
  });
});

test("a key that opens nothing, is no recipient, or is the only one, is a fault; what is said holds no private key", async () => {
  siteWith({ recipients: ["identity"], operator: "other", verifier: "identity" });
  const id = packed(at(1), "daily", "identity");
  const { faults } = await proof();
  expect(faults).toEqual([
    expect.stringContaining("backups are encrypted to one key"),
    `the key MINE opens no backup that is made from now on: ${keys.publicKey("other")} is no recipient`,
    `the key MINE does not open ${id} in disk: inventory.tar.zst.age was encrypted to other keys`,
  ]);
  expect(JSON.stringify(await proof())).not.toContain("AGE-SECRET-KEY");
});

test("a file with the key of before and that of now opens both, and is at fault for neither", async () => {
  siteWith();
  const both = ["other", "identity"].map((name) => readFileSync(keys.file(name), "utf8")).join("");
  writeFileSync(join(folder.directory, "both"), both, { mode: 0o600 });
  const site = readFileSync(folder.file, "utf8");
  writeFileSync(folder.file, site.replace(`file:${keys.file("identity")}`, "file:both"));
  packed(at(1), "daily", "identity", "escrow");
  expect((await proof()).faults).toEqual([]);
});

test("a key that nothing was there for to be tried on is not called good", async () => {
  siteWith();
  expect((await proof()).faults).toEqual(
    ["MINE", "ITS"].map(
      (key) => `the key ${key} was tried on nothing: no store holds a good backup that is encrypted`,
    ),
  );
});

test("a key that is not here is a fault of the operator's, not of the verifier's", async () => {
  siteWith({ operator: "nowhere", verifier: "nowhere" });
  packed(at(1), "daily", "identity", "escrow");
  const { faults, keys: found } = await proof();
  expect(found.map(({ problem }) => problem)).toEqual([
    expect.stringContaining("ENOENT"),
    expect.stringContaining("ENOENT"),
  ]);
  expect(faults).toEqual([expect.stringMatching(/^the key MINE: ENOENT/)]);
});

test("an inventory that is damaged is not opened either", async () => {
  siteWith();
  const id = packed(at(1), "daily", "identity", "escrow");
  writeFileSync(join(folder.directory, "backups", id, "inventory.tar.zst.age"), "x".repeat(100), {
    flag: "r+",
  });
  expect((await proof()).faults[0]).toMatch(
    new RegExp(`^the key MINE does not open ${id} in disk: .*is not what its manifest says`),
  );
});
