import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { execa } from "execa";
import { parse, stringify } from "yaml";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { runRecordSchema, type RunRecord } from "../../evidence/record.ts";
import { prepareSample, type PreparedSample } from "../../examples/chatbot/prepare.ts";
import { removeMachine } from "../../machines/nspawn.ts";
import { ensureBaked } from "../../run/bake.ts";
import { loadSite } from "../../site/load.ts";
import {
  commandLine,
  filesBelow,
  leftOf,
  machinesOf,
  run,
  untilNothingIsLeft,
  type Running,
} from "./drill-process.ts";
import type { SshTarget } from "../../ssh/connection.ts";
import { startSshd, type LoopbackSshd } from "./loopback-sshd.ts";
import { needed, say } from "./recovery-host.ts";
import { tracesOf } from "./traces.ts";
import { typed } from "./typed.ts";

/** Planted in the site's environment file. */
const planted = {
  OPENAI_API_KEY: "sk-planted-7c20d4e1aa51",
  ADMIN_TOKEN: "planted-admin-token-93be1f08",
};
const hour = 3_600_000;

let directory: string;
let older: PreparedSample;
let newer: PreparedSample;
const started: Running[] = [];

function environment(): NodeJS.ProcessEnv {
  return {
    ...process.env,
    XDG_STATE_HOME: join(directory, "state"),
    TMPDIR: join(directory, "tmp"),
    CI: "true",
  };
}

function begun(command: string, args: string[]): Running {
  const running = run(command, args, { cwd: directory, env: environment() });
  started.push(running);
  return running;
}

const recovery = (...args: string[]) => begun(process.execPath, [commandLine, ...args]);

/** A line of the documentation, with more at its end. */
const asTyped = (line: string, ...more: string[]) =>
  begun("bash", ["-c", `exec ${line} "$@"`, "bash", ...more]);

/** On a machine that has its packages already; those on a blank one are named so. */
function drill(...args: string[]): Running {
  return asTyped(typed("npx recovery drill --site site.yaml --baked"), "--watch", "0s", "--json", ...args);
}

/** A drill on a terminal of 200 columns; everything that it shows there is on stdout. */
function drillOnTerminal(variables: NodeJS.ProcessEnv, line: string): Running {
  const running = run("script", ["-qec", `stty cols 200 rows 60; exec ${line}`, "/dev/null"], {
    cwd: directory,
    env: {
      ...environment(),
      CI: undefined,
      NO_COLOR: undefined,
      TERM: "xterm",
      SHELL: "/bin/bash",
      ...variables,
    },
  });
  started.push(running);
  return running;
}

/** Of a computer on which no Pulumi engine is, and none can be put: where it is kept stands a file. */
function withoutEngine(): NodeJS.ProcessEnv {
  const cache = join(directory, "cache", "recovery-stack");
  mkdirSync(cache, { recursive: true });
  writeFileSync(join(cache, "engine"), "");
  const cached = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "recovery-stack");
  symlinkSync(join(cached, "base"), join(cache, "base"));
  const folders = (process.env["PATH"] ?? "").split(":");
  return {
    PATH: folders
      .filter((folder) => !["pulumi", "go"].some((name) => existsSync(join(folder, name))))
      .join(":"),
    PULUMI_HOME: join(directory, "cache"),
    XDG_CACHE_HOME: join(directory, "cache"),
  };
}

/** The same site, whose backups lie on a server: the same folder, seen from there. */
function siteWithBackupsOn({ address, port, user, hostKey }: SshTarget): string {
  const stores = [
    { kind: "ssh", name: "offsite", host: address, port, user, hostKey, path: dirname(newer.archive) },
  ];
  const site = { ...(parse(readFileSync(join(directory, "site.yaml"), "utf8")) as object), stores };
  const file = join(directory, "offsite.yaml");
  writeFileSync(file, stringify(site));
  return file;
}

const idOf = (sample: PreparedSample) => basename(sample.archive, ".tar.gz");

interface Printed {
  record: RunRecord;
  recordFile: string;
  pageFile: string;
}

function printed(stdout: string): Printed {
  const { record, ...files } = JSON.parse(stdout) as Printed;
  return { record: runRecordSchema.parse(record), ...files };
}

/**
 * Changes one byte near the middle of an archive, and with it what gzip unpacks: not all of its bits are ever read. The
 * returned function changes it back.
 */
function flip(file: string): () => void {
  const whole = readFileSync(file);
  const unpacked = gunzipSync(whole);
  const bytes = Buffer.from(whole);
  const isHarmless = () => {
    try {
      return gunzipSync(bytes).equals(unpacked);
    } catch {
      return false;
    }
  };
  for (let at = bytes.length >> 1; ; at++) {
    bytes.writeUInt8(whole.readUInt8(at) ^ 1, at);
    if (!isHarmless()) break;
    bytes.writeUInt8(whole.readUInt8(at), at);
  }
  writeFileSync(file, bytes);
  return () => {
    writeFileSync(file, whole);
  };
}

/** Resolves with the machine's id as soon as a process begins to make one. */
async function machineBegun({ pid, child }: Running): Promise<string> {
  for (;;) {
    const [id] = await machinesOf(pid);
    if (id !== undefined) return id;
    if (child.exitCode !== null) throw new Error("it ended without a machine");
    await pause(5);
  }
}

beforeAll(async () => {
  await needed();
  directory = await mkdtemp(join(tmpdir(), "recovery-test-"));
  mkdirSync(join(directory, "tmp"));
  older = await prepareSample({ directory, environment: planted, time: new Date(Date.now() - 2 * hour) });
  newer = await prepareSample({ directory, environment: planted });
  // One-time work, whose traces would be taken for those of a drill.
  await ensureBaked((await loadSite(join(directory, "site.yaml"))).site, say);
});

afterEach(async () => {
  for (const { child } of started.splice(0)) if (child.exitCode === null) child.kill("SIGKILL");
  await untilNothingIsLeft(directory, []);
});

afterAll(async () => {
  await rm(directory, { recursive: true });
});

describe("a drill that cannot be made is refused before there is a machine:", () => {
  afterEach(async () => {
    // A run's folder is made before its machine.
    expect(filesBelow(join(directory, "state")).filter((file) => !file.endsWith("drill.lock"))).toEqual([]);
    expect(await leftOf(directory, [])).toEqual([]);
  });

  test("a site.yaml with errors", async () => {
    const site = join(directory, "wrong.yaml");
    writeFileSync(site, readFileSync(join(directory, "site.yaml"), "utf8").replace("domain:", "domian:"));
    const wrong = recovery("drill", "--site", site, "--json");
    expect(await wrong.ended).toBe(2);
    expect(wrong.stderr()).toMatch(/wrong\.yaml:\d+.*domian/);
    expect(wrong.stdout()).toBe("");
  });

  test("a point that is not there, with those that are", async () => {
    const unknown = drill("--point", "full_backup_20010101_000000");
    expect(await unknown.ended).toBe(4);
    expect(unknown.stderr()).toContain("there is no restore point full_backup_20010101_000000");
    for (const sample of [older, newer])
      expect(unknown.stderr()).toMatch(new RegExp(`${idOf(sample)} .*: good`));
    expect(unknown.stdout()).toBe("");
  });

  test("a time before which there is no point", async () => {
    const early = drill("--before", new Date(Date.now() - 3 * hour).toISOString());
    expect(await early.ended).toBe(4);
    for (const sample of [older, newer])
      expect(early.stderr()).toMatch(new RegExp(`${idOf(sample)} .*: too new`));
  });

  test("no point in which a byte has not been flipped, with what is wrong with each", async () => {
    const mend = [flip(older.archive), flip(newer.archive)];
    const damaged = drill();
    expect(await damaged.ended).toBe(4);
    for (const undo of mend) undo();
    expect(damaged.stderr()).toContain("no restore point can be used");
    for (const sample of [older, newer])
      expect(damaged.stderr()).toMatch(new RegExp(`${idOf(sample)} .*: damaged: .`));
  });
});

describe("a drill whose process is killed with SIGKILL leaves nothing within 30 s, without another command:", () => {
  const moments: [string, (killed: Running) => Promise<unknown>, (killed: Running) => void][] = [
    ["while its machine is made", machineBegun, ({ child }) => child.kill("SIGKILL")],
    [
      "at its first step, with its whole process group",
      (killed) => killed.says("begin 1.2"),
      ({ pid }) => process.kill(-pid, "SIGKILL"),
    ],
    [
      "while the relay serves the backup",
      async (killed) => {
        await killed.says("begin 1.5");
        await expect
          .poll(async () => (await leftOf(directory, [])).join("\n"), { timeout: 20_000, interval: 20 })
          .toContain("rclone");
      },
      ({ child }) => child.kill("SIGKILL"),
    ],
    [
      "while packages are installed",
      (killed) => killed.says(/begin .* Packages to build and restore with/),
      ({ child }) => child.kill("SIGKILL"),
    ],
    [
      "during the restore",
      (killed) => killed.says(/begin .* Everything put in place/),
      ({ child }) => child.kill("SIGKILL"),
    ],
    [
      "during the checks",
      (killed) => killed.says(/begin .* The site's checks/),
      ({ child }) => child.kill("SIGKILL"),
    ],
  ];

  test.each(moments)("%s", async (_, comes, kill) => {
    const killed = drill();
    await comes(killed);
    const machines = await machinesOf(killed.pid);
    expect(machines).toHaveLength(1);
    // What looks for things that are left does find them while they are there.
    const there = (await leftOf(directory, machines)).join("\n");
    for (const kind of ["record", "ssh-agent", "file .*/state/"]) expect(there).toMatch(new RegExp(kind));
    if (killed.stderr().includes("begin")) {
      for (const kind of ["rule", "interface", "folder", "cgroup", "pulumi.* up ", "/work/stack/"])
        expect(there).toMatch(new RegExp(kind));
    }
    kill(killed);
    expect(await killed.ended).toBe("SIGKILL");
    await untilNothingIsLeft(directory, machines);
  });
});

test("an older point is restored when one is asked for, and when the newer one is damaged, which is said and recorded; Ctrl-C then ends it at once", async () => {
  const anHourAgo = new Date(Date.now() - hour).toISOString();
  for (const line of [
    typed("npx recovery drill --site site.yaml --before 2026-03-01T02:00Z", {
      "2026-03-01T02:00Z": anHourAgo,
    }),
    typed("npx recovery drill --site site.yaml --point full_backup_20261123_190739", {
      full_backup_20261123_190739: idOf(older),
    }),
  ]) {
    const asked = asTyped(line);
    await asked.says(`restore point ${idOf(older)}`);
    expect(asked.stderr()).not.toContain("passed over");
    asked.child.kill("SIGKILL");
    await asked.ended;
  }

  const mend = flip(newer.archive);
  // A blank one: what is ended is an installation that takes its time.
  const drilled = asTyped(typed("npx recovery drill --site site.yaml"), "--json");
  const id = await machineBegun(drilled);
  await drilled.says(/begin .* Packages to build and restore with/);
  mend();
  const passedOver = new RegExp(`passed over ${idOf(newer)} in local: damaged, .`);
  expect(drilled.stderr()).toMatch(passedOver);
  drilled.child.kill("SIGINT");
  const interrupted = performance.now();
  expect(await drilled.ended).toBe(130);
  // As long as a killed drill may take to be gone.
  expect((performance.now() - interrupted) / 1000).toBeLessThan(30);
  expect(await leftOf(directory, [id])).toEqual([]);

  const { record, recordFile, pageFile } = printed(drilled.stdout());
  expect(record).toMatchObject({
    outcome: "interrupted",
    error: { what: "the run was interrupted" },
    point: { id: idOf(older) },
    notes: expect.arrayContaining([expect.stringMatching(passedOver)]) as string[],
    checks: [],
    recoveredAt: null,
  });
  const outcomes = new Map(record.steps.map((step) => [step.id, step.outcome]));
  expect(outcomes.get("download-packages")).toBe("done");
  // Had the engine been asked to stop, it would have waited for this one.
  expect(outcomes.get("install-building-packages")).toBe("not-run");
  expect(runRecordSchema.parse(JSON.parse(readFileSync(recordFile, "utf8")))).toEqual(record);
  expect(readFileSync(pageFile, "utf8")).toContain("Interrupted, not recovered");
});

test("a second Ctrl-C does not wait for the clean-up, which happens all the same", async () => {
  const drilled = drill();
  const id = await machineBegun(drilled);
  await drilled.says("begin 1.2");
  drilled.child.kill("SIGINT");
  await drilled.says("once more to end at once");
  drilled.child.kill("SIGINT");
  expect(await drilled.ended).toBe(130);
  expect(drilled.stdout()).toBe("");
  await untilNothingIsLeft(directory, [id]);
});

test("a byte that is flipped after the point was chosen is found before anything is unpacked; a terminal shows it, without colours if so wished", async () => {
  const output = join(directory, "tmp", "record.json");
  const drilled = drillOnTerminal(
    { NO_COLOR: "1" },
    `${typed("npx recovery drill --site site.yaml --baked")} --json > ${output}`,
  );
  await drilled.says("> 1.2 ");
  const mend = flip(newer.archive);
  expect(await drilled.ended).toBe(1);
  mend();
  const { record, pageFile } = printed(readFileSync(output, "utf8"));
  await rm(output);
  expect(record).toMatchObject({ outcome: "failed", point: { id: idOf(newer) } });
  expect(record.error?.what).toContain("Backup fetched and hashed");
  expect(record.error?.why).toContain("sha256");
  expect(readFileSync(pageFile, "utf8")).toContain("NOT RECOVERED");
  const outcomes = new Map(record.steps.map((step) => [step.id, step.outcome]));
  expect(outcomes.get("fetch")).toBe("failed");
  for (const id of ["unpack", "stage-databases", "stage-files", "restore"])
    expect(outcomes.get(id)).toBe("not-run");
  expect(await leftOf(directory, [])).toEqual([]);

  const shown = drilled.stdout();
  // eslint-disable-next-line no-control-regex
  expect(shown).not.toMatch(/\x1b\[[\d;]*m/);
  const last = lastList(shown);
  expect(last).toMatch(/^✔ 1\.2 .*Server fit and free for the site/m);
  expect(last).toMatch(/^✘ 1\.5 .*Backup fetched and hashed .*failed after/m);
  expect(last).toMatch(/^ {2}1\.6 .*Everything put in place/m);
});

describe("two drills at once", { timeout: 600_000 }, () => {
  let kept: Running;
  let second: Running;
  const machines: string[] = [];
  let result: Printed;
  let sshd: LoopbackSshd;

  beforeAll(async () => {
    sshd = await startSshd();
    vi.stubEnv("SSH_AUTH_SOCK", sshd.target.agentSocketPath);
    newer = await prepareSample({ directory, environment: planted });
    const offsite = siteWithBackupsOn(sshd.target);
    kept = drillOnTerminal(withoutEngine(), typed("npx recovery drill --site site.yaml --keep"));
    await kept.says("1.2 .* of ");
    second = drill("--site", offsite);
    await second.says("another drill of chatbot is under way; waiting for its end");
    expect(kept.child.exitCode).toBeNull();
    expect(await kept.ended, kept.stdout()).toBe(0);
    machines.push(await machineBegun(second));
    expect(await second.ended, second.stderr()).toBe(0);
    result = printed(second.stdout());
  }, 600_000);

  afterAll(async () => {
    sshd.close();
    vi.unstubAllEnvs();
    // When a test above failed it is still there.
    const id = /recovery machine remove (\S+)/.exec(kept.stdout())?.[1];
    if (id !== undefined) await removeMachine(id);
  });

  test("of one site come one after the other, and both recover it: from a folder, and from a server over ssh with packages baked in", () => {
    expect(result.record.point.store).toBe("offsite");
    expect(kept.stdout()).toMatch(/recovered chatbot from \S+ in /);
    expect(kept.stdout()).not.toContain("baked");
    expect(result.record).toMatchObject({ outcome: "recovered", baked: true });
    expect(result.record.error).toBeUndefined();
  });

  test("with no engine the steps are carried out directly, which is said and recorded; one that is there is used", () => {
    expect(kept.stdout()).toContain(
      "there is no Pulumi engine on this computer: the steps are carried out directly, over ssh",
    );
    const recordFile = /record: (\S+run\.json)/.exec(kept.stdout())?.[1] ?? "";
    const direct = runRecordSchema.parse(JSON.parse(readFileSync(recordFile, "utf8")));
    expect(direct.tool).toMatchObject({ executor: "direct", engine: null, commandPlugin: null });
    expect(direct.steps.map(({ id, outcome }) => [id, outcome])).toEqual(
      result.record.steps.map(({ id }) => [id, "done"]),
    );
    expect(result.record.tool).toMatchObject({ executor: "pulumi", engine: expect.any(String) as string });
  });

  test("each record says when it was, of which data, that all is well, and holds no secret", async () => {
    const { record, recordFile, pageFile } = result;
    expect(record.steps.map(({ outcome }) => outcome)).toEqual(record.steps.map(() => "done"));
    expect(record.steps.length).toBeGreaterThan(15);
    expect(record.checks.length).toBeGreaterThan(20);
    expect(record.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(record.objectives.map(({ name, met }) => [name, met])).toEqual([
      ["rto", true],
      ["rpo database", true],
      ["rpo configuration", true],
      ["rpo uploads", true],
    ]);
    expect(record.point, second.stderr()).toMatchObject({
      id: idOf(newer),
      dataTime: newer.time.toISOString(),
    });
    const dataAgeSeconds = (Date.parse(record.startedAt) - newer.time.getTime()) / 1000;
    for (const { seconds } of record.objectives.slice(1)) expect(seconds).toBeCloseTo(dataAgeSeconds, 0);
    expect(dataAgeSeconds).toBeLessThan(hour / 1000);
    expect(recordFile).toBe(join(directory, "state/recovery-stack/chatbot/runs", record.run, "run.json"));
    expect(statSync(recordFile).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(recordFile, "utf8"))).toEqual(record);
    expect(pageFile).toBe(join(dirname(recordFile), "run.html"));
    expect(statSync(pageFile).mode & 0o777).toBe(0o600);
    expect(readFileSync(pageFile, "utf8")).toContain(`<title>Recovered: drill of chatbot, `);
    expect(kept.stdout()).toMatch(/^page: +\S+\/run\.html\r?$/m);
    // Progress is for people, on stderr; stdout is one document.
    expect(second.stderr()).toMatch(/begin 1\.2 .*\n[^]*done {2}1\.13 /);

    const files = filesBelow(join(directory, "state")).filter((file) => statSync(file).isFile());
    expect(files.filter((file) => file.endsWith("run.json")).length).toBeGreaterThanOrEqual(2);
    const texts = [
      ...files.map((file) => [file, readFileSync(file, "latin1")]),
      ["stdout", second.stdout()],
      ["stderr", second.stderr()],
      ["terminal", kept.stdout()],
    ] as const;
    for (const [name, text] of texts)
      for (const value of Object.values(planted))
        expect(text.includes(value), `${name} holds a secret`).toBe(false);
    // The control: the same search finds them where they belong.
    const { stdout: archived } = await execa("tar", ["-xzOf", newer.archive, "--wildcards", "*/config/.env"]);
    for (const value of Object.values(planted)) expect(archived.includes(value)).toBe(true);
  });

  test("leave nothing on this computer, but what was to be kept", async () => {
    expect(await leftOf(directory, machines)).toEqual([]);
  });

  test("on a terminal: a list with the time of every step against its budget, in colours", () => {
    const last = lastList(kept.stdout());
    for (const { runbook, title } of result.record.steps) {
      const row = last.split("\n").find((line) => line.includes(`${runbook.padEnd(5)} ${title} `));
      // eslint-disable-next-line no-control-regex
      expect(row, title).toMatch(/^\x1b\[32m✔\x1b\[39m .* (\d+ min )?[\d.]+ (s|min) of \d+ (s|min|h)/);
    }
  });

  test("a machine that is kept is entered with the printed command, which trusts no other host key, and removed by name", async () => {
    const enter = /enter the machine: +(ssh .*\S)/.exec(kept.stdout())?.[1] ?? "";
    const remove = /remove it: +npx (recovery machine remove (\S+))/.exec(kept.stdout());
    const id = remove?.[2] ?? "";
    const [, key = "", knownHosts = ""] = /-i (\S+) .*UserKnownHostsFile=(\S+)/.exec(enter) ?? [];
    expect(statSync(key).mode & 0o777).toBe(0o600);
    const inside = (command: string) =>
      execa("bash", ["-c", `${enter} "$0"`, command], { stdin: "ignore", reject: false });
    const file = await inside("cat /var/www/chatbot/.env");
    expect(file.stderr).toBe("");
    for (const value of Object.values(planted)) expect(file.stdout).toContain(value);

    const listed = asTyped(typed("npx recovery machine list"), "--json");
    expect(await listed.ended).toBe(0);
    const mine = (JSON.parse(listed.stdout()) as { id: string; state: string }[]).find(
      (one) => one.id === id,
    );
    expect(mine?.state).toBe("released");

    const [address = ""] = readFileSync(knownHosts, "utf8").split(" ");
    const { publicKey } = await anotherKey();
    writeFileSync(knownHosts, `${address} ${publicKey}\n`);
    const stranger = await inside("true");
    expect(stranger.exitCode).toBe(255);
    expect(stranger.stderr).toContain("Host key verification failed");

    expect((await tracesOf(id)).length).toBeGreaterThan(5);
    const removed = asTyped(typed("npx recovery machine remove 5d0a91c3", { "5d0a91c3": id }));
    expect(await removed.ended, removed.stderr()).toBe(0);
    expect(await tracesOf(id)).toEqual([]);
    expect(await leftOf(directory, [id])).toEqual([]);
  });
});

/** The list of steps as it stood last, on a terminal that shows each line under the one before. */
function lastList(shown: string): string {
  // eslint-disable-next-line no-control-regex
  const lines = shown.replaceAll(/\x1b\[(\?25[lh]|2K|1A|G)|\r/g, "").split("\n");
  const last = lines.findLastIndex((line) => line.startsWith("elapsed "));
  const first = lines.slice(0, last).findLastIndex((line) => line.startsWith("elapsed "));
  return lines.slice(first + 1, last).join("\n");
}

async function anotherKey(): Promise<{ publicKey: string }> {
  const file = join(directory, "tmp", "another-key");
  await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file]);
  const publicKey = readFileSync(`${file}.pub`, "utf8").trim();
  await rm(file);
  await rm(`${file}.pub`);
  return { publicKey };
}
