import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { isDeepStrictEqual } from "node:util";
import { gzipSync } from "node:zlib";
import { execa } from "execa";
import { type Header, pack } from "tar-stream";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stepCommand } from "../../runbook/command.ts";
import type { Facts } from "../../runbook/step.ts";
import type { SshConnection } from "../../ssh/connection.ts";
import { HostSession } from "../../ssh/host-session.ts";
import { recoveryHost, type RecoveryHost } from "./recovery-host.ts";

let host: RecoveryHost;
let session: HostSession;
let connection: SshConnection;
let work: string;
/** The sample's database. */
let database: Buffer;
let asked = 0;

const state = "/var/lib/recovery";
const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

interface Result {
  outcome: string;
  facts: Facts;
  error?: { what: string; why: string; next: string };
}

/** Asks the host for one step, as a run does. */
async function step(script: string, inputs: Facts): Promise<Result> {
  const { command, stdin } = stepCommand(
    {
      ...{ id: script, title: script, runbook: "1.6", script, inputs, secrets: [], triggers: [], after: [] },
      ...{ budgetSeconds: 60, timeoutSeconds: 60 },
    },
    [`attempt ${++asked}`],
  );
  const { exitCode, stdout, stderr } = await connection.run(command, { stdin, timeoutSeconds: 90 });
  const result = JSON.parse(stdout || stderr) as Result;
  expect(exitCode).toBe(result.outcome === "done" ? 0 : 1);
  return result;
}

type Entry = Partial<Header> & { name: string } & { content?: string | Buffer };

async function tarOf(...entries: Entry[]): Promise<Buffer> {
  const tar = pack();
  for (const { content, ...header } of entries) tar.entry(header, content ?? "");
  tar.finalize();
  return buffer(tar);
}

/** Puts a file at a place of the host's. */
async function place(path: string, content: Buffer): Promise<void> {
  const file = join(host.machine.rootDirectory, state, path);
  await mkdir(join(file, ".."), { recursive: true, mode: 0o700 });
  await writeFile(file, content, { mode: 0o600 });
}

const manifest: Entry = { name: "point/MANIFEST.txt", content: "Backup Status: SUCCESS\n" };
const uploads: Entry = { name: "point/files/uploads.tar.gz", content: "uploads" };

async function unpack(archive: Buffer, members = ["files/uploads.tar.gz"]): Promise<Result> {
  await place(`fetched/${sha256(archive)}`, archive);
  return step("unpack", {
    sha256: sha256(archive),
    manifestSha256: sha256(Buffer.from(String(manifest.content))),
    members,
  });
}

async function stageFiles(archive: Buffer): Promise<Result> {
  await place("staging/content/files/uploads.tar.gz", archive);
  const folder = { path: "/srv/site/uploads", member: "files/uploads.tar.gz", kind: "uploads" };
  return step("stage-files", { folders: [folder], databasePaths: [] });
}

async function stageDatabase(content: Buffer): Promise<Result> {
  await place("staging/content/database/admin.db.gz", gzipSync(content));
  const admin = {
    kind: "sqlite",
    name: "admin",
    path: "/srv/site/admin.db",
    member: "database/admin.db.gz",
  };
  return step("stage-databases", { databases: [admin] });
}

/** A tar with a file of nothing but a hole. */
async function holes(name: string, size: number): Promise<Buffer> {
  const folder = join(work, "holes");
  await rm(folder, { recursive: true, force: true });
  await mkdir(join(folder, name, ".."), { recursive: true });
  await writeFile(join(folder, name), "");
  await truncate(join(folder, name), size);
  const { stdout } = await execa("tar", ["-C", folder, "-cSf", "-", name.split("/")[0] ?? ""], {
    encoding: "buffer",
    stripFinalNewline: false,
  });
  return Buffer.from(stdout);
}

/** What leads out of an archive, and what each kind of thing is that has no place in one. `top` is its one folder. */
const hostile = (top: string): [string, Entry[], RegExp][] => [
  ["../", [{ name: `${top}/../../../../../../tmp/escaped`, content: "x" }], /^tar: Removing leading/],
  ["an absolute name", [{ name: "/tmp/escaped", content: "x" }], /^tar: Removing leading/],
  [
    "a link that leads out",
    [{ name: `${top}/out`, type: "symlink", linkname: "../../../.." }],
    /^out -> \.\./,
  ],
  [
    "a file behind a link that leads out",
    [
      { name: `${top}/out`, type: "symlink", linkname: "/tmp" },
      { name: `${top}/out/escaped`, content: "x" },
    ],
    /tar: .*out\/escaped: Cannot open/,
  ],
  [
    "a hard link to a file of the host",
    [{ name: `${top}/shadow`, type: "link", linkname: "/etc/shadow" }],
    /^tar: Removing leading/,
  ],
  [
    "a device",
    [{ name: `${top}/disk`, type: "block-device", devmajor: 8, devminor: 0 }],
    /the first is .*disk|mknod/,
  ],
  ["a named pipe", [{ name: `${top}/pipe`, type: "fifo" }], /the first is .*pipe/],
];

beforeAll(async () => {
  host = await recoveryHost();
  work = await mkdtemp(join(tmpdir(), "host-steps-"));
  const { machine, agent, sample } = host;
  session = new HostSession({
    target: { ...machine, agentSocketPath: agent.socketPath },
    run: { id: "test", who: "a test", why: "see what steps say" },
    secrets: () => Promise.resolve({}),
    relayedFolders: {},
    say: () => undefined,
  });
  connection = await session.open();
  const id = sample.archive.replace(/^.*\/|\.tar\.gz$/g, "");
  await execa("tar", ["-xzf", sample.archive, "-C", work]);
  await execa("gunzip", [join(work, id, "database/admin.db.gz")]);
  database = await readFile(join(work, id, "database/admin.db"));
});

afterAll(async () => {
  await session.close();
  await rm(work, { recursive: true, force: true });
  await host.close();
});

describe("an archive", () => {
  test("that is sound is unpacked", async () => {
    expect(await unpack(gzipSync(await tarOf(manifest, uploads)))).toMatchObject({
      outcome: "done",
      facts: { files: 2 },
    });
  });

  test("that is cut, empty, or none is told so, and nothing of it stays", async () => {
    const whole = gzipSync(await tarOf(manifest, { ...uploads, content: randomBytes(50_000) }));
    const cut = [0.1, 0.5, 0.9].map((part) => whole.subarray(0, whole.length * part));
    for (const archive of [...cut, whole.subarray(0, -1), Buffer.alloc(0), Buffer.from("no archive")]) {
      const { outcome, error } = await unpack(archive);
      expect({ outcome, error }).toMatchObject({
        outcome: "failed",
        error: {
          what: `the archive ${sha256(archive)} cannot be unpacked`,
          why: expect.stringMatching(/^it is cut, damaged or hostile: (gzip|tar): /) as string,
          next: "choose another restore point: npx recovery points list",
        },
      });
      expect(await host.onHost(`ls ${state}`)).not.toContain("staging");
    }
  });

  test.each(hostile("point"))("with %s is refused, and reaches nothing", async (_, entries, why) => {
    const { outcome, error } = await unpack(gzipSync(await tarOf(manifest, uploads, ...entries)));
    expect(outcome).toBe("failed");
    expect(error?.why.replace("it is cut, damaged or hostile: ", "")).toMatch(why);
    expect(await host.onHost(`ls /tmp ${state}`)).not.toMatch(/escaped|staging/);
  });

  test("whose manifest, or a member, is not what was chosen is refused", async () => {
    const other = await unpack(
      gzipSync(await tarOf({ ...manifest, content: "Backup Status: PARTIAL" }, uploads)),
    );
    expect(other.error?.what).toBe("the archive's manifest is not the one that was chosen");
    const lacking = await unpack(gzipSync(await tarOf(manifest, { ...uploads, content: "" })));
    expect(lacking.error?.what).toBe("the archive lacks what site.yaml names: files/uploads.tar.gz");
  });

  test("with a file of 1 TiB that is a hole is refused before anybody reads it", async () => {
    const { error } = await unpack(gzipSync(await holes("point/MANIFEST.txt", 2 ** 40)));
    expect(error?.why).toMatch(/^1048\d{3} MiB of it are holes in files, and \d+ MiB are free$/);
    expect(await host.onHost(`ls ${state}`)).not.toContain("staging");
  });
});

describe("an archive within the archive", () => {
  test.each(hostile("uploads"))("with %s is refused, and reaches nothing", async (_, entries, why) => {
    const sound = { name: "uploads/a.txt", content: "a" };
    const { outcome, error } = await stageFiles(gzipSync(await tarOf(sound, ...entries)));
    expect(outcome).toBe("failed");
    expect(error?.why.replace("it is cut, damaged or hostile: ", "")).toMatch(why);
    expect(await host.onHost(`ls /tmp ${state}/staging/files`)).not.toMatch(/escaped|^0$/m);
  });

  test("with links that stay inside it is staged", async () => {
    const inside: Entry[] = [
      { name: "uploads/a.txt", content: "a" },
      { name: "uploads/b.txt", type: "symlink", linkname: "a.txt" },
      { name: "uploads/c.txt", type: "link", linkname: "uploads/a.txt" },
    ];
    expect(await stageFiles(gzipSync(await tarOf(...inside)))).toMatchObject({
      outcome: "done",
      facts: { "/srv/site/uploads": { files: 2, bytes: 2 } },
    });
  });

  test("that is cut is refused", async () => {
    const whole = gzipSync(await tarOf({ name: "uploads/a.txt", content: randomBytes(5000) }));
    expect((await stageFiles(whole.subarray(0, 2000))).error?.what).toBe(
      "the archive uploads.tar.gz cannot be unpacked",
    );
  });
});

test("files that were put in place are compared with those of the backup: one that is missing or differs is named", async () => {
  const names = ["a.txt", "-rf b.txt", "line\nbreak.txt", "back\\slash.txt"];
  const entries = names.map((name) => ({ name: `uploads/${name}`, content: name }));
  expect((await stageFiles(gzipSync(await tarOf(...entries)))).outcome).toBe("done");
  await host.onHost(`mkdir -p /srv/site && cp -r ${state}/staging/files/0/uploads /srv/site/`);
  const checked = async () => {
    const { stdout } = await connection.run("/usr/local/lib/recovery/current/check", {
      stdin: JSON.stringify({ checks: [{ kind: "restored-files", title: "uploads: hashes" }] }),
      timeoutSeconds: 60,
    });
    return JSON.parse(stdout) as unknown;
  };
  const check = { title: "uploads: hashes", expected: "4 files with the backup's hashes" };
  expect(await checked()).toEqual([{ ...check, ok: true, seen: "all of them" }]);
  await host.onHost("cd /srv/site/uploads && rm -- '-rf b.txt' $'line\\nbreak.txt' && echo b >>a.txt");
  expect(await checked()).toEqual([
    {
      ...check,
      ok: false,
      seen: expect.stringMatching(
        /^3 missing or different: \/srv\/site\/uploads\/(a|-rf b|line\\nbreak)\.txt$/,
      ) as string,
    },
  ]);
});

test("a step that is not told of what it goes through has failed, and has not done nothing", async () => {
  expect((await step("fetch", { from: "point", files: [] })).outcome).toBe("done");
  expect((await step("fetch", { from: "point" })).outcome).toBe("failed");
  expect((await step("fetch", { from: "point", files: [{ name: "archive" }] })).outcome).toBe("failed");
});

describe("an SQLite database in a good archive", () => {
  test("that is corrupt, empty or none is refused", async () => {
    expect((await stageDatabase(database)).outcome).toBe("done");
    const corrupt = Buffer.from(database);
    randomBytes(4096).copy(corrupt, 4096);
    expect((await stageDatabase(corrupt)).error).toMatchObject({
      what: "the database admin is corrupt",
      why: expect.stringContaining("integrity_check said: ") as string,
    });
    expect((await stageDatabase(Buffer.from("no database at all".repeat(100)))).error).toMatchObject({
      what: "the database admin is corrupt",
      why: "integrity_check said: Error: in prepare, file is not a database (26)",
    });
    expect((await stageDatabase(Buffer.alloc(0))).error?.what).toBe("the database admin has no tables");
  });

  test("has its rows counted whatever its tables are called, and none of their names is a command", async () => {
    const rows = {
      'a"b': 0,
      "it's": 2,
      "two\n.shell touch /tmp/taken\nlines": 0,
      "'); DROP TABLE agents; --": 1,
    };
    const file = join(work, "names.db");
    const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
    const statements = Object.entries(rows).map(
      ([name, count]) =>
        `CREATE TABLE ${quoted(name)} (x); ${`INSERT INTO ${quoted(name)} VALUES (1); `.repeat(count)}`,
    );
    await execa("sqlite3", ["-init", "/dev/null", "-bail", file, statements.join("")]);
    expect(await stageDatabase(await readFile(file))).toMatchObject({
      outcome: "done",
      facts: { admin: { rows } },
    });
    expect(await host.onHost("ls /tmp")).not.toContain("taken");
  });
});

describe("a member of our own format", () => {
  const sums = (files: Record<string, string>) =>
    Object.entries(files)
      .map(([name, content]) => `${sha256(Buffer.from(content))}  ${name}\n`)
      .join("");
  const sound = { name: "uploads/a.txt", content: "a" };

  /** Unpacks a point of one folder and one database. What the manifest and the inventory say of them may be something else. */
  async function unpackMembers(
    member: Buffer,
    said: { unpackedBytes?: number; uploads?: Record<string, string>; database?: string } = {},
  ) {
    const members = {
      "inventory.tar": await tarOf(
        { name: "SHA256SUMS", content: sums({ "database-admin.db": said.database ?? "rows" }) },
        { name: "uploads-1.tar.sha256", content: sums(said.uploads ?? { [sound.name]: sound.content }) },
        { name: "config.tar.sha256", content: sums({ ".env": "A=b\n" }) },
      ),
      "uploads-1.tar": member,
      "database-admin.db": Buffer.from("rows"),
      "config.tar": await tarOf({ name: ".env", content: "A=b\n" }),
    };
    const input = async (name: keyof typeof members) => {
      const zstd = { input: members[name], encoding: "buffer", stripFinalNewline: false } as const;
      const stored = Buffer.from((await execa("zstd", ["-q", "-c"], zstd)).stdout);
      await place(`fetched/${sha256(stored)}`, stored);
      const unpackedBytes =
        (name === "uploads-1.tar" ? said.unpackedBytes : undefined) ?? members[name].length;
      return { name: `${name}.zst`, bytes: stored.length, unpackedBytes, sha256: sha256(stored) };
    };
    return step("unpack-members", {
      ...{ from: "fetched", identity: "", required: ["config/.env", "database-admin.db"] },
      inventory: [await input("inventory.tar")],
      configuration: [await input("config.tar")],
      databases: [{ members: [await input("database-admin.db")] }],
      folders: [{ name: "uploads", members: [await input("uploads-1.tar")] }],
    });
  }

  test("that is sound is unpacked", async () => {
    expect(await unpackMembers(await tarOf(sound))).toMatchObject({ outcome: "done", facts: { files: 3 } });
  });

  test("that disagrees with the manifest, or with what was backed up, is refused, and nothing of the point stays", async () => {
    const member = await tarOf(sound);
    const longer = await unpackMembers(member, { unpackedBytes: member.length - 512 });
    expect(longer.error?.what).toBe("uploads-1.tar.zst holds more than its manifest says");
    expect(await host.onHost(`ls ${state}`)).not.toContain("staging");
    const inventories: [string, Record<string, string>][] = [
      ["uploads/a.txt", { "uploads/a.txt": "another" }],
      ["uploads/a.txt", {}],
      ["uploads/b.txt", { "uploads/a.txt": "a", "uploads/b.txt": "b" }],
    ];
    for (const [differs, uploads] of inventories) {
      expect((await unpackMembers(member, { uploads })).error).toMatchObject({
        what: "uploads-1.tar.zst holds something else than was backed up",
        why: `the first file that differs from the point's inventory is ${differs}`,
      });
      expect(await host.onHost(`ls ${state}`)).not.toContain("staging");
    }
    const database = await unpackMembers(member, { database: "other rows" });
    expect(database.error?.what).toBe("database-admin.db.zst holds something else than was backed up");
    expect(await host.onHost(`ls ${state}`)).not.toContain("staging");
  });

  test.each(hostile("uploads"))("with %s is refused, and reaches nothing", async (_, entries, why) => {
    const { outcome, error } = await unpackMembers(await tarOf(sound, ...entries));
    expect(outcome).toBe("failed");
    expect(error?.what).toContain("uploads-1.tar.zst");
    expect(error?.why.replace("its content was refused: ", "")).toMatch(why);
    expect(await host.onHost(`ls /tmp ${state}`)).not.toMatch(/escaped|staging/);
  });

  test("with a file of 1 TiB that is a hole is refused", async () => {
    const { error } = await unpackMembers(await holes("uploads/hole", 2 ** 40));
    expect(error).toMatchObject({ what: "uploads-1.tar.zst cannot be unpacked" });
    expect(await host.onHost(`ls ${state}`)).not.toContain("staging");
  });
});

describe("an application's source", () => {
  const source = (port: number) => `https://127.0.0.1:${port}/site.git`;
  const application = (port: number) =>
    step("application", {
      ...{ sourceKind: "git", source: source(port), revision: "0".repeat(40), path: "/srv/application" },
      ...{ owner: "www-data", group: "www-data", build: [] },
    });
  const told = (port: number, why: unknown) => ({
    outcome: "failed",
    error: {
      what: `the application's source ${source(port)} cannot be read from this server`,
      why,
      next: expect.stringContaining("git bundle create FILE --all") as string,
    },
  });

  test("that does not answer, or takes the connection and stays silent, is given up, and the way without it is named", async () => {
    expect(await application(1)).toMatchObject(
      told(1, expect.stringMatching(/^git said: fatal: unable to access .* Failed to connect to 127/)),
    );
    // Its limit is told here, and nobody waits for it.
    await host.onHost(
      [
        `printf '%s\\n' '#!/bin/sh' 'shift' 'exec /usr/bin/timeout 1 "$@"' >/usr/local/bin/timeout && chmod 755 /usr/local/bin/timeout`,
        `systemd-run --quiet --unit=silent-git php -r '$$socket = stream_socket_server("tcp://127.0.0.1:4430"); touch("/run/silent-git"); sleep(600);'`,
        "until [ -e /run/silent-git ]; do sleep 0.1; done",
      ].join(" && "),
    );
    expect(await application(4430)).toMatchObject(told(4430, "git said: nothing within 30 s"));
    await host.onHost("systemctl stop silent-git; rm /usr/local/bin/timeout");
  });
});

describe("an environment file", () => {
  test.each([
    ["with spaces, quotes, #, $ and a byte order mark", "\n"],
    ["that was edited on Windows", "\r\n"],
  ])("%s is understood; a variable that is missing or empty is named", async (_, end) => {
    const lines = [
      "# settings",
      `CHATBOT_NAME="The \\"sample\\" # 1, \\$5"`,
      "export TOKEN='with # and $ and \" in it'   # a comment",
      "PLAIN = a value with spaces   # a comment",
      "HASH=not#one",
      `EMPTY=""`,
      "COMMENTED= # nothing",
    ];
    await place("env", Buffer.from(`\ufeff${lines.join(end)}${end}`));
    const said = await step("configuration", {
      ...{ path: "/srv", owner: "root", environmentFile: `${state}/env`, load: "", databases: [] },
      requiredVariables: ["CHATBOT_NAME", "TOKEN", "PLAIN", "HASH", "EMPTY", "COMMENTED", "ABSENT"],
    });
    expect(said).toMatchObject({
      outcome: "failed",
      error: {
        what: `${state}/env lacks EMPTY COMMENTED ABSENT`,
        next: `add them to ${state}/env on the host, or choose another restore point`,
      },
    });
    expect(await php([(await readFile(join(host.machine.rootDirectory, state, "env"))).toString()])).toEqual([
      {
        CHATBOT_NAME: `The "sample" # 1, $5`,
        TOKEN: `with # and $ and " in it`,
        PLAIN: "a value with spaces",
        HASH: "not#one",
        EMPTY: "",
        COMMENTED: "",
      },
    ]);
  });

  test("whatever it holds, has the same values for the recovery as for the site's PHP", async () => {
    const piece = fc.constantFrom(
      ...["a", "b", " ", "#", "$", "'", '"', "\\", "=", "\t", "\u00a0", "é"],
      ...["\\n", "\\t", "\\\\", '\\"', "\\$", "${a}"],
    );
    const text = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(""));
    const value = fc.oneof(
      text,
      text.map((one) => `"${one.replaceAll(/"|\\$/g, "")}"`),
      text.map((one) => `'${one.replaceAll("'", "")}'`),
    );
    const line = fc
      .tuple(
        fc.constantFrom("", "export ", "  "),
        fc.constantFrom("A", "B_1", "c"),
        value,
        fc.constantFrom("", " # x", " "),
      )
      .map(([before, name, content, after]) => `${before}${name}=${content}${after}`);
    const files = fc.sample(
      fc
        .tuple(
          fc.constantFrom("", "\ufeff"),
          fc.array(fc.oneof(line, fc.constantFrom("", "# x")), { maxLength: 4 }),
          fc.constantFrom("\n", "\r\n", "\r"),
        )
        .map(([mark, lines, end]) => mark + lines.join(end)),
      { numRuns: 1000, seed: 1 },
    );
    const byPhp = await php(files);
    const program = `include "environment"; map(reduce variables as $one ({}; .[$one.name] = $one.value))`;
    const { stdout } = await connection.run(`jq -c -L /usr/local/lib/recovery/current '${program}'`, {
      stdin: JSON.stringify(files),
      timeoutSeconds: 60,
    });
    const byRecovery = JSON.parse(stdout) as unknown[];
    const readable = files.flatMap((file, at) =>
      byPhp[at] === null ? [] : [{ file, php: byPhp[at], recovery: byRecovery[at] }],
    );
    expect(readable.length).toBeGreaterThan(400);
    expect(readable.filter(({ php: seen, recovery }) => !isDeepStrictEqual(seen, recovery))).toEqual([]);
  });

  /** What the sample's own reader makes of environment files; null of one that it refuses. */
  async function php(files: string[]): Promise<unknown[]> {
    const reader = new URL("../../examples/chatbot/app/src/EnvironmentFile.php", import.meta.url);
    await place("EnvironmentFile.php", await readFile(reader));
    const program = `require "${state}/EnvironmentFile.php";
      echo json_encode(array_map(function ($text) {
        file_put_contents("${state}/env", $text);
        try { return (object) Chatbot\\EnvironmentFile::read("${state}/env"); } catch (RuntimeException) { return null; }
      }, json_decode(stream_get_contents(STDIN))), JSON_THROW_ON_ERROR);`;
    const { stdout, stderr } = await connection.run(`php -r '${program}'`, {
      stdin: JSON.stringify(files),
      timeoutSeconds: 60,
    });
    expect(stderr).toBe("");
    return JSON.parse(stdout) as unknown[];
  }
});

describe("a disk that is full", () => {
  /** The disk that recovery keeps its things on, with room for this much only. */
  beforeAll(async () => {
    await host.onHost(
      `cp -a ${state} /root/kept && mount -t tmpfs -o size=8m,nr_inodes=1000 tmpfs ${state} && cp -a /root/kept/ledger /root/kept/logs /root/kept/lock.json ${state}/`,
    );
  });
  afterAll(async () => {
    await host.onHost(`umount ${state}`);
  });
  const enlarge = (size: string) => host.onHost(`mount -o remount,${size} ${state}`);
  const full = (why: string) => ({
    outcome: "failed",
    error: {
      why,
      next: "make room there, or take a larger disk; then run the recovery again: it goes on with this step",
    },
  });

  test("is named, what was begun makes room again, and once there is more the step comes to its end", async () => {
    const archive = gzipSync(
      await tarOf(
        manifest,
        { ...uploads, content: randomBytes(3_000_000) },
        { name: "point/b", content: randomBytes(3_000_000) },
      ),
    );
    expect(await unpack(archive)).toMatchObject(
      full(`the disk at ${state} is full: all of its 8 MiB are used`),
    );
    expect(await host.onHost(`ls ${state}`)).not.toContain("staging");
    await enlarge("size=32m");
    expect(await unpack(archive)).toMatchObject({ outcome: "done" });

    await enlarge("size=14m");
    const larger = Buffer.concat([database, Buffer.alloc(8_000_000)]);
    expect(await stageDatabase(larger)).toMatchObject(
      full(`the disk at ${state} is full: all of its 14 MiB are used`),
    );
    await enlarge("size=32m");
    expect((await stageDatabase(database)).outcome).toBe("done");
  });

  test("is named too when it is full of names: more files than it can take, each of them empty", async () => {
    const many = Array.from({ length: 1500 }, (_, at): Entry => ({ name: `uploads/${at}` }));
    const archive = gzipSync(await tarOf(...many));
    expect(await stageFiles(archive)).toMatchObject(
      full(`the disk at ${state} is full: it holds 1000 files and can take no more`),
    );
    await enlarge("nr_inodes=10000");
    expect((await stageFiles(archive)).outcome).toBe("done");
  });
});
