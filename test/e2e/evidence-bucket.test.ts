import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { RestorePoint } from "../../backups/restore-point.ts";
import type { Verdict } from "../../backups/verdict.ts";
import { readVerdicts, writeVerdict } from "../../backups/verdict-folder.ts";
import { shareRecords, sharedRuns } from "../../run/shared-records.ts";
import { loadSite } from "../../site/load.ts";
import { exitCodes } from "../../site/operator-error.ts";
import { written } from "../unit/runbook/small-site.ts";
import { siteFolder } from "../unit/stacks/site-folder.ts";
import { type ObjectServers, startObjectServers } from "./object-servers.ts";

let directory: string;
let servers: ObjectServers;
let key: string;
let publicKey: string;
const folders: ReturnType<typeof siteFolder>[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "evidence-"));
  servers = await startObjectServers(directory);
  vi.stubEnv("SSL_CERT_FILE", servers.authorities);
  await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", join(directory, "verifier")]);
  key = await readFile(join(directory, "verifier"), "utf8");
  publicKey = (await readFile(join(directory, "verifier.pub"), "utf8")).trim();
});

afterAll(async () => {
  await servers.close();
  for (const folder of folders) folder.remove();
  await rm(directory, { recursive: true });
  vi.unstubAllEnvs();
});

/** A computer of somebody who verifies or recovers: a site.yaml, and a state, of its own. */
async function computer(name: string, secretAccessKey = servers.s3.administrator.secretAccessKey) {
  const secret = join(directory, `${name}-secret`);
  await writeFile(secret, secretAccessKey, { mode: 0o600 });
  const folder = siteFolder({
    secrets: [...written.secrets, { name: "OPERATOR", from: `file:${secret}` }],
    verification: { signers: [publicKey] },
    evidence: {
      bucket: "kept",
      path: "evidence/club",
      endpoint: `https://127.0.0.1:${servers.s3.port}`,
      operator: { accessKeyId: servers.s3.administrator.accessKeyId, secretAccessKey: "OPERATOR" },
    },
  });
  folders.push(folder);
  const loaded = await loadSite(folder.file);
  const said: string[] = [];
  const at = <Result>(act: () => Promise<Result>) => {
    vi.stubEnv("XDG_STATE_HOME", join(directory, name));
    return act();
  };
  const say = (line: string) => void said.push(line);
  const runs = join(directory, name, "recovery-stack", "club", "runs");
  return { folder, loaded, said, at, say, runs };
}

const point = {
  ...{ format: "folder", id: "daily/20260301T020000Z", store: "disk", file: "daily/20260301T020000Z" },
  ...{ kind: "full", state: "complete", manifestSha256: "a".repeat(64), sha256: null },
} as unknown as RestorePoint;

const verdict: Verdict = {
  version: 1,
  site: "club",
  store: "disk",
  pin: { id: point.id, manifestSha256: "a".repeat(64), archiveSha256: null },
  level: "readable",
  result: "passed",
  why: null,
  at: "2026-03-01T03:00:00.000Z",
  tool: "recovery-stack 0.1.0",
};

test("a verdict that one signs is found by all who share the bucket", async () => {
  const [verifier, operator] = [await computer("verifier"), await computer("operator")];
  expect(await readVerdicts(operator.loaded, [point], operator.say)).toEqual([]);
  expect(operator.said).toEqual([]);
  await writeVerdict(verifier.loaded, verdict, key);
  expect(await readVerdicts(operator.loaded, [point], operator.say)).toEqual([verdict]);
  expect(operator.said).toEqual([]);
});

test("what somebody else put there counts as none, and leads nowhere outside the folder", async () => {
  const operator = await computer("outside");
  await servers.s3.putAsWriter("club/not-there");
  const put = async (name: string) => {
    const { accessKeyId, secretAccessKey } = servers.s3.administrator;
    await execa("rclone", ["--config=", "rcat", `store:kept/evidence/club/verdicts/${name}`], {
      input: "{}",
      extendEnv: false,
      env: {
        PATH: process.env["PATH"],
        SSL_CERT_FILE: servers.authorities,
        RCLONE_CONFIG_STORE_TYPE: "s3",
        RCLONE_CONFIG_STORE_PROVIDER: "Other",
        RCLONE_CONFIG_STORE_ENDPOINT: `https://127.0.0.1:${servers.s3.port}`,
        RCLONE_CONFIG_STORE_ACCESS_KEY_ID: accessKeyId,
        RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY: secretAccessKey,
      },
    });
  };
  for (const name of [
    `disk/${point.id}/readable-20260301T040000.000Z.json`,
    `disk/${point.id}/other.json`,
    "../../../readable-20260301T040000.000Z.json",
  ])
    await put(name);
  expect(await readVerdicts(operator.loaded, [point], operator.say)).toEqual([verdict]);
  expect(operator.said).toEqual([
    expect.stringMatching(/readable-20260301T040000\.000Z\.json does not count: it is no verdict$/),
  ]);
  const found = await readdir(operator.folder.directory, { recursive: true });
  expect(found.filter((name) => /other\.json|^readable-/.test(name))).toEqual([]);
  expect((await readdir(directory)).filter((name) => name.startsWith("readable-"))).toEqual([]);
});

test("a bucket that cannot be read keeps nobody from recovering: it is said, and what is here counts", async () => {
  const alone = await computer("alone", "revoked");
  await expect(writeVerdict(alone.loaded, verdict, key)).rejects.toMatchObject({
    exitCode: exitCodes.missingHere,
    what: "the evidence bucket kept cannot be written",
    next: expect.stringContaining("the next that is sent brings along what is not there yet") as string,
  });
  expect(await readVerdicts(alone.loaded, [point], alone.say)).toEqual([verdict]);
  expect(alone.said).toEqual([
    expect.stringMatching(
      /^the evidence bucket kept cannot be read: .*SignatureDoesNotMatch.*\. What others put there is not looked at$/,
    ),
  ]);
});

test("a bucket that is not there is one that cannot be read", async () => {
  const { loaded, say, said } = await computer("nowhere");
  if (loaded.site.evidence) loaded.site.evidence.bucket = "nowhere";
  expect(await readVerdicts(loaded, [point], say)).toEqual([]);
  expect(said).toEqual([expect.stringMatching(/^the evidence bucket nowhere cannot be read: /)]);
  await expect(writeVerdict(loaded, verdict, key)).rejects.toThrow(
    "the evidence bucket nowhere cannot be written",
  );
});

test("what could not be sent goes with the next", async () => {
  const alone = await computer("mended");
  const earlier = { ...verdict, at: "2026-03-01T01:00:00.000Z" };
  const { accessKeyId } = servers.s3.administrator;
  const wrong = { operator: { accessKeyId, secretAccessKey: "MONITORING" } };
  const { evidence } = alone.loaded.site;
  if (!evidence) throw new Error("it has none");
  const cut = { ...alone.loaded, site: { ...alone.loaded.site, evidence: { ...evidence, ...wrong } } };
  await expect(writeVerdict(cut, earlier, key)).rejects.toThrow();
  await writeVerdict(alone.loaded, { ...verdict, at: "2026-03-01T05:00:00.000Z" }, key);
  const operator = await computer("later");
  const times = (await readVerdicts(operator.loaded, [point], () => undefined)).map(({ at }) => at);
  expect(times).toEqual([earlier.at, verdict.at, "2026-03-01T05:00:00.000Z"]);
});

test("the record of a run is found by all who share the bucket, and comes anew when it changed", async () => {
  const [one, other] = [await computer("one"), await computer("other")];
  const run = {
    kind: "rebuild",
    outcome: "failed",
    startedAt: "2026-03-01T08:00:00.000Z",
    recoveredAt: null,
  };
  const directoryOf = join(one.runs, "20260301T080000Z-rebuild");
  await mkdir(directoryOf, { recursive: true });
  await writeFile(join(directoryOf, "run.json"), JSON.stringify(run));
  await writeFile(join(directoryOf, "secret.log"), "not a record");
  await one.at(() => shareRecords(one.loaded, one.say));
  expect(await other.at(() => sharedRuns(other.loaded, other.say))).toEqual([run]);
  expect(await readdir(join(other.runs, "20260301T080000Z-rebuild"))).toEqual(["run.json"]);
  const recovered = { ...run, outcome: "recovered", recoveredAt: "2026-03-01T08:10:00.000Z" };
  await writeFile(join(directoryOf, "run.json"), JSON.stringify(recovered));
  await one.at(() => shareRecords(one.loaded, one.say));
  // Who had it before puts back nothing that is old, and has it anew.
  await other.at(() => shareRecords(other.loaded, other.say));
  const third = await computer("third");
  for (const each of [third, other])
    expect(await each.at(() => sharedRuns(each.loaded, each.say))).toEqual([recovered]);
  const revoked = await computer("revoked", "revoked");
  await mkdir(revoked.runs, { recursive: true });
  await revoked.at(() => shareRecords(revoked.loaded, revoked.say));
  expect([...one.said, ...other.said, ...third.said]).toEqual([]);
  expect(revoked.said).toEqual([
    expect.stringMatching(/cannot be written: .*\. The record of this run is on this computer alone$/),
  ]);
});
