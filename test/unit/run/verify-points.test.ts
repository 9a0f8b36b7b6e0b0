import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { RestorePoint } from "../../../backups/restore-point.ts";
import type { RunRecord } from "../../../evidence/record.ts";
import { verdictSigner } from "../../../run/sign-verdict.ts";
import { siteStatus } from "../../../run/status.ts";
import { refuseOnProtectedHost } from "../../../run/protected-host.ts";
import { verifyPoints } from "../../../run/verify-points.ts";
import { loadSite } from "../../../site/load.ts";
import { exitCodes, OperatorError } from "../../../site/operator-error.ts";
import { sitePoints } from "../../../stacks/prepare.ts";
import { siteFolder, type SiteFolder } from "../stacks/site-folder.ts";
import { makeKeys, packSealed, type Keys } from "./sealed-points.ts";

const quiet = new AbortController().signal;

let keys: Keys;
let folder: SiteFolder;
let said: string[];
const say = (line: string) => void said.push(line);

beforeAll(async () => {
  keys = await makeKeys();
}, 60_000);
afterAll(() => {
  keys.remove();
});

/** Fresh for each test: a site whose backups are encrypted, and that knows one verifier. */
function siteWith({ signs = "verifier", opens = "identity" } = {}): void {
  folder = siteFolder({
    secrets: [
      { name: "MONITORING", from: "command:echo x" },
      { name: "IDENTITY", from: `file:${keys.file(opens)}` },
      { name: "VERIFIER", from: `file:${keys.file(signs)}` },
    ],
    restorePoints: { recipients: [keys.publicKey("identity")], identity: "IDENTITY" },
    verification: { signers: [keys.publicKey("verifier")], key: "VERIFIER" },
  });
}

beforeEach(() => {
  said = [];
  siteWith();
  return () => {
    folder.remove();
  };
});

const packed = ({ startedAt, sealed = true }: { startedAt?: string; sealed?: boolean } = {}) =>
  packSealed(folder.directory, {
    ...(startedAt === undefined ? {} : { startedAt }),
    recipients: sealed ? [keys.publicKey("identity")] : [],
  });
const verify = async (options: { sign?: boolean; only?: (point: RestorePoint) => boolean } = {}) =>
  verifyPoints(await loadSite(folder.file), {
    wanted: (points) => points.filter(options.only ?? (() => true)),
    sign: options.sign ?? false,
    say,
    signal: quiet,
  });
const states = async () =>
  (await sitePoints(await loadSite(folder.file), say)).map(({ id, state, reason }) => [id, state, reason]);

describe("a point of our own format", { timeout: 60_000 }, () => {
  test("is decrypted, unpacked and hashed, and once that is signed it is readable for everybody", async () => {
    const { id } = packed();
    const [unsigned] = await verify();
    expect(unsigned).toMatchObject({ point: { id, state: "readable" }, failed: false, verdict: null });
    expect(await states()).toEqual([[id, "complete", null]]);

    const [signed] = await verify({ sign: true });
    expect(signed?.verdict).toMatch(
      new RegExp(`^${folder.directory}/verdicts/disk/${id}/readable-\\d{8}T\\d{6}\\.\\d{3}Z\\.json$`),
    );
    expect(await states()).toEqual([[id, "readable", null]]);
    expect(said).toEqual([]);
  });

  test("in which a bit has flipped is damaged, and so it stays although the bit flips back, until a verifier has read it again", async () => {
    const { id, path } = packed();
    const member = join(path, "uploads-1.tar.zst.age");
    const good = readFileSync(member);
    const bad = Buffer.from(good);
    bad[bad.length - 20] = (bad[bad.length - 20] ?? 0) ^ 1;
    writeFileSync(member, bad);
    expect(await states()).toEqual([[id, "complete", null]]);
    const reason = expect.stringContaining("uploads-1.tar.zst.age is not what its manifest says") as string;
    expect(await verify({ sign: true })).toMatchObject([
      { point: { state: "damaged", reason }, failed: true },
    ]);
    writeFileSync(member, good);
    expect(await states()).toEqual([
      [id, "damaged", expect.stringMatching(/^it could not be read on 20.*is not what its manifest says/)],
    ]);
    expect(await verify({ sign: true })).toMatchObject([{ point: { state: "readable" }, failed: false }]);
    expect(await states()).toEqual([[id, "readable", null]]);
  });

  test("that holds something else than was backed up is damaged, though all its stored bytes are as the manifest says", async () => {
    const { path } = packed();
    const member = "uploads-1.tar.zst.age";
    const forged = execFileSync(
      "bash",
      ["-c", `head -c 10240 /dev/zero | zstd -q -c | age -r "$0"`, keys.publicKey("identity")],
      { maxBuffer: 1024 ** 2 },
    );
    writeFileSync(join(path, member), forged);
    const manifest = JSON.parse(readFileSync(join(path, "MANIFEST.json"), "utf8")) as {
      members: { name: string; bytes: number; unpackedBytes: number; sha256: string }[];
    };
    const sha256 = execFileSync("sha256sum", [join(path, member)], { encoding: "utf8" }).slice(0, 64);
    manifest.members = manifest.members.map((one) =>
      one.name === member ? { ...one, bytes: forged.length, sha256 } : one,
    );
    writeFileSync(join(path, "MANIFEST.json"), JSON.stringify(manifest));
    expect(await verify()).toMatchObject([
      {
        point: {
          state: "damaged",
          reason: expect.stringContaining("holds other bytes than were backed up") as string,
        },
        failed: true,
      },
    ]);
    // A bomb ends where the manifest says that it should.
    manifest.members = manifest.members.map((one) =>
      one.name === member ? { ...one, unpackedBytes: 512 } : one,
    );
    writeFileSync(join(path, "MANIFEST.json"), JSON.stringify(manifest));
    expect((await verify())[0]?.point.reason).toContain("it holds more than the 512 bytes");
  });

  test("that the key does not open is not damaged, and not verified either", async () => {
    siteWith({ opens: "other" });
    const { id } = packed();
    expect(await verify({ sign: true })).toMatchObject([
      {
        point: { id, state: "complete", reason: expect.stringContaining("not opened") as string },
        failed: true,
        verdict: null,
      },
    ]);
  });

  test("that is taken away while it is verified gets no verdict: nobody has seen that it is bad", async () => {
    const { id, path } = packed();
    const taken = () => {
      renameSync(path, `${path}.away`);
      return true;
    };
    expect(await verify({ sign: true, only: taken })).toMatchObject([
      { point: { id, reason: "while it was verified, it was taken away" }, failed: true, verdict: null },
    ]);
    renameSync(`${path}.away`, path);
    expect(await states()).toEqual([[id, "complete", null]]);
  });

  test("whose inventory knows a member that its manifest does not name is damaged: something was taken out of it", async () => {
    const { path } = packed();
    const manifest = JSON.parse(readFileSync(join(path, "MANIFEST.json"), "utf8")) as {
      members: { name: string }[];
    };
    manifest.members = manifest.members.filter(({ name }) => !name.startsWith("uploads-1"));
    writeFileSync(join(path, "MANIFEST.json"), JSON.stringify(manifest));
    expect(await verify()).toMatchObject([
      {
        point: {
          state: "damaged",
          reason: "its inventory knows uploads-1.tar, which its manifest does not name",
        },
        failed: true,
      },
    ]);
  });

  test("that is not encrypted wants no key", async () => {
    siteWith({ opens: "nothing-there" });
    packed({ sealed: false });
    expect(await verify()).toMatchObject([{ point: { state: "readable" }, failed: false }]);
  });

  test("leaves neither its content nor the key in a file", async () => {
    packed();
    const temporary = mkdtempSync(join(tmpdir(), "verify-"));
    vi.stubEnv("TMPDIR", temporary);
    try {
      await verify({ sign: true });
    } finally {
      vi.unstubAllEnvs();
    }
    expect(readdirSync(temporary)).toEqual([]);
    rmSync(temporary, { recursive: true });
    // Others write there too: none of it is this key.
    const own = readFileSync(keys.file("verifier"), "utf8").split("\n")[2] ?? "none";
    expect(own).toMatch(/^[A-Za-z0-9+/]{70}$/);
    expect(spawnSync("grep", ["-rlF", own, "/dev/shm"], { encoding: "utf8" }).stdout).toBe("");
  });
});

describe("an archive of the runbook's scripts", { timeout: 60_000 }, () => {
  test("is readable when each compressed file in it is, and damaged when one is not, though the archive is sound", async () => {
    const broken = gzipSync("rows ".repeat(10_000));
    broken[broken.length - 6] = (broken[broken.length - 6] ?? 0) ^ 1;
    folder.backUp({ named: "20260301_020000" });
    folder.backUp({ named: "20260302_020000", files: { "database/club.db.gz": broken } });
    expect((await states()).map(([, state]) => state)).toEqual(["complete", "complete"]);
    expect((await verify({ sign: true })).map(({ point }) => [point.state, point.reason])).toEqual([
      ["damaged", expect.stringMatching(/^database\/club.db.gz is damaged: broken: /)],
      ["readable", null],
    ]);
    expect((await states()).map(([, state]) => state)).toEqual(["damaged", "readable"]);
  });
});

describe("a verdict", { timeout: 60_000 }, () => {
  const file = (verdict: string | null | undefined) => verdict ?? "none";

  test("that was changed, or that a stranger signed, counts as none, and that is said", async () => {
    const { id } = packed();
    const verdict = file((await verify({ sign: true }))[0]?.verdict);
    const text = readFileSync(verdict, "utf8");
    writeFileSync(verdict, text.replace("readable", "proven"));
    expect(await states()).toEqual([[id, "complete", null]]);
    expect(said).toEqual([`${verdict} does not count: none of verification.signers signed it`]);
    said = [];
    writeFileSync(verdict, text);
    rmSync(`${verdict}.sig`);
    execFileSync(
      "ssh-keygen",
      ["-Y", "sign", "-f", keys.file("stranger"), "-n", "recovery-stack-verdict", verdict],
      {
        stdio: "ignore",
      },
    );
    expect(await states()).toEqual([[id, "complete", null]]);
    expect(said).toHaveLength(1);
  });

  test("on a point does not count for another that has taken its name", async () => {
    const { id, path } = packed();
    await verify({ sign: true });
    const startedAt = id.replace(/^daily\/(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z");
    rmSync(path, { recursive: true });
    writeFileSync(join(folder.directory, "living", ".env"), "TOKEN=y\n");
    expect(packed({ startedAt }).id).toBe(id);
    expect(await states()).toEqual([[id, "complete", null]]);
  });

  test("of a drill is told by the status when its point is no longer kept", async () => {
    const { path } = packed();
    const loaded = await loadSite(folder.file);
    const [point] = await sitePoints(loaded, say);
    if (point === undefined) throw new Error("no point");
    const signer = await verdictSigner(loaded);
    const record = { outcome: "recovered", error: null } as unknown as RunRecord;
    await signer.drilled(point, record);
    rmSync(path, { recursive: true });
    packed();
    const told = async () =>
      (await siteStatus(loaded, { say, signal: quiet })).overdue.filter((line) => /proven|failed/.test(line));
    expect(await told()).toEqual([]);
    await signer.drilled(point, { ...record, outcome: "failed" });
    expect(await told()).toEqual([expect.stringMatching(/^a drill failed on .*, and none has passed since/)]);
  });

  test.each([
    ["stranger", exitCodes.usage, "verification.signers in site.yaml does not name"],
    ["locked", exitCodes.missingHere, "signs no verdict"],
  ])("is not signed with the key %s, which nobody would take", async (signs, exitCode, message) => {
    siteWith({ signs });
    // Said before anything is read: here there is nothing.
    const refused = await verify({ sign: true }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(OperatorError);
    expect(refused).toMatchObject({ exitCode, message: expect.stringContaining(message) as string });
    expect((refused as OperatorError).message).not.toContain("recovery-signature-");
  });
});

test("nothing is verified on a server that makes the backups: its word counts for nothing, and the key would lie there", async () => {
  await expect(refuseOnProtectedHost(folder.file)).rejects.toMatchObject({ exitCode: exitCodes.refused });
  await expect(refuseOnProtectedHost(join(folder.directory, "none"))).resolves.toBeUndefined();
  await expect(refuseOnProtectedHost(join(folder.file, "none"))).resolves.toBeUndefined();
});

test("nor by somebody who may not see whether it makes them", async () => {
  const closed = join(folder.directory, "closed");
  mkdirSync(closed, { mode: 0 });
  // Root sees everything. The system asks for the rights of the effective user.
  const root = process.geteuid?.() === 0;
  if (root) process.seteuid?.("nobody");
  try {
    await expect(refuseOnProtectedHost(join(closed, "settings.json"))).rejects.toMatchObject({
      exitCode: exitCodes.refused,
      why: expect.stringContaining("cannot be looked at (EACCES)") as string,
    });
  } finally {
    if (root) process.seteuid?.(0);
    chmodSync(closed, 0o700);
  }
});
