import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { siteJsonSchema } from "../../../site/json-schema.ts";
import { isRoot, protectedServer, type ProtectedServer } from "../host/protected-server.ts";
import { bucket } from "../offsite/declared-site.ts";
import { written } from "../runbook/small-site.ts";
import { siteFolder, type SiteFolder } from "../stacks/site-folder.ts";
import { recovery } from "./recovery.ts";

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS";
const limit = { timeout: 120_000 };
const sideBySide = { ...limit, concurrent: true };

/** A cache of its own, so that nothing an operator has is touched. */
let home: string;
let env: Record<string, string>;
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "command-line-"));
  env = { XDG_CACHE_HOME: join(home, "cache"), XDG_STATE_HOME: join(home, "state") };
});
afterAll(() => {
  rmSync(home, { recursive: true });
});

describe("help", sideBySide, () => {
  test("says what every exit code means", async () => {
    const { exitCode, stdout, stderr } = await recovery(["--help"]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout.slice(stdout.indexOf("Exit codes:"))).toBe(`\
Exit codes:
  0    done
  1    the run failed, or a check or an objective was missed
  2    wrong usage or configuration
  3    something it needs is missing here
  4    refused for safety
  130  interrupted, cleaned up`);
    for (const command of [
      "alert",
      "assess",
      "backup",
      "check",
      "completion",
      "config",
      "doctor",
      "drill",
      "keys",
      "machine",
      "points",
      "protect",
      "rebuild",
      "server-image",
      "status",
    ]) {
      expect(stdout).toMatch(new RegExp(`^  ${command} `, "m"));
    }
  });

  test("comes without the engine's library, which takes as long to load as all else together", async () => {
    const told = `import module from "node:module"; process.on("exit", () => {
      console.error(Object.keys(module._cache).filter((file) => file.includes("/@pulumi/")).length, "of the engine's files");
    });`;
    const { stderr } = await recovery(["--help"], {
      env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(told)}` },
    });
    expect(stderr).toBe("0 of the engine's files");
  });

  test.each([
    ["alert", ["--host <host>", "--host-key <key>", "--site <file>", "--json", "--debug"]],
    ["assess", ["--host <host>", "--host-key <key>", "--site <file>", "--json", "--debug"]],
    ["backup", ["--host <host>", "--host-key <key>", "--site <file>", "--database", "--json", "--debug"]],
    ["protect", ["--host <host>", "--host-key <key>", "--site <file>", "--remove", "--json", "--debug"]],
    ["check", ["--host <host>", "--site <file>", "--restored", "--read-only", "--install", "--json"]],
    ["completion", []],
    ["doctor", ["--site <file>", "--offsite", "--json", "--debug"]],
    ["keys", ["--site <file>", "--json", "--debug"]],
    [
      "server-image",
      [
        "--region <region>",
        "--type <type>",
        "--release <number>",
        "--architecture <architecture>",
        "--write",
        "--site <file>",
        "--json",
        "--debug",
      ],
    ],
    ["status", ["--site <file>", "--host <host>", "--host-key <key>", "--metrics", "--json", "--debug"]],
    ["config check", ["--site <file>", "--json", "--debug"]],
    ["config schema", []],
    [
      "drill",
      [
        "--site <file>",
        "--point <id>",
        "--before <time>",
        "--release <number>",
        "--keep",
        "--sign",
        "--json",
      ],
    ],
    ["machine bake", ["--site <file>", "--release <number>", "--debug"]],
    ["machine list", ["--json"]],
    ["machine remove", []],
    ["points list", ["--site <file>", "--json", "--debug"]],
    ["points show", ["--site <file>", "--json", "--debug"]],
    ["points verify", ["--all", "--new", "--sign", "--site <file>", "--json", "--debug"]],
    ["points fetch", ["--to <folder>", "--site <file>", "--json", "--debug"]],
    [
      "rebuild",
      [
        "--host <host>",
        "--host-key <key>",
        "--old-host <host>",
        "--old-host-key <key>",
        "--old-host-is-off",
        "--again <address>",
        "--dns-wait <duration>",
        "--skip-dns",
        "--dns-server <address>",
        "--watch <duration>",
        "--site <file>",
        "--point <id>",
        "--before <time>",
        "--yes",
        "--json",
      ],
    ],
  ])("of %s names its options and exits 0", async (command, options) => {
    const { exitCode, stdout, stderr } = await recovery([...command.split(" "), "--help"]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toContain(`Usage: recovery ${command}`);
    for (const option of options) expect(stdout).toContain(`  ${option} `);
    expect(stdout).toContain(`For example:\n  npx recovery ${command}`);
    expect(stdout).toContain("What the exit codes mean: npx recovery --help");
  });

  test("--version is the package's", async () => {
    const { version } = JSON.parse(
      readFileSync(new URL("../../../package.json", import.meta.url), "utf8"),
    ) as { version: string };
    expect(await recovery(["--version"])).toEqual({ exitCode: 0, stdout: version, stderr: "" });
  });
});

test("whoever reads along may go: a command ends as it would have ended", limit, async () => {
  const { stdout } = await execa("bash", [
    "-c",
    '{ sleep 0.1; node scripts/recovery.js config schema; } 2>/dev/null | true; echo "${PIPESTATUS[0]}"',
  ]);
  expect(stdout).toBe("0");
});

describe("wrong usage exits 2, says why, and puts nothing on stdout", sideBySide, () => {
  test.each([
    ["", "Usage: recovery"],
    ["nonsense", "unknown command 'nonsense'"],
    ["asses", "Did you mean assess?"],
    ["drill --befor 2026-03-01", "Did you mean --before?"],
    ["assess --host-key AAAA", "--host-key is given, and no --host"],
    ["drill --release 11", "Allowed choices are 12, 13"],
    ["drill --nonsense", "unknown option '--nonsense'"],
    ["config", "Usage: recovery config"],
    ["config check --nonsense", "unknown option '--nonsense'"],
    ["config schema more", "too many arguments"],
    ["machine remove", "missing required argument 'id'"],
    ["rebuild", "required option '--host <host>' not specified"],
    ["rebuild --host 192.0.2.10 --watch soon", "a duration is a whole number with its unit"],
    ["drill --before 2026-02-30", "a time is written as 2026-03-01 or 2026-03-01T02:00Z"],
    ["points list --site /does/not/exist.yaml", "/does/not/exist.yaml cannot be read"],
    ["points verify", "it is not clear which points are verified"],
    ["points verify one --all", "it is not clear which points are verified"],
    ["points verify one --new", "it is not clear which points are verified"],
    ["drill --draw --point one --site site/example.yaml", "it is not clear which point is restored"],
    ["status --metrics --host root@192.0.2.10 --site site/example.yaml", "--metrics and --host are given"],
    ["points fetch one", "required option '--to <folder>' not specified"],
  ])("recovery %s", async (args, reason) => {
    const { exitCode, stdout, stderr } = await recovery(args.split(" ").filter(Boolean), { env });
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
    expect(stderr).toContain(reason);
  });

  test.each([
    ["a host that is none", "two words", hostKey, "'two words' does not name a host"],
    ["a host key that is none", "192.0.2.10", "SHA256:abc", 'This is no host key: "SHA256:abc".'],
  ])("recovery check with %s", async (_, host, key, reason) => {
    const folder = siteFolder();
    const { exitCode, stderr } = await recovery(
      ["check", "--site", folder.file, "--host", host, "--host-key", key],
      { env },
    );
    folder.remove();
    expect(exitCode).toBe(2);
    expect(stderr.split("\n")[0]).toBe(reason);
    // What happened, why, what next; where in the program it happened is for --debug.
    expect(stderr.split("\n")).toHaveLength(3);
  });
});

test(
  "assess of a host whose key nobody confirmed yet is refused, and says where to read it",
  limit,
  async () => {
    const folder = siteFolder();
    const { exitCode, stdout, stderr } = await recovery(
      ["assess", "--site", folder.file, "--host", "192.0.2.10"],
      { env },
    );
    folder.remove();
    expect({ exitCode, stdout }).toEqual({ exitCode: 4, stdout: "" });
    expect(stderr).toContain("the host key of 192.0.2.10 is not known");
    expect(stderr).toContain("read it on the host's console");
  },
);

describe("config", limit, () => {
  test("check of a good file says so, and with --json prints it with every default filled in", async () => {
    const folder = siteFolder();
    expect(await recovery(["config", "check", "--site", folder.file])).toEqual({
      exitCode: 0,
      stdout: `${folder.file}: club is configured without errors`,
      stderr: "",
    });
    const { exitCode, stdout } = await recovery(["config", "check", "--json"], { cwd: folder.directory });
    folder.remove();
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      name: "club",
      server: { memory: 1024 ** 3 },
      objectives: { rto: { completeFailure: 14_400 } },
    });
  });

  test("check of a bad file prints all that is wrong with it, each with its line, and exits 2", async () => {
    const file = join(home, "bad.yaml");
    const lines = JSON.stringify({ ...written, name: "Club", domain: "not a domain" }, null, 2).split("\n");
    lines.splice(-1, 0, ', "sevrer": {}');
    writeFileSync(file, lines.join("\n"));
    const lineOf = (text: string) => lines.findIndex((line) => line.includes(text)) + 1;
    const { exitCode, stdout, stderr } = await recovery(["config", "check", "--site", file]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
    const told = stderr.split("\n");
    expect(told).toHaveLength(5);
    expect(told[0]).toBe(`${file} has 3 errors`);
    expect(told[1]).toMatch(new RegExp(`^${file}:${lineOf('"name": "Club"')}: name: `));
    expect(told[2]).toMatch(new RegExp(`^${file}:${lineOf('"domain"')}: domain: `));
    expect(told[3]).toMatch(new RegExp(`^${file}:${lineOf("sevrer")}: .*sevrer`));
    expect(told[4]).toBe(`correct them, then: npx recovery config check --site ${file}`);
  });

  test("check of a site whose backups die with its server exits 2, and says which data would be lost", async () => {
    const folder = siteFolder({
      backups: {},
      restorePoints: { recipients: [`age1${"q".repeat(58)}`], identity: "MONITORING" },
    });
    const { exitCode, stdout, stderr } = await recovery(["config", "check", "--site", folder.file]);
    folder.remove();
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
    expect(stderr.split("\n")[0]).toBe("the backups could not meet the objectives when the server is lost");
    expect(stderr).toContain("database may be 6h old, and nothing that holds it is sent to another server");
  });

  test("check of a site that declares a bucket which could not keep its promises exits 2, and says each of them", async () => {
    const secret = { name: "BUCKET_WRITER", from: "command:false" };
    const folder = siteFolder({
      backups: {},
      stores: [{ ...bucket, declared: { archive: "glacier-flexible" }, versions: false }],
      secrets: [...written.secrets, secret],
      restorePoints: { recipients: [`age1${"q".repeat(58)}`], identity: "MONITORING" },
    });
    const { exitCode, stdout, stderr } = await recovery(["config", "check", "--site", folder.file]);
    folder.remove();
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
    expect(stderr.split("\n")).toEqual([
      "the stores that site.yaml declares could not keep what it promises",
      "stores.bucket: a bucket that is declared keeps versions, and `versions: false` says that it does not",
      ...["databaseCorruption is 2h", "dataDeletion is 4h"].map(
        (rto) =>
          `stores.bucket: GLACIER gives monthly backups of more than 30d back after up to 5h, and objectives.rto.${rto}`,
      ),
      "change the stores, how long backups are kept, or the objectives: docs/offsite.md",
    ]);
  });

  test("schema prints the JSON Schema", async () => {
    const { exitCode, stdout, stderr } = await recovery(["config", "schema"]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(JSON.parse(stdout)).toEqual(siteJsonSchema());
  });
});

describe("points list", limit, () => {
  let folder: SiteFolder;
  beforeAll(() => {
    folder = siteFolder();
  });
  afterAll(() => {
    folder.remove();
  });
  const list = (...args: string[]) => recovery(["points", "list", "--site", folder.file, ...args], { env });

  test("of an empty store says so, and with --json prints an empty list", async () => {
    const none = { exitCode: 0, stdout: "the site's stores hold nothing", stderr: "" };
    expect(await list()).toEqual(none);
    expect(await list("--json")).toEqual({ ...none, stdout: "[]" });
  });

  test("prints each point with what keeps it from being restored, or with the command that pins it", async () => {
    folder.backUp({ named: "20260301_020000" });
    folder.backUp({ named: "20260302_020000", status: "PARTIAL" });
    writeFileSync(join(folder.directory, "backups", "notes.txt"), "not a backup");
    const { exitCode, stdout, stderr } = await list();
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    const shape = stdout
      .replaceAll(/@[0-9a-f]{64}/g, "@HASH")
      .replaceAll(/Z, \d+ \w+( \d+ \w+)? old/g, "Z, AGE old")
      .split("\n");
    expect(shape).toEqual([
      "partial   full_backup_20260302_020000  in disk: 2026-03-02T02:00:00.000Z, AGE old",
      expect.stringMatching(/^ {10}\S/),
      "complete  full_backup_20260301_020000  in disk: 2026-03-01T02:00:00.000Z, AGE old",
      "          pulumi config set point full_backup_20260301_020000@HASH@HASH",
      "foreign   notes.txt  in disk: of an unknown time",
      "          not a name that the backup scripts give",
    ]);
    const { stdout: json } = await list("--json");
    expect((JSON.parse(json) as { id: string; state: string }[]).map(({ id, state }) => [id, state])).toEqual(
      [
        ["full_backup_20260302_020000", "partial"],
        ["full_backup_20260301_020000", "complete"],
        ["notes.txt", "foreign"],
      ],
    );
  });

  test("of a store that is not there exits 3", async () => {
    const missing = siteFolder({ stores: [{ kind: "directory", name: "disk", path: "elsewhere" }] });
    const { exitCode, stdout } = await recovery(["points", "list", "--site", missing.file], { env });
    missing.remove();
    expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: "" });
  });
});

describe("points", limit, () => {
  let folder: SiteFolder;
  let archive: string;
  const id = "full_backup_20260301_020000";
  beforeAll(() => {
    folder = siteFolder();
    archive = folder.backUp({ named: "20260301_020000" });
    symlinkSync(`${id}.tar.gz`, join(folder.directory, "backups", "full_backup_latest.tar.gz"));
    writeFileSync(join(folder.directory, "backups", "full_backup_20260302_020000.tar.gz"), "");
  });
  afterAll(() => {
    folder.remove();
  });
  const points = (...args: string[]) => recovery(["points", ...args, "--site", folder.file], { env });

  test("show tells all that is known of one, by whichever of its names", async () => {
    const { exitCode, stdout, stderr } = await points("show", "full_backup_latest");
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    const shape = stdout
      .replaceAll(/[0-9a-f]{64}/g, "HASH")
      .replaceAll(/\d+(\.\d)? [KM]?i?B/g, "SIZE")
      .replaceAll(/since \S+Z/g, "since THEN")
      .replaceAll(/Z, \d+ \w+( \d+ \w+)? old/g, "Z, AGE old")
      .replaceAll(/ +/g, " ")
      .split("\n");
    expect(shape).toEqual([
      id,
      " state complete",
      " data 2026-03-01T02:00:00.000Z, AGE old",
      " store disk, since THEN",
      ` file ${id}.tar.gz, also full_backup_latest.tar.gz`,
      " size SIZE, unpacked SIZE",
      " made on web1",
      " sha256 HASH",
      " manifest HASH",
      ` pin pulumi config set point ${id}@HASH@HASH`,
      " member database/club.db.gz SIZE, unpacked SIZE",
      " member database/admin.db.gz SIZE, unpacked SIZE",
      " member config/.env SIZE",
      " member config/config.php SIZE",
      " member files/uploads.tar.gz SIZE, unpacked SIZE",
      " member data/app_data.tar.gz SIZE, unpacked SIZE",
      " member MANIFEST.txt SIZE",
    ]);
    const { stdout: json } = await points("show", id, "--json");
    expect(JSON.parse(json)).toMatchObject([{ id, state: "complete", hostname: "web1" }]);
  });

  test("verify of a sound one exits 0; one damaged among all makes it 1", async () => {
    const one = await points("verify", id);
    expect(one).toMatchObject({ exitCode: 0, stderr: "" });
    expect(one.stdout).toMatch(new RegExp(`^readable {2}${id} {2}in disk: .* read again$`));
    const all = await points("verify", "--all", "--json");
    expect(all.exitCode).toBe(1);
    expect((JSON.parse(all.stdout) as { state: string }[]).map(({ state }) => state).sort()).toEqual([
      "damaged",
      "readable",
    ]);
  });

  test("fetch copies one, says where it is, and will not do it twice", async () => {
    const to = join(home, "fetched");
    mkdirSync(to);
    const first = await points("fetch", id, "--to", to);
    expect(first).toMatchObject({ exitCode: 0, stderr: "" });
    expect(first.stdout).toContain(`${to}/${id}.tar.gz: `);
    expect(readFileSync(join(to, `${id}.tar.gz`)).equals(readFileSync(archive))).toBe(true);
    expect(await points("fetch", id, "--to", to)).toMatchObject({ exitCode: 4, stdout: "" });
  });

  test.each(["show", "verify"])(
    "%s of one that is not there names those that are, and exits 4",
    async (verb) => {
      const { exitCode, stderr } = await points(verb, "full_backup_nonsense");
      expect(exitCode).toBe(4);
      expect(stderr).toContain(`, ${id}`);
    },
  );
});

// Only root can have a command see a server in this computer: else it is skipped.
describe.runIf(isRoot)("on a server that makes its own backups", sideBySide, () => {
  let server: ProtectedServer;
  let folder: SiteFolder;
  beforeAll(() => {
    server = protectedServer();
    folder = siteFolder();
  });
  afterAll(() => {
    server.remove();
    folder.remove();
  });

  test.each(["points verify --all", "points verify --new --sign", "keys", "drill --sign"])(
    "%s is refused: who breaks in would find what opens and vouches for all of them",
    async (command) => {
      const { exitCode, stdout, stderr } = await recovery([...command.split(" "), "--site", folder.file], {
        env,
        as: server.as,
      });
      expect({ exitCode, stdout }).toEqual({ exitCode: 4, stdout: "" });
      expect(stderr).toContain("backups are not verified on a server that makes them");
      expect(stderr).toContain("/etc/site-backup/settings.json is here");
    },
  );
});

describe("status", limit, () => {
  test("says what is overdue, and ends with 1 for it", async () => {
    const folder = siteFolder();
    folder.backUp({ named: "20260301_020000" });
    const { exitCode, stdout } = await recovery(["status", "--site", folder.file], { env });
    const json = await recovery(["status", "--site", folder.file, "--json"], { env });
    folder.remove();
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^database +\d+ d.* 6 h +MISSED +none +none$/m);
    expect(stdout).toContain("OVERDUE: no recovery is recorded here: npx recovery drill");
    expect(JSON.parse(json.stdout)).toMatchObject({
      version: 1,
      site: "club",
      classes: [{ name: "database" }, {}, {}],
    });
  });
});

test("an error shows where it came from with --debug alone", limit, async () => {
  const args = ["config", "check", "--site", "/does/not/exist.yaml"];
  const [plain, debug] = [await recovery(args), await recovery([...args, "--debug"])];
  expect(plain.stderr).not.toMatch(/^ +at /m);
  expect(debug.stderr).toMatch(/^ +at /m);
  expect(debug.exitCode).toBe(2);
});
