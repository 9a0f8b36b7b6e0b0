import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { pinOf, type Pin } from "../../../backups/restore-point.ts";
import { planCompleteFailure } from "../../../runbook/complete-failure.ts";
import { loadSite } from "../../../site/load.ts";
import { OperatorError } from "../../../site/operator-error.ts";
import { prepareRecovery, recoverablePoints, sitePoints } from "../../../stacks/prepare.ts";
import type { RecoverySettings } from "../../../stacks/settings.ts";
import { manifestText, packArchive } from "../backups/archives.ts";
import { written, writtenPostgresql } from "../runbook/small-site.ts";
import { commit, siteFolder, type SiteFolder } from "./site-folder.ts";

let cache: string;
let folder: SiteFolder;
const silent = () => undefined;
const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS root@host";

beforeAll(() => {
  cache = mkdtempSync(join(tmpdir(), "prepare-cache-"));
  vi.stubEnv("XDG_CACHE_HOME", cache);
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(cache, { recursive: true, force: true });
});
afterEach(() => {
  folder.remove();
});

function settings(changes: Partial<RecoverySettings> = {}): RecoverySettings {
  return {
    siteFile: folder.file,
    host: { address: "192.0.2.10", port: 22, user: "root", hostKey },
    attempt: 1,
    run: { id: "run", who: "anna@office", why: "a test" },
    ...changes,
  };
}

async function refusal(pin?: Pin): Promise<OperatorError> {
  const error = await prepareRecovery(settings(pin ? { pin } : {}), { isolated: false, say: silent }).catch(
    (caught: unknown) => caught,
  );
  if (!(error instanceof OperatorError)) throw new Error("it was not refused", { cause: error });
  return error;
}

async function pinOfNewest(): Promise<Pin> {
  const [point] = await sitePoints(await loadSite(folder.file), silent);
  const pin = point && pinOf(point);
  if (!pin) throw new Error("there is no point to pin");
  return pin;
}

const sha256 = (bytes: Buffer | string) => createHash("sha256").update(bytes).digest("hex");

test("with nothing pinned it refuses, names what could be restored, and prints the command that pins the newest", async () => {
  folder = siteFolder();
  folder.backUp({ named: "20260301_020000" });
  const newest = folder.backUp({ named: "20260302_020000" });
  folder.backUp({ named: "20260303_020000", status: "PARTIAL" });
  writeFileSync(join(folder.directory, "backups", "full_backup_20260304_020000.tar.gz"), "torn");
  const { exitCode, what, why, next } = await refusal();
  const manifest = manifestText("20260302_020000", "2026-03-02T02:00:00Z");
  expect({ exitCode, what, why, next }).toEqual({
    exitCode: 4,
    what: "no restore point is pinned",
    why:
      "these could be restored: full_backup_20260302_020000 (data of 2026-03-02T02:00:00.000Z), " +
      "full_backup_20260301_020000 (data of 2026-03-01T02:00:00.000Z)",
    next: `pin one, for example the newest: pulumi config set point full_backup_20260302_020000@${sha256(manifest)}@${sha256(readFileSync(newest))}`,
  });
});

test("with nothing pinned and nothing that could be, it says where to look", async () => {
  folder = siteFolder();
  folder.backUp({ named: "20260303_020000", status: "PARTIAL" });
  expect(await refusal()).toMatchObject({
    exitCode: 4,
    why: "the site's stores hold none that could be restored",
    next: "see why: npx recovery points list",
  });
});

test("not more than five candidates are named", async () => {
  folder = siteFolder();
  for (const day of [1, 2, 3, 4, 5, 6]) folder.backUp({ named: `2026030${day}_020000` });
  expect((await refusal()).why.match(/full_backup_\d+/g)).toEqual(
    [6, 5, 4, 3, 2].map((day) => `full_backup_2026030${day}`),
  );
});

test("the pinned point is planned as it lies in its store, also when there is a newer one", async () => {
  folder = siteFolder();
  const archive = folder.backUp({ named: "20260301_020000" });
  const pin = await pinOfNewest();
  folder.backUp({ named: "20260302_020000" });
  const prepared = await prepareRecovery(settings({ pin, attempt: 3, over: "2026-03-01T08:00:00.000Z" }), {
    isolated: false,
    say: silent,
  });

  const bytes = readFileSync(archive);
  const manifest = manifestText("20260301_020000", "2026-03-01T02:00:00Z");
  // What lies in the archive, once more without the compression of each member.
  const unpackedMembers =
    150_000 +
    ["uploads", "ADMIN_TOKEN=x\n", "the club's rows", "the club's data", "<?php\n", manifest].join("").length;
  expect(prepared.point.id).toBe("full_backup_20260301_020000");
  expect(prepared.relayedFolders).toEqual({ point: [{ name: "point.tar.gz", path: archive }] });
  expect(prepared.steps).toEqual(
    planCompleteFailure({
      site: prepared.loaded.site,
      point: {
        id: "full_backup_20260301_020000",
        manifestSha256: sha256(manifest),
        archive: { name: "point.tar.gz", bytes: bytes.length, sha256: sha256(bytes) },
        unpackedBytes: gunzipSync(bytes).length + unpackedMembers,
      },
      application: { commit },
      hostKeyFingerprint: `SHA256:${createHash("sha256")
        .update(Buffer.from(hostKey.split(" ")[1] ?? "", "base64"))
        .digest("base64")
        .replace("=", "")}`,
      attempt: 3,
      over: "2026-03-01T08:00:00.000Z",
      isolated: false,
    }),
  );
});

test("a server that comes back makes its own backups again, but for a drill's, and the last step comes after that", async () => {
  folder = siteFolder({
    backups: {},
    restorePoints: { recipients: [`age1${"q".repeat(58)}`], identity: "KEY" },
    alerts: { webhook: "HOOK" },
    secrets: ["MONITORING", "KEY", "HOOK"].map((name) => ({ name, from: `command:echo value-of-${name}` })),
  });
  folder.backUp({ named: "20260301_020000" });
  const pin = await pinOfNewest();
  const prepare = (isolated: boolean) => prepareRecovery(settings({ pin }), { isolated, say: silent });
  const prepared = async (isolated: boolean) => (await prepare(isolated)).steps;
  const steps = await prepared(false);
  // Whom it tells of them is told by the new server too, and nobody is by a drill's.
  expect(await (await prepare(false)).secrets()).toMatchObject({ HOOK: "value-of-HOOK" });
  expect(await (await prepare(true)).secrets()).not.toHaveProperty("HOOK");
  const [protection] = steps.filter(({ id }) => id === "backup-schedule");
  expect(protection).toMatchObject({ after: ["tls", "install-guards"], inputs: { newServer: true } });
  expect(steps.at(-1)).toMatchObject({ id: "finish", after: ["tls", "install-guards", "backup-schedule"] });
  expect((await prepared(true)).map(({ id }) => id)).not.toContain("backup-schedule");
});

test("a secret that only the backups of the new server want, and that cannot be read, keeps no site from coming back", async () => {
  folder = siteFolder({
    backups: {},
    restorePoints: { recipients: [`age1${"q".repeat(58)}`], identity: "KEY" },
    alerts: { webhook: "HOOK" },
    secrets: [
      { name: "MONITORING", from: "command:echo one" },
      { name: "KEY", from: "command:echo two" },
      { name: "HOOK", from: "command:exit 7" },
    ],
  });
  folder.backUp({ named: "20260301_020000" });
  const said: string[] = [];
  const say = (line: string) => said.push(line);
  const prepared = await prepareRecovery(settings({ pin: await pinOfNewest() }), { isolated: false, say });
  expect(await prepared.secrets()).not.toHaveProperty("HOOK");
  expect(said).toContainEqual(
    expect.stringMatching(/^the secret HOOK cannot be read: .* until: npx recovery protect$/),
  );
});

test("a store that cannot be read keeps no site from coming back from another, and is told; without another it does", async () => {
  const gone = { kind: "directory", name: "gone", path: "unmounted" };
  folder = siteFolder({ stores: [...written.stores, gone] });
  folder.backUp({ named: "20260301_020000" });
  const loaded = await loadSite(folder.file);
  const said: string[] = [];
  const { points, unread } = await recoverablePoints(loaded, (line) => said.push(line));
  expect(points.map(({ id }) => id)).toEqual(["full_backup_20260301_020000"]);
  expect(unread).toEqual([
    expect.stringMatching(/^the store gone cannot be read: .*ENOENT.*\. What it holds is not looked at$/),
  ]);
  expect(said).toEqual(unread);
  await expect(sitePoints(loaded, silent)).rejects.toMatchObject({ exitCode: 3 });

  const [point] = points;
  const pin = point && pinOf(point);
  if (!pin) throw new Error("there is no point to pin");
  const prepared = await prepareRecovery(settings({ pin }), { isolated: true, say: silent });
  expect(prepared.point.id).toBe(pin.id);
  expect(
    (await refusal({ ...pin, id: "full_backup_20260302_020000", archiveSha256: "f".repeat(64) })).why,
  ).toMatch(/^no store holds it any more; the store gone cannot be read/);

  rmSync(join(folder.directory, "backups"), { recursive: true });
  await expect(recoverablePoints(loaded, silent)).rejects.toMatchObject({ exitCode: 3 });
});

test("the same settings are prepared to the same steps, byte for byte", async () => {
  folder = siteFolder();
  folder.backUp({ named: "20260301_020000" });
  const pin = await pinOfNewest();
  const prepare = async () =>
    JSON.stringify((await prepareRecovery(settings({ pin }), { isolated: true, say: silent })).steps);
  expect(await prepare()).toBe(await prepare());
});

test("an application that comes as a bundle is relayed too, at the commit of its tag", async () => {
  folder = siteFolder({
    application: { ...written.application, git: undefined, bundle: "club.bundle", revision: "v1" },
  });
  const work = join(folder.directory, "work");
  mkdirSync(work);
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@b.example", ...args], { cwd: work })
      .toString()
      .trim();
  git("init", "--quiet");
  git("commit", "--quiet", "--allow-empty", "--message", "first");
  // Annotated: an object of its own, which is not the commit.
  git("tag", "--annotate", "v1", "--message", "first");
  const bundle = join(folder.directory, "club.bundle");
  git("bundle", "create", "--quiet", bundle, "--all");
  const archive = folder.backUp({ named: "20260301_020000" });
  const pin = await pinOfNewest();

  const { steps, relayedFolders } = await prepareRecovery(settings({ pin }), { isolated: true, say: silent });
  expect(relayedFolders).toEqual({
    point: [{ name: "point.tar.gz", path: archive }],
    application: [{ name: "application.bundle", path: bundle }],
  });
  const inputs = Object.fromEntries(steps.map((step) => [step.id, step.inputs]));
  expect(inputs["fetch-application"]).toEqual({
    from: "application",
    files: [
      { name: "application.bundle", bytes: statSync(bundle).size, sha256: sha256(readFileSync(bundle)) },
    ],
  });
  expect(inputs["application"]).toMatchObject({
    revision: git("rev-parse", "HEAD"),
    source: sha256(readFileSync(bundle)),
  });
});

test("an application whose source is gone cannot be prepared, a database alone can", async () => {
  folder = siteFolder({
    application: { ...written.application, git: "https://127.0.0.1:1/club.git", revision: "v1" },
  });
  folder.backUp({ named: "20260301_020000" });
  const pin = await pinOfNewest();
  expect(await refusal(pin)).toMatchObject({
    exitCode: 1,
    what: "the application's source https://127.0.0.1:1/club.git cannot be read",
  });
  const { steps } = await prepareRecovery(settings({ pin, only: "database" }), {
    isolated: false,
    say: silent,
  });
  expect(steps.map(({ id }) => id)).toContain("stage-databases");
  expect(steps.map(({ id }) => id)).not.toContain("application");
});

test("a drill's egress is closed, a real host's is not", async () => {
  folder = siteFolder();
  folder.backUp({ named: "20260301_020000" });
  const pin = await pinOfNewest();
  const idsOf = async (isolated: boolean) =>
    (await prepareRecovery(settings({ pin }), { isolated, say: silent })).steps.map(({ id }) => id);
  expect(await idsOf(true)).toContain("close-egress");
  expect(await idsOf(false)).not.toContain("close-egress");
});

test("an archive that was exchanged since it was pinned is refused, though its manifest is the same", async () => {
  folder = siteFolder();
  folder.backUp({ named: "20260301_020000" });
  const pin = await pinOfNewest();
  const other = folder.backUp({
    named: "20260301_020000",
    files: { "config/.env": "ADMIN_TOKEN=planted\n" },
  });
  expect(await refusal(pin)).toMatchObject({
    exitCode: 4,
    what: "the pinned restore point full_backup_20260301_020000 cannot be used",
    why: `its bytes are others than when it was pinned (sha256 ${pin.archiveSha256?.slice(0, 12)}…, now ${sha256(readFileSync(other)).slice(0, 12)}…)`,
  });
});

test("an archive is restored as it is, without databases of another point", async () => {
  folder = siteFolder();
  folder.backUp({ named: "20260301_020000" });
  const pin = await pinOfNewest();
  folder.backUp({ named: "20260302_020000" });
  const databases = await pinOfNewest();
  await expect(
    prepareRecovery(settings({ pin, databases }), { isolated: false, say: silent }),
  ).rejects.toMatchObject({
    exitCode: 4,
    what: "the databases are not restored from full_backup_20260302_020000",
    why: "an archive of the runbook's scripts is restored as it is",
  });
});

test("a pinned archive that is gone is refused, never replaced by another", async () => {
  folder = siteFolder();
  const archive = folder.backUp({ named: "20260301_020000" });
  const pin = await pinOfNewest();
  folder.backUp({ named: "20260302_020000" });
  unlinkSync(archive);
  expect(await refusal(pin)).toMatchObject({ exitCode: 4, why: "no store holds it any more" });
});

test("the points of all stores stand in one list, newest data first, and a point is taken from its own store", async () => {
  folder = siteFolder({
    stores: [
      { kind: "directory", name: "disk", path: "backups" },
      { kind: "directory", name: "second", path: "second" },
    ],
  });
  const second = join(folder.directory, "second");
  mkdirSync(second);
  folder.backUp({ named: "20260301_020000" });
  const archive = folder.backUp({ named: "20260302_020000" }, "second");
  folder.backUp({ named: "20260303_020000" });
  writeFileSync(join(second, "notes.txt"), "not a backup");
  const points = await sitePoints(await loadSite(folder.file), silent);
  expect(points.map(({ id, store }) => `${store}: ${id}`)).toEqual([
    "disk: full_backup_20260303_020000",
    "second: full_backup_20260302_020000",
    "disk: full_backup_20260301_020000",
    "second: notes.txt",
  ]);
  const pin = points[1] && pinOf(points[1]);
  if (!pin) throw new Error("the second store's point cannot be pinned");
  const { relayedFolders } = await prepareRecovery(settings({ pin }), { isolated: false, say: silent });
  expect(relayedFolders).toEqual({ point: [{ name: "point.tar.gz", path: archive }] });
});

test("a point that lacks members of the site is refused with their names", async () => {
  folder = siteFolder();
  packArchive(join(folder.directory, "backups"), { named: "20260301_020000" });
  expect(await refusal(await pinOfNewest())).toMatchObject({
    exitCode: 4,
    what: "the restore point full_backup_20260301_020000 does not hold all of the site",
    why: "it lacks database/club.db.gz (database club), data/app_data.tar.gz (data data), config/config.php (configuration config.php)",
  });
});

test("a dump of a newer PostgreSQL than the replacement server has is refused before a host is touched", async () => {
  const { databases } = writtenPostgresql;
  folder = siteFolder({
    databases,
    configuration: { ...written.configuration, requiredVariables: ["TOKEN", "DB_PASSWORD"] },
  });
  const dump = gzipSync("-- Dumped from database version 17.2\n-- Dumped by pg_dump version 17.2\n");
  folder.backUp({ named: "20260301_020000", files: { "database/admin_postgres.sql.gz": dump } });
  const error = await refusal(await pinOfNewest());
  expect(error).toMatchObject({
    exitCode: 4,
    what: "the restore point full_backup_20260301_020000 is of a newer PostgreSQL than the replacement server has",
    why: "database/admin_postgres.sql.gz was made with PostgreSQL 17, and Debian 12 has 15",
  });
});

test("a host key that is none is refused before anything is planned", async () => {
  folder = siteFolder();
  folder.backUp({ named: "20260301_020000" });
  const pin = await pinOfNewest();
  const host = { address: "192.0.2.10", port: 22, user: "root", hostKey: "SHA256:abc" };
  await expect(
    prepareRecovery(settings({ pin, host }), { isolated: false, say: silent }),
  ).rejects.toMatchObject({ exitCode: 2 });
});
