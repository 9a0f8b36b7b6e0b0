import { siteIn } from "../../site-in.ts";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  watch,
  writeFileSync,
} from "node:fs";
import { availableParallelism, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { listPoints } from "../../../backups/catalogue.ts";
import { parsePointManifest, type PointManifest } from "../../../backups/point-manifest.ts";
import { packerNeeds } from "../../../examples/packer-needs.ts";
import { ensureDebianPackages } from "../../../machines/debian-packages.ts";

const packer = fileURLToPath(new URL("../../../host/resident/pack", import.meta.url));
let base: string;
let store: string;
let site: string;

const inSite = (name: string) => join(site, name);
const sql = (text: string) =>
  execFileSync("sqlite3", [inSite("data/club.db")], { input: text, encoding: "utf8" });

function request(changes: object = {}): string {
  return JSON.stringify({
    ...{ site: "club", tier: "daily", startedAt: null, waitSeconds: 0, recipients: [], signingKey: "" },
    databases: [{ name: "club", kind: "sqlite", path: inSite("data/club.db") }],
    uploads: [{ path: "uploads", folder: inSite("uploads") }],
    data: [{ path: "data", folder: inSite("data") }],
    configuration: { folder: site, files: [".env"], named: [], server: [], certificates: "" },
    logs: [],
    application: { packed: false, revision: "c".repeat(40) },
    ...changes,
  });
}

/** Programs that stand before the real ones. */
function shims(programs: Record<string, string>): { PATH: string } {
  const folder = mkdtempSync(join(base, "shims-"));
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(folder, name), `#!/bin/bash\n${script}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  return { PATH: `${folder}:${process.env["PATH"] ?? ""}` };
}

function pack(input = request(), environment: NodeJS.ProcessEnv = {}) {
  const { status, stdout, stderr } = spawnSync("bash", [packer, store], {
    input,
    encoding: "utf8",
    env: { ...process.env, ...environment },
  });
  return { status, id: stdout.trim(), stderr };
}

function manifestOf(id: string): PointManifest {
  const parsed = parsePointManifest(readFileSync(join(store, id, "MANIFEST.json"), "utf8"));
  if ("fault" in parsed) throw new Error(parsed.fault);
  return parsed;
}

const contents = (id: string) => manifestOf(id).members.map(({ name }) => name);
const unpacked = (id: string, member: string) =>
  execFileSync("bash", ["-c", `zstd -dc "$0"`, join(store, id, `${member}.zst`)], {
    maxBuffer: 1024 ** 3,
  });
const listed = async () =>
  (
    await listPoints({ kind: "directory", name: "local", path: store, timezone: "UTC" }, siteIn(base), {
      site: "club",
      signers: [],
    })
  ).map(({ id, state }) => [id, state]);

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), "pack-"));
  await ensureDebianPackages([...packerNeeds, { command: "sqlite3", package: "sqlite3" }], () => undefined);
});
beforeEach(() => {
  store = mkdtempSync(join(base, "store-"));
  site = mkdtempSync(join(base, "site-"));
  // The owner of a database, other than root, must come as far as to it.
  for (const folder of [base, site]) chmodSync(folder, 0o755);
  for (const folder of ["data", "uploads"]) mkdirSync(inSite(folder), { mode: 0o755 });
  writeFileSync(inSite(".env"), "TOKEN=x\n");
  writeFileSync(inSite("uploads/a.txt"), "a");
  sql(
    "PRAGMA journal_mode = WAL; CREATE TABLE members (name TEXT); INSERT INTO members VALUES ('one'), ('two');",
  );
});
afterAll(() => {
  rmSync(base, { recursive: true });
});

describe("a backup", { timeout: 60_000 }, () => {
  test("is a restore point of all parts, and leaves nothing else in the store but what it keeps for itself", async () => {
    const { status, id, stderr } = pack();
    expect(status, stderr).toBe(0);
    expect(contents(id)).toEqual(
      ["database-club.db", "uploads-1.tar", "data-1.tar", "config.tar", "inventory.tar"].map(
        (name) => `${name}.zst`,
      ),
    );
    expect(manifestOf(id)).toMatchObject({
      errors: [],
      warnings: [],
      server: { cores: availableParallelism(), memoryBytes: totalmem() },
    });
    expect(await listed()).toEqual([[id, "complete"]]);
    expect(readdirSync(store).sort()).toEqual([".backup", "daily"]);
    expect(readdirSync(join(store, ".backup"))).toEqual(["lock"]);
  });

  test("leaves the rows of each table in clear where it is told to, by the name of the point", () => {
    const rows = join(base, "rows");
    const { status, id, stderr } = pack(request({ rows }));
    expect(status, stderr).toBe(0);
    expect(readdirSync(rows)).toEqual([`${id.replace("/", "-")}.json`]);
    expect(readFileSync(join(rows, `${id.replace("/", "-")}.json`), "utf8")).toBe('{"club":{"members":2}}\n');
  });

  test("that is killed in its middle is no restore point, and is swept away by the next one", async () => {
    // pg_dump's place in this is taken by tar: it has begun to write, and never ends.
    const stuck = shims({
      tar: 'if [[ $1 == --create ]]; then echo began; echo $$ >"$STUCK"; exec sleep 600; fi; exec /bin/tar "$@"',
    });
    const began = join(base, "stuck");
    const seen = watch(base);
    const child = spawn("bash", [packer, store], {
      stdio: ["pipe", "ignore", "ignore"],
      env: { ...process.env, ...stuck, STUCK: began },
      detached: true,
    });
    child.stdin.end(request());
    while (!existsSync(began)) await once(seen, "change");
    seen.close();
    process.kill(-(child.pid ?? 0), "SIGKILL");
    await once(child, "exit");
    expect(readdirSync(join(store, ".backup")).sort()).toEqual(["lock", "making"]);
    expect(await listed()).toEqual([]);

    const { status, id, stderr } = pack();
    expect(status, stderr).toBe(0);
    expect(readdirSync(join(store, ".backup"))).toEqual(["lock"]);
    expect(await listed()).toEqual([[id, "complete"]]);
  });

  test("is never made beside another one: the second says who is first, and waits as long as it was told", async () => {
    mkdirSync(join(store, ".backup"));
    const holding = spawn("flock", [join(store, ".backup/lock"), "-c", "echo held; read -r _"], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    writeFileSync(join(store, ".backup/lock"), "weekly/20260301T020000Z, since 2026-03-01T02:00:00Z\n");
    await once(holding.stdout, "data");
    const second = pack();
    expect(second).toMatchObject({ status: 1, id: "" });
    expect(second.stderr).toContain("another backup is under way: waiting for its end\n");
    expect(await listed()).toEqual([]);

    const third = spawn("bash", [packer, store], { stdio: ["pipe", "ignore", "pipe"] });
    third.stdin.end(request({ waitSeconds: 60 }));
    await once(third.stderr, "data");
    holding.stdin.end("\n");
    expect(await once(third, "exit")).toEqual([0, null]);
  });

  test.each([
    ["killed", "kill -9 $$", "it ended with 137"],
    [
      "cut off after half of what it writes",
      "/usr/bin/head -c 1000 /dev/zero; echo 'read error' >&2; exit 1",
      "it ended with 1, and said: read error",
    ],
  ])("lacks the member whose program was %s, says so, and has the others", async (_, does, why) => {
    const postgresql = {
      name: "big",
      kind: "postgresql",
      server: "/run",
      port: "1",
      account: "",
      user: "u",
      database: "d",
    };
    const { status, id, stderr } = pack(
      request({ databases: [...(JSON.parse(request()) as { databases: object[] }).databases, postgresql] }),
      shims({
        psql: "read -r _; echo 0001-1; read -r _; echo '{}'",
        pg_dumpall: "echo roles",
        pg_dump: `if [[ $1 == --version ]]; then echo 15.1; else head -c 100000 /dev/urandom; ${does}; fi`,
      }),
    );
    expect(status).toBe(1);
    expect(stderr).toContain(`database-big.dump could not be backed up: ${why}`);
    expect(manifestOf(id).errors).toEqual([expect.stringContaining(`database-big.dump: ${why}`)]);
    expect(contents(id)).toContain("database-club.db.zst");
    expect(readdirSync(join(store, id)).join()).not.toContain("big");
    expect(await listed()).toEqual([[id, "partial"]]);
  });

  describe("of PostgreSQL", () => {
    const connection = { user: "DB_USER", password: "DB_PASSWORD", host: "DB_HOST", port: "DB_PORT" };
    const dumped = (environment: string, database: object) => {
      writeFileSync(inSite("database.env"), environment);
      const one = {
        ...{ name: "big", kind: "postgresql", role: "club", database: "club_data", elsewhere: true },
        ...{ environmentFile: inSite("database.env"), connection },
        ...database,
      };
      const made = pack(
        request({ databases: [one], uploads: [], data: [], configuration: null }),
        shims({
          id: "echo 0",
          setpriv: `while [[ $1 == --* ]]; do shift; done; exec "$@"`,
          psql: String.raw`read -r _; echo 0001-1; while read -r line && [[ $line != '\q' ]]; do :; done; echo '{"public.members": 3}'`,
          pg_dumpall: "echo roles",
          pg_dump: `if [[ $1 == --version ]]; then echo 15.1; else printf '%s|' "$PGHOST" "$PGPORT" "$PGUSER" "$PGDATABASE" "$(cat "\${PGPASSFILE-/dev/null}")"; fi`,
        }),
      );
      return { ...made, content: () => unpacked(made.id, "database-big.dump").toString() };
    };

    test.each([
      [
        "a server of its own, as its environment file says",
        "DB_USER=club_app\nDB_PASSWORD='p:a\\ss'\nDB_HOST=10.0.0.5\nDB_PORT=6432\n",
        {},
        "10.0.0.5|6432|club_app|club_data|*:*:*:*:p\\:a\\\\ss|",
      ],
      [
        "an address in brackets, in a URL",
        "DATABASE_URL=postgres://club:p%40ss@[fd00::5]/other\n",
        { connection: { url: "DATABASE_URL" } },
        "fd00::5|5432|club|other|*:*:*:*:p@ss|",
      ],
      [
        "this server at another port, where no password is asked for",
        "DB_USER=club_app\nDB_PASSWORD=pw\nDB_PORT=5433\n",
        { elsewhere: false },
        "/var/run/postgresql|5433|postgres|club_data||",
      ],
    ])("is asked at %s", (_, environment, database, expected) => {
      const { status, stderr, content } = dumped(environment, database);
      expect(status, stderr).toBe(0);
      expect(content()).toBe(expected);
    });

    test("lacks it when the environment file does not say where it is", () => {
      const { status, stderr } = dumped("DATABASE_URL=elsewhere\n", { connection: { url: "DATABASE_URL" } });
      expect(status).toBe(1);
      expect(stderr).toContain(
        `database-big.dump could not be backed up: what ${inSite("database.env")} says of it is not understood`,
      );
    });
  });

  test("of a database that is damaged lacks it, and with nothing else there is no point", () => {
    execFileSync("bash", [
      "-c",
      `dd if=/dev/urandom of="$0" bs=1 seek=4096 count=3000 conv=notrunc status=none; rm -f "$0"-wal "$0"-shm`,
      inSite("data/club.db"),
    ]);
    const { status, id, stderr } = pack();
    expect(status).toBe(1);
    expect(manifestOf(id).errors).toEqual([
      expect.stringContaining("database-club.db: it is corrupt: integrity_check said: "),
    ]);
    expect(contents(id)).not.toContain("database-club.db.zst");
    const alone = pack(request({ tier: "hourly", uploads: [], data: [], configuration: null }));
    expect(alone).toMatchObject({ status: 1, id: "" });
    expect(alone.stderr).toContain("nothing of the site could be backed up");
    expect(stderr).toContain("daily/");
    expect(existsSync(join(store, "hourly"))).toBe(false);
  });

  test("of a database without a table, and of a folder that is not there, is partial", async () => {
    sql("DROP TABLE members;");
    rmSync(inSite("uploads"), { recursive: true });
    const { id } = pack();
    expect(manifestOf(id).errors).toEqual([
      "database-club.db: it has no tables",
      "uploads-1.tar: uploads: Cannot stat: No such file or directory",
    ]);
    expect(await listed()).toEqual([[id, "partial"]]);
  });

  test("holds a database as it was at one moment while it is written to, and nobody has to wait for it", async () => {
    sql(
      "CREATE TABLE filler AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i, hex(randomblob(500)) AS b FROM n;",
    );
    sql("CREATE TABLE pairs (a INTEGER); CREATE TABLE twins (a INTEGER);");
    const writer = spawn(
      "bash",
      [
        "-c",
        `for ((i = 0; i < 100000; i++)); do echo "BEGIN IMMEDIATE; INSERT INTO pairs VALUES ($i); INSERT INTO twins VALUES ($i); COMMIT;"; ((i)) || echo "SELECT 'wrote';"; done | sqlite3 -bail "$0"`,
        inSite("data/club.db"),
      ],
      { stdio: ["ignore", "pipe", "inherit"], detached: true },
    );
    await once(writer.stdout, "data");
    const { status, id, stderr } = pack();
    process.kill(-(writer.pid ?? 0), "SIGKILL");
    await once(writer, "exit");
    expect(status, stderr).toBe(0);
    const copy = join(base, "copy.db");
    writeFileSync(copy, unpacked(id, "database-club.db"));
    const [pairs, twins] = execFileSync(
      "sqlite3",
      [copy, "SELECT count(*) FROM pairs; SELECT count(*) FROM twins;"],
      { encoding: "utf8" },
    )
      .trim()
      .split("\n")
      .map(Number);
    expect(pairs).toBeGreaterThan(0);
    expect(twins).toBe(pairs);
    const more = Number(sql("SELECT count(*) FROM pairs;"));
    expect(more).toBeGreaterThan(pairs ?? 0);
  });

  test("tells which files changed while they were read, and is complete", async () => {
    // The real tar, with a file that grows once it has been looked at.
    writeFileSync(inSite("uploads/z.txt"), Buffer.alloc(30_000_000));
    const growing = shims({
      tar: 'if [[ $1 == --create && $* == *"-- uploads" ]]; then export TAR_OPTIONS="--checkpoint=100 --checkpoint-action=exec=grow"; fi; exec -a tar /bin/tar "$@"',
      grow: 'echo more >>"$GROWS"',
    });
    const { status, id, stderr } = pack(request(), { ...growing, GROWS: inSite("uploads/z.txt") });
    expect(status, stderr).toBe(0);
    expect(manifestOf(id)).toMatchObject({
      errors: [],
      warnings: ["uploads-1.tar: uploads/z.txt: file changed as we read it"],
    });
    expect(await listed()).toEqual([[id, "complete"]]);
  });

  test("holds what the metrics page answers, and is complete without, which it says, when that does not", async () => {
    const asked = request({ metrics: { domain: "club.example.test", path: "/metrics.php" } });
    const answering = shims({
      curl: '[[ ${*: -1} == https://club.example.test/metrics.php ]] && while [[ $1 != --output ]]; do shift; done; echo "members 2" >"$2"',
    });
    const { id } = pack(asked, answering);
    expect(unpacked(id, "metrics.prom").toString()).toBe("members 2\n");
    rmSync(join(store, id), { recursive: true });

    const silent = pack(asked, shims({ curl: 'echo "curl: (7) nobody there" >&2; exit 7' }));
    expect(silent.status, silent.stderr).toBe(0);
    expect(manifestOf(silent.id)).toMatchObject({
      errors: [],
      warnings: ["metrics.prom: the metrics page does not answer: curl: (7) nobody there"],
    });
    expect(contents(silent.id)).not.toContain("metrics.prom.zst");
    expect(await listed()).toEqual([[silent.id, "complete"]]);
  });

  test("keeps the server's configuration by its paths, a file that a recovery takes from it by name, and the certificates", () => {
    const server = mkdtempSync(join(base, "server-"));
    for (const folder of ["nginx/sites-available", "nginx/sites-enabled", "letsencrypt/live"])
      mkdirSync(join(server, folder), { recursive: true });
    writeFileSync(join(server, "nginx/sites-available/club"), "server {}");
    execFileSync("ln", ["-s", "../sites-available/club", join(server, "nginx/sites-enabled/club")]);
    writeFileSync(join(server, "letsencrypt/live/key"), "key");
    const named = [
      { name: "club.conf", from: [join(server, "nothing"), join(server, "nginx/sites-enabled/club")] },
    ];
    const { status, id, stderr } = pack(
      request({
        configuration: {
          folder: site,
          files: [".env"],
          named,
          server: [join(server, "nginx"), join(server, "none")],
          certificates: join(server, "letsencrypt"),
        },
      }),
    );
    expect(status, stderr).toBe(0);
    const tar = unpacked(id, "config.tar");
    const names = execFileSync("tar", ["-t"], { input: tar, encoding: "utf8" })
      .trim()
      .split("\n")
      .filter((name) => !name.endsWith("/"));
    const below = `server${server}/nginx`;
    expect(names.sort()).toEqual([
      ".env",
      "club.conf",
      "letsencrypt.tar.gz",
      `${below}/sites-available/club`,
      `${below}/sites-enabled/club`,
    ]);
  });

  test("makes the application's bundle on the host, of the commit that is checked out", () => {
    const git = (...options: string[]) =>
      execFileSync("git", ["-C", site, "-c", "user.name=n", "-c", "user.email=e", ...options], {
        encoding: "utf8",
      }).trim();
    git("init", "--quiet");
    git("add", ".env");
    git("commit", "--quiet", "--message", "one");
    git("tag", "v1");
    execFileSync("chown", ["-R", "nobody:", site]);
    const application = { packed: true, revision: "c".repeat(40), folder: site, owner: "nobody" };
    const { id, status, stderr } = pack(request({ application }));
    expect(status, stderr).toBe(0);
    const head = execFileSync("git", ["-c", "safe.directory=*", "-C", site, "rev-parse", "HEAD"], {
      encoding: "utf8",
    }).trim();
    expect(manifestOf(id)).toMatchObject({ revision: head, warnings: [] });
    const bundle = join(base, "application.bundle");
    writeFileSync(bundle, unpacked(id, "application.bundle"));
    expect(execFileSync("git", ["bundle", "list-heads", bundle], { encoding: "utf8" })).toBe(
      `${head} HEAD\n${head} refs/tags/v1\n`,
    );

    writeFileSync(inSite(".env"), "TOKEN=y\n");
    const changed = pack(request({ application, tier: "weekly" }));
    expect(manifestOf(changed.id).warnings).toEqual([
      "application.bundle: 1 files differ from the commit: what was changed in them is in no backup",
    ]);
    rmSync(inSite(".git"), { recursive: true });
    const without = pack(request({ application, tier: "monthly" }));
    expect(manifestOf(without.id)).toMatchObject({
      revision: "c".repeat(40),
      errors: [],
      warnings: [`application.bundle: ${site} is no git repository: the application is in no backup`],
    });
  });
});
