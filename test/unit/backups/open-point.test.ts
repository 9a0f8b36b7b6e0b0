import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { verifyPoints } from "../../../run/verify-points.ts";
import { loadSite } from "../../../site/load.ts";
import { makeKeys, packSealed, type Keys } from "../run/sealed-points.ts";
import { siteFolder, type SiteFolder } from "../stacks/site-folder.ts";

const quiet = new AbortController().signal;
const uploads = "uploads-1.tar.zst.age";

let keys: Keys;
let folder: SiteFolder;
beforeAll(async () => {
  keys = await makeKeys();
}, 60_000);
afterAll(() => {
  keys.remove();
});
beforeEach(() => {
  folder = siteFolder({
    secrets: [
      { name: "MONITORING", from: "command:echo x" },
      { name: "IDENTITY", from: `file:${keys.file("identity")}` },
    ],
    restorePoints: { recipients: [keys.publicKey("identity")], identity: "IDENTITY" },
  });
});
afterEach(() => {
  folder.remove();
});

/** A point of which a member holds other bytes, as whoever has the server can make one: its manifest says so. */
function forged(content: Buffer, member = uploads, unpackedBytes = 10 * 1024 ** 2): void {
  const { path } = packSealed(folder.directory, { recipients: [keys.publicKey("identity")] });
  writeFileSync(join(path, member), content);
  const sha256 = execFileSync("sha256sum", [join(path, member)], { encoding: "utf8" }).slice(0, 64);
  const file = join(path, "MANIFEST.json");
  const manifest = JSON.parse(readFileSync(file, "utf8")) as { members: { name: string }[] };
  manifest.members = manifest.members.map((one) =>
    one.name === member ? { ...one, bytes: content.length, unpackedBytes, sha256 } : one,
  );
  writeFileSync(file, JSON.stringify(manifest));
}
const verify = async () =>
  verifyPoints(await loadSite(folder.file), {
    wanted: (points) => points,
    sign: false,
    say: () => undefined,
    signal: quiet,
  });

test("a member that age refuses at its first byte is damaged, however long it is", async () => {
  forged(randomBytes(8 * 1024 ** 2));
  expect(await verify()).toMatchObject([
    {
      point: {
        state: "damaged",
        reason: expect.stringContaining(`${uploads} cannot be decrypted and decompressed`) as string,
      },
      failed: true,
    },
  ]);
});

test("a member that is encrypted to other keys than its inventory is damaged: nobody of the site can restore it", async () => {
  forged(
    execFileSync("age", ["-r", keys.publicKey("other")], {
      input: randomBytes(2 * 1024 ** 2),
      maxBuffer: 8 * 1024 ** 2,
    }),
  );
  expect(await verify()).toMatchObject([
    {
      point: {
        state: "damaged",
        reason: `${uploads} was encrypted to other keys than its inventory`,
      },
      failed: true,
    },
  ]);
});

test.each([
  ["two lists", "echo >SHA256SUMS", "is in it twice"],
  ["a list that never ends", "truncate -s 2M SHA256SUMS", "is longer than one can be"],
])("an inventory with %s is damaged: nobody's memory is filled", async (_, list, reason) => {
  const inventory = execFileSync(
    "bash",
    [
      "-c",
      `cd "$1" && ${list} && tar --create --file=all --hard-dereference SHA256SUMS SHA256SUMS && zstd -q -c all | age -r "$0"`,
      keys.publicKey("identity"),
      folder.directory,
    ],
    { maxBuffer: 1024 ** 2 },
  );
  forged(inventory, "inventory.tar.zst.age");
  expect((await verify())[0]?.point.reason).toBe(`inventory.tar.zst.age: its SHA256SUMS ${reason}`);
});

test("a member that unpacks to far more than it is, as its manifest says, is damaged: it would be read for ever", async () => {
  const bomb = `head -c 1100M /dev/zero | zstd -q -c | age -r "$0"`;
  forged(
    execFileSync("bash", ["-c", bomb, keys.publicKey("identity")], { maxBuffer: 8 * 1024 ** 2 }),
    uploads,
    2 ** 40,
  );
  expect((await verify())[0]?.point.reason).toBe(`${uploads}: it unpacks to more than 100 times its size`);
});
