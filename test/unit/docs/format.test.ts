import { siteIn } from "../../site-in.ts";
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { listPoints } from "../../../backups/catalogue.ts";
import type { RestorePoint } from "../../../backups/restore-point.ts";
import { type PreparedSample, prepareSample } from "../../../examples/chatbot/prepare.ts";
import { fencedLines, page } from "./documents.ts";

const sampleSite = new URL("../../../examples/chatbot/site.yaml", import.meta.url);
const time = new Date("2026-03-01T02:00:00Z");

let base: string;
let sample: PreparedSample;
let signer: string;

function newKey(name: string): string {
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "root@chatbot", "-f", join(base, name)]);
  return readFileSync(join(base, `${name}.pub`), "utf8").trim();
}

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), "format-"));
  vi.stubEnv("XDG_CACHE_HOME", join(base, "cache"));
  signer = newKey("host");
  const options = { directory: base, format: "own", signingKey: join(base, "host"), time } as const;
  // Once without recipients: age is there after it.
  await prepareSample(options);
  execFileSync("age-keygen", ["-o", join(base, "key")], { stdio: "ignore" });
  const recipient = execFileSync("age-keygen", ["-y", join(base, "key")], { encoding: "utf8" }).trim();
  const settings = {
    restorePoints: { signers: [signer], recipients: [recipient], identity: "BACKUP_KEY" },
    secrets: [{ name: "BACKUP_KEY", from: "file:key" }],
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`);
  writeFileSync(join(base, "site.yaml"), `${readFileSync(sampleSite, "utf8")}\n${lines.join("")}`);
  sample = await prepareSample(options);
}, 120_000);
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(base, { recursive: true });
});

test("docs/format.md opens a point by hand, word for word", { timeout: 60_000 }, () => {
  const folder = join(base, "by-hand");
  cpSync(sample.archive, folder, { recursive: true });
  cpSync(join(base, "key"), join(folder, "key"));
  writeFileSync(join(folder, "signers"), `club ${signer}\n`);
  const lines = fencedLines(page("docs/format.md"), "sh");
  expect(lines.length).toBeGreaterThan(10);
  const run = (script: string) =>
    execFileSync("bash", ["-euo", "pipefail", "-c", script], {
      cwd: folder,
      encoding: "utf8",
      stdio: "pipe",
    });
  const said = run(lines.join("\n"));
  expect(said).toContain('Good "recovery-stack" signature for club');
  expect(said).toContain("uploads-1.tar.zst.age: OK");
  expect(said).toContain("database-admin.db: OK");
  expect(said).toMatch(/^ok$/m);
  for (const { path, sha256 } of sample.uploads) {
    expect(
      execFileSync("sha256sum", ["--", path], { cwd: join(folder, "uploads"), encoding: "utf8" }),
    ).toContain(sha256);
  }
  expect(JSON.parse(readFileSync(join(folder, "inventory/database-admin.db.rows.json"), "utf8"))).toEqual(
    sample.rows,
  );
  expect(run("git -C application rev-parse HEAD").trim()).toBe(sample.revision);

  // The same words on a point that somebody changed.
  const config = join(folder, "config.tar.zst.age");
  writeFileSync(config, readFileSync(config).reverse());
  expect(() => run(lines.slice(0, 4).join("\n"))).toThrow("1 computed checksum did NOT match");
});

describe("a store", { timeout: 60_000 }, () => {
  async function listed(
    signers: string[],
    change: (point: string) => void = () => undefined,
  ): Promise<RestorePoint[]> {
    const store = mkdtempSync(join(base, "store-"));
    const point = join(store, "daily/20260301T020000Z");
    cpSync(sample.archive, point, { recursive: true, preserveTimestamps: true });
    change(point);
    const kind = { kind: "directory", name: "local", path: store, timezone: "UTC" } as const;
    return listPoints(
      kind,
      siteIn(base),
      { site: "chatbot", signers },
      { now: new Date("2026-03-02T00:00:00Z") },
    );
  }
  const verdicts = (points: RestorePoint[]) => points.map(({ id, state, reason }) => [id, state, reason]);
  const id = "daily/20260301T020000Z";

  test("holds what the packer made as a complete point of the site", async () => {
    const [point, ...others] = await listed([signer]);
    expect(others).toEqual([]);
    expect(point).toMatchObject({ id, format: "folder", kind: "full", state: "complete", notes: [] });
    expect(point?.members.map(({ path, folder }) => [path, folder])).toEqual([
      ["database-admin.db.zst.age", undefined],
      ["uploads-1.tar.zst.age", "data/uploads"],
      ["data-1.tar.zst.age", "data"],
      ["config.tar.zst.age", undefined],
      ["application.bundle.zst.age", undefined],
      ["inventory.tar.zst.age", undefined],
    ]);
  });

  test("refuses a point that another key signed, that nobody signed, or that was changed since", async () => {
    const edit = (point: string) => {
      const file = join(point, "MANIFEST.json");
      writeFileSync(file, readFileSync(file, "utf8").replace('"tier": "daily"', '"tier":  "daily"'));
    };
    const unsign = (point: string) => {
      rmSync(join(point, "MANIFEST.json.sig"));
    };
    expect(verdicts(await listed([newKey("stranger")]))).toEqual([
      [id, "damaged", "its signature is of a key that site.yaml does not name (restorePoints.signers)"],
    ]);
    expect(verdicts(await listed([signer], unsign))).toEqual([
      [id, "damaged", "nobody signed it, and site.yaml names who must (restorePoints.signers)"],
    ]);
    expect(verdicts(await listed([signer], edit))).toEqual([
      [
        id,
        "damaged",
        "its manifest is not the one that was signed: it was changed since, or its signature is damaged",
      ],
    ]);
    expect((await listed([], unsign))[0]?.notes).toEqual([
      "nobody vouches for it: site.yaml names no signers",
    ]);
  });

  test("refuses a point that says it is of 2099, though the right key signed it", async () => {
    const forge = (point: string) => {
      const file = join(point, "MANIFEST.json");
      const text = readFileSync(file, "utf8").replaceAll(/(?<=edAt": ")2026-03-01T02/g, "2099-01-01T02");
      writeFileSync(file, text);
      rmSync(`${file}.sig`);
      execFileSync("ssh-keygen", [
        "-q",
        "-Y",
        "sign",
        "-f",
        join(base, "host"),
        "-n",
        "recovery-stack",
        file,
      ]);
      renameSync(point, join(point, "../20990101T020000Z"));
    };
    expect(verdicts(await listed([signer], forge))).toEqual([
      [
        "daily/20990101T020000Z",
        "damaged",
        "it says that it is of 2099-01-01T02:00:00Z, which is yet to come",
      ],
    ]);
  });

  test("refuses what is cut short, and tells what is no point", async () => {
    const points = await listed([signer], (point) => {
      const config = join(point, "config.tar.zst.age");
      const bytes = readFileSync(config);
      writeFileSync(config, bytes.subarray(0, -1));
      writeFileSync(join(point, "../notes.txt"), "");
      cpSync(point, join(point, "../../weekly/latest"), { recursive: true });
    });
    expect(verdicts(points).sort()).toEqual([
      [
        id,
        "damaged",
        expect.stringMatching(/^config\.tar\.zst\.age has \d+ bytes, and its manifest says \d+$/),
      ],
      ["daily/notes.txt", "foreign", "a file"],
      ["weekly/latest", "foreign", "not a name that a restore point's folder has"],
    ]);
  });
});
