import { createHash } from "node:crypto";
import { mkdtemp, readFile, readdir, rm, stat, utimes, mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { manifestText } from "../../../examples/archive.ts";
import { type PreparedSample, prepareSample } from "../../../examples/chatbot/prepare.ts";
import { siteSchema } from "../../../site/schema.ts";

const time = new Date("2026-03-29T01:30:05Z");
const name = "full_backup_20260329_013005";
const planted = { ADMIN_TOKEN: 'planted token with spaces # and "quotes"', EXTRA: "planted-extra" };

let folder: string;
let sample: PreparedSample;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sample-test-"));
  sample = await prepareSample({ directory: join(folder, "first"), time, environment: planted });
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe("the prepared sample", () => {
  it("is the same to the byte when the options are the same", async () => {
    const again = await prepareSample({ directory: join(folder, "again"), time, environment: planted });
    expect(again).toEqual({
      ...sample,
      site: join(folder, "again/site.yaml"),
      bundle: join(folder, "again/build/chatbot.bundle"),
      archive: join(folder, `again/build/backups/${name}.tar.gz`),
    });
    expect(await sha256(again.bundle)).toBe(await sha256(sample.bundle));
    expect(await sha256(again.archive)).toBe(await sha256(sample.archive));
  });

  it("keeps its commit, database and uploads when only the time is another", async () => {
    const later = await prepareSample({
      directory: join(folder, "later"),
      time: new Date("2026-03-30T00:00:00Z"),
    });
    expect(later.revision).toBe(sample.revision);
    expect(later.uploads).toEqual(sample.uploads);
    expect(await member(later, "database/admin.db.gz")).toEqual(await member(sample, "database/admin.db.gz"));
  });

  it("is packed as the runbook's scripts pack a backup", async () => {
    expect(await listing(await readFile(sample.archive))).toEqual([
      `${name}/`,
      `${name}/MANIFEST.txt`,
      `${name}/config/`,
      `${name}/config/.env`,
      `${name}/config/composer.json`,
      `${name}/config/config.php`,
      `${name}/data/`,
      `${name}/data/app_data.tar.gz`,
      `${name}/database/`,
      `${name}/database/admin.db.gz`,
      `${name}/files/`,
      `${name}/files/uploads.tar.gz`,
    ]);
    const uploads = ["uploads/", "uploads/2025/", "uploads/2025/01/"]
      .concat(sample.uploads.map(({ path }) => `uploads/${path}`))
      .sort();
    expect((await listing(await member(sample, "files/uploads.tar.gz"))).sort()).toEqual(uploads);
    expect((await listing(await member(sample, "data/app_data.tar.gz"))).sort()).toEqual(
      ["data/", "data/exports/", "data/worker.heartbeat", ...uploads.map((path) => `data/${path}`)].sort(),
    );
  });

  it("has a manifest that tells the size of its members", async () => {
    const members = ["database/admin.db.gz", "files/uploads.tar.gz", "data/app_data.tar.gz"].concat([
      "config/.env",
      "config/config.php",
      "config/composer.json",
    ]);
    const sizes = await Promise.all(members.map(async (path) => (await member(sample, path)).length));
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    expect((await member(sample, "MANIFEST.txt")).toString()).toBe(
      manifestText(
        time,
        "chatbot.example.test",
        [
          "Database: SQLite (admin.db.gz)",
          "Files: ./data/uploads (uploads.tar.gz)",
          "Configuration: 3 files",
          "Application Data: ./data (app_data.tar.gz)",
        ],
        bytes,
      ),
    );
  });

  it("holds a sound database with exactly the rows that it announces", async () => {
    const database = join(folder, "restored.db");
    const { stdout: bytes } = await execa("gzip", ["-dc"], {
      input: await member(sample, "database/admin.db.gz"),
      encoding: "buffer",
    });
    await writeFile(database, bytes);
    const ask = async (sql: string): Promise<string> => (await execa("sqlite3", [database, sql])).stdout;
    expect(await ask("PRAGMA integrity_check; PRAGMA foreign_key_check; PRAGMA journal_mode")).toBe(
      "ok\nwal",
    );
    const tables = await ask(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    );
    const counts: Record<string, number> = {};
    for (const table of tables.split("\n"))
      counts[table] = Number(await ask(`SELECT count(*) FROM ${table}`));
    expect(counts).toEqual(sample.rows);
    expect(sample.rows).toEqual({
      schema_migrations: 4,
      agents: 20,
      prompts: 40,
      conversations: 25,
      messages: 200,
      audit_events: 5,
      jobs: 25,
    });
    expect(
      await ask("SELECT count(*) FROM messages WHERE content LIKE 'DROP TABLE agents; -- is only text%'"),
    ).not.toBe("0");
  });

  it("announces the hashes of its uploads", async () => {
    const target = join(folder, "unpacked");
    await mkdir(target);
    await execa("tar", ["-xzf", "-", "-C", target], { input: await member(sample, "files/uploads.tar.gz") });
    expect(sample.uploads).toHaveLength(12);
    for (const upload of sample.uploads) {
      expect(await sha256(join(target, "uploads", upload.path)), upload.path).toBe(upload.sha256);
    }
  });

  it("takes as many and as large files, agents and messages as it is told, none too", async () => {
    const large = await prepareSample({
      directory: join(folder, "large"),
      agents: 3,
      messages: 1001,
      uploads: 2,
      uploadBytes: 1024 ** 2 + 3,
    });
    expect(large.rows).toMatchObject({ agents: 3, prompts: 6, conversations: 126, messages: 1001 });
    expect((await stat(large.archive)).size).toBeGreaterThan(2 * 2 * 1024 ** 2);
    const empty = await prepareSample({
      directory: join(folder, "empty"),
      agents: 0,
      messages: 0,
      uploads: 0,
    });
    expect(empty.rows).toMatchObject({ agents: 0, prompts: 0, conversations: 0, messages: 0 });
    expect(empty.uploads).toEqual([]);
  });

  it("has the planted secrets in the archive's .env and not in the bundle", async () => {
    const environment = (await member(sample, "config/.env")).toString();
    expect(environment).toContain('ADMIN_TOKEN="planted token with spaces # and \\"quotes\\""\n');
    expect(environment).toContain("EXTRA=planted-extra\n");
    expect(environment).toContain("OPENAI_API_KEY=sk-sample-not-a-real-key");
    const clone = join(folder, "searched");
    await execa("git", ["clone", "--quiet", sample.bundle, clone]);
    const { exitCode } = await execa("git", ["-C", clone, "grep", "--quiet", "planted"], { reject: false });
    expect(exitCode).toBe(1);
  });

  it("can be read by its owner only and leaves no work behind", async () => {
    expect((await readdir(join(folder, "first/build"))).sort()).toEqual(["backups", "chatbot.bundle"]);
    expect(await readdir(join(folder, "first/build/backups"))).toEqual([`${name}.tar.gz`]);
    const modes = ["build", "build/backups", "build/chatbot.bundle", `build/backups/${name}.tar.gz`].map(
      async (path) => ((await stat(join(folder, "first", path))).mode & 0o777).toString(8),
    );
    expect(await Promise.all(modes)).toEqual(["700", "700", "600", "600"]);
  });

  it("is under 1 MiB by default", async () => {
    expect((await stat(sample.archive)).size + (await stat(sample.bundle)).size).toBeLessThan(1024 ** 2);
  });

  it("keeps the newest three archives, the new one always, and files of others", async () => {
    const directory = join(folder, "many");
    const make = (hour: string): Promise<PreparedSample> =>
      prepareSample({ directory, time: new Date(`2026-01-01T${hour}:00:00Z`), uploads: 0, messages: 0 });
    await mkdir(join(directory, "build/backups"), { recursive: true });
    await writeFile(join(directory, "build/backups/full_backup_mine.tar.gz"), "");
    for (const hour of ["10", "11", "12", "13", "09"]) await make(hour);
    expect((await readdir(join(directory, "build/backups"))).sort()).toEqual([
      "full_backup_20260101_090000.tar.gz",
      "full_backup_20260101_120000.tar.gz",
      "full_backup_20260101_130000.tar.gz",
      "full_backup_mine.tar.gz",
    ]);
  });

  it("removes what a killed run left an hour ago, not what another run is making", async () => {
    const build = join(folder, "killed/build");
    await mkdir(join(build, ".work-old"), { recursive: true });
    await mkdir(join(build, ".work-new"));
    const anHourAgo = new Date(Date.now() - 3_601_000);
    await utimes(join(build, ".work-old"), anHourAgo, anHourAgo);
    await prepareSample({ directory: join(folder, "killed"), uploads: 0, messages: 0 });
    expect((await readdir(build)).sort()).toEqual([".work-new", "backups", "chatbot.bundle"]);
  });

  it("does not write over a site.yaml that was edited", async () => {
    const directory = join(folder, "edited");
    await mkdir(directory);
    await writeFile(join(directory, "site.yaml"), "mine");
    await prepareSample({ directory, uploads: 0, messages: 0 });
    expect(await readFile(join(directory, "site.yaml"), "utf8")).toBe("mine");
  });

  it("is told in one line, and to programs as JSON alone", async () => {
    const directory = join(folder, "told");
    const archive = join(directory, `build/backups/${name}.tar.gz`);
    const prepare = (...options: string[]) =>
      execa("node", [
        ...["--import", "tsx", "examples/chatbot/prepare.ts"],
        ...["--directory", directory, "--time", time.toISOString(), "--uploads", "0", ...options],
      ]);
    expect(await prepare()).toMatchObject({
      stdout: "",
      stderr: `made the sample's backup: ${relative(process.cwd(), archive)}`,
    });
    const { stdout, stderr } = await prepare("--json");
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toMatchObject({ archive, uploads: [] });
  });

  it("refuses numbers and times that make no sense", async () => {
    for (const wrong of [
      { agents: -1 },
      { uploadBytes: 0.5 },
      { messages: Number.NaN },
      { time: new Date("soon") },
    ]) {
      await expect(prepareSample({ directory: join(folder, "wrong"), ...wrong })).rejects.toMatchObject({
        exitCode: 2,
      });
    }
  });
});

describe("the sample on PostgreSQL", () => {
  it("has a dump as pg_dump makes it, the same each time, and a site that names it", async () => {
    const make = (directory: string) =>
      prepareSample({ database: "postgresql", directory: join(folder, directory), time });
    const [one, other] = [await make("postgresql"), await make("postgresql-again")];
    const path = "database/admin_postgres.sql.gz";
    expect(await sha256(one.archive)).toBe(await sha256(other.archive));
    const { stdout: dump } = await execa("gzip", ["-dc"], { input: await member(one, path) });
    expect(dump).toContain("-- PostgreSQL database dump complete");
    expect(dump).toContain("ALTER TABLE public.agents OWNER TO chatbot;");
    expect(dump).toContain("SELECT pg_catalog.setval('public.agents_id_seq', 25, true);");
    expect(one.rows).toEqual(sample.rows);
    expect((await member(one, "MANIFEST.txt")).toString()).toContain(
      "- Database: PostgreSQL (admin_postgres.sql.gz)",
    );
    const site = siteSchema.parse(parse(await readFile(one.site, "utf8")));
    expect(site.databases.map(({ member }) => member)).toEqual([path]);
    expect(site.stores.map((store) => join(one.site, "..", store.path))).toEqual([join(one.archive, "..")]);
  });
});

describe("the sample's site.yaml", () => {
  it("is valid and agrees with what is prepared beside it", async () => {
    const site = siteSchema.parse(parse(await readFile(sample.site, "utf8")));
    const relative = (path: string): string => join(folder, "first", path);
    expect(relative(site.application.bundle ?? "")).toBe(sample.bundle);
    expect(site.stores.map((store) => relative(store.path))).toEqual([relative("build/backups")]);

    const clone = join(folder, "clone");
    await execa("git", ["clone", "--quiet", sample.bundle, clone]);
    const git = async (...args: string[]): Promise<string> =>
      (await execa("git", ["-C", clone, ...args])).stdout;
    expect(await git("rev-parse", `${site.application.revision}^{commit}`)).toBe(sample.revision);
    // Fixed dates: a commit that took the clock's would have another id on another day.
    expect(await git("log", "--format=%aI %cI %an")).toMatch(
      /^2025-01-01T00:00:00\S+ 2025-01-01T00:00:00\S+ Chatbot$/,
    );
    const files = (await git("ls-files")).split("\n");
    expect(files).toContain(site.nginx.site);
    expect(files).toContain(site.configuration.load);
    for (const worker of site.workers) expect(files).toContain(worker.file);
    expect(files.filter((file) => /^(vendor|data)\/|^\.env$/.test(file))).toEqual([]);

    const environment = (await member(sample, `config/${site.configuration.environmentFile}`)).toString();
    for (const variable of site.configuration.requiredVariables) {
      expect(environment).toMatch(new RegExp(`^${variable}=.+$`, "m"));
    }
    const members = [...site.databases, ...site.uploads, ...site.data].map(
      (part) => `${name}/${part.member}`,
    );
    expect(await listing(await readFile(sample.archive))).toEqual(expect.arrayContaining(members));
  });
});

async function sha256(file: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(file))
    .digest("hex");
}

async function member(from: PreparedSample, path: string): Promise<Buffer> {
  const point = from.archive.replace(/^.*\/|\.tar\.gz$/g, "");
  const { stdout } = await execa("tar", ["-xzOf", from.archive, `${point}/${path}`], {
    encoding: "buffer",
    stripFinalNewline: false,
  });
  return Buffer.from(stdout);
}

async function listing(archive: Buffer): Promise<string[]> {
  const { stdout } = await execa("tar", ["--quoting-style=literal", "-tzf", "-"], { input: archive });
  return stdout.split("\n");
}
