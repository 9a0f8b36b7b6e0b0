import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setInterval } from "node:timers";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { formatBytes } from "../../backups/format-bytes.ts";
import { packerNeeds } from "../../examples/packer-needs.ts";
import { ensureDebianPackages } from "../../machines/debian-packages.ts";
import { say, secondsSince } from "./figure.ts";

const packer = fileURLToPath(new URL("../../host/resident/pack", import.meta.url));
const needs = [
  ...packerNeeds,
  { command: "sqlite3", package: "sqlite3" },
  { command: "restic", package: "restic" },
  { command: "borg", package: "borgbackup" },
];

/** A backup of 2 GiB of mixed data by the program that a protected server has, beside what a user would pick instead, on a local disk. */
export async function backupMixed(directory: string): Promise<void> {
  await ensureDebianPackages(needs, say);
  say("making 2 GiB: 1 GiB of photos, 0.75 GiB of text, 0.25 GiB in a database");
  const site = await makeSite(join(directory, "site"));
  await execa("age-keygen", ["-o", join(directory, "key")]);
  const { stdout: recipient } = await execa("age-keygen", ["-y", join(directory, "key")]);
  const at = (name: string) => join(directory, name);
  const request = (recipients: string[]) =>
    JSON.stringify({
      ...{
        site: "club",
        tier: "daily",
        startedAt: null,
        waitSeconds: 0,
        recipients,
        signingKey: "",
        data: [],
        logs: [],
      },
      databases: [{ name: "club", kind: "sqlite", path: join(site, "club.db") }],
      uploads: ["photos", "texts"].map((name) => ({ path: name, folder: join(site, name) })),
      configuration: { folder: site, files: [".env"], named: [], server: [], certificates: "" },
      application: { packed: false, revision: "c".repeat(40) },
    });
  const borg = { BORG_PASSPHRASE: "bench", BORG_BASE_DIR: at("borg-home") };
  const restic = { RESTIC_PASSWORD: "bench", RESTIC_CACHE_DIR: at("restic-cache") };
  const tarred = `tar -C "${site}" -cf - . | zstd -q -T0 -c`;
  await execa("restic", ["init", "--quiet", "--repo", at("restic")], { env: restic });
  await execa("borg", ["init", "--encryption", "repokey-blake2", at("borg")], { env: borg });

  const backups: [name: string, store: string, command: string, options?: Options][] = [
    ["floor: tar | zstd", "floor", `mkdir "${at("floor")}" && ${tarred} >"${at("floor")}/all"`],
    [
      "tar | zstd | age",
      "sealed",
      `mkdir "${at("sealed")}" && ${tarred} | age -r ${recipient} >"${at("sealed")}/all"`,
    ],
    ["ours, encrypted", "ours", `"${packer}" "${at("ours")}"`, { input: request([recipient]) }],
    ["restic", "restic", `restic --quiet --repo "${at("restic")}" backup "${site}"`, { env: restic }],
    ["borg", "borg", `borg create --compression zstd "${at("borg")}::one" "${site}"`, { env: borg }],
  ];
  // What was just written is read by all of them from memory.
  await execa("bash", ["-c", `tar -C "${site}" -cf - . | cat >/dev/null`]);
  console.log(`${"backup of 2 GiB".padEnd(28)}      s   of the floor  cpu s      stored   memory`);
  let floor: number | undefined;
  for (const [name, store, command, options] of backups) {
    await mkdir(at("ours"), { recursive: true });
    const cost = await costOf(command, options);
    floor ??= cost.seconds;
    tell(name, cost, floor, formatBytes(await bytesIn(at(store))));
  }

  const restores: [name: string, command: string, options?: Options][] = [
    ["floor: zstd -d | tar", `zstd -q -dc "${at("floor")}/all" | tar -x`],
    ["age | zstd -d | tar", `age -d -i "${at("key")}" "${at("sealed")}/all" | zstd -q -dc | tar -x`],
    ["restic", `restic --quiet --repo "${at("restic")}" restore latest --target .`, { env: restic }],
    ["borg", `borg extract "${at("borg")}::one"`, { env: borg }],
  ];
  console.log(`${"\nrestore of the same".padEnd(28)}       s   of the floor  cpu s`);
  floor = undefined;
  for (const [name, command, options] of restores) {
    const to = at("restored");
    await mkdir(to);
    const cost = await costOf(command, { ...options, cwd: to });
    floor ??= cost.seconds;
    tell(name, cost, floor, "");
    await rm(to, { recursive: true });
  }
}

interface Options {
  input?: string;
  env?: Record<string, string>;
  cwd?: string;
}

interface Cost {
  seconds: number;
  cpuSeconds: number;
  /** The most that all its programs had at one time, what they share counted once. */
  memoryBytes: number;
}

function tell(name: string, { seconds, cpuSeconds, memoryBytes }: Cost, floor: number, stored: string): void {
  const [time, ratio, cpu] = [seconds.toFixed(1), (seconds / floor).toFixed(2), cpuSeconds.toFixed(1)];
  console.log(
    `${name.padEnd(26)} ${time.padStart(6)} ${ratio.padStart(14)} ${cpu.padStart(6)} ${stored.padStart(11)} ${formatBytes(memoryBytes).padStart(8)}`,
  );
}

/** Runs a command of bash to its end, and what is written to the disk. */
async function costOf(command: string, { input = "", env = {}, cwd }: Options = {}): Promise<Cost> {
  await execa("sync");
  const began = performance.now();
  const child = spawn(
    "bash",
    ["-o", "pipefail", "-c", `${command}; ended=$?; sync; times >&2; exit $ended`],
    {
      stdio: ["pipe", "ignore", "pipe"],
      detached: true,
      env: { ...process.env, ...env },
      ...(cwd === undefined ? {} : { cwd }),
    },
  );
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4000)));
  child.stdin.end(input);
  let memoryBytes = 0;
  const looking = setInterval(() => {
    void memoryOf(child.pid ?? 0).then((bytes) => (memoryBytes = Math.max(memoryBytes, bytes)));
  }, 200);
  const [exitCode] = (await once(child, "close")) as [number | null];
  clearInterval(looking);
  if (exitCode !== 0) throw new Error(`${command} ended with ${exitCode ?? "a signal"}: ${said}`);
  return { seconds: secondsSince(began), cpuSeconds: cpuOf(said), memoryBytes };
}

/** The last line of bash's `times`: the processor time of all that it ran, user and system, such as `0m8.501s 0m2.010s`. */
function cpuOf(said: string): number {
  const last = said.trim().split("\n").at(-1) ?? "";
  return [...last.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, minutes, seconds]) => sum + 60 * Number(minutes) + Number(seconds),
    0,
  );
}

/** Of all programs of a session. */
async function memoryOf(session: number): Promise<number> {
  const read = (pid: string, file: string) => readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "");
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const sizes = pids.map(async (pid) => {
    const stat = await read(pid, "stat");
    // Behind the name, which may hold blanks: state, parent, group, session.
    if (stat.slice(stat.lastIndexOf(")") + 2).split(" ")[3] !== String(session)) return 0;
    return 1024 * Number(/^Pss: +(\d+)/m.exec(await read(pid, "smaps_rollup"))?.[1] ?? 0);
  });
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

async function bytesIn(folder: string): Promise<number> {
  const { stdout } = await execa("du", ["-sb", folder]);
  return Number(stdout.split("\t")[0]);
}

/** 256 photos of 4 MiB, 24,000 texts of 32 KiB, a database of 0.25 GiB. */
async function makeSite(site: string): Promise<string> {
  await mkdir(join(site, "photos"), { recursive: true });
  await mkdir(join(site, "texts"));
  await writeFile(join(site, ".env"), "TOKEN=x\n");
  const script = [
    `for i in $(seq 256); do head -c 4M /dev/urandom >photos/$i.jpg; done`,
    // Words by a generator that is the same each time: they compress as prose does, to about a third.
    `perl -e 'srand 1; my @words = map { join "", map { chr(97 + rand 26) } 1 .. 2 + rand 8 } 1 .. 8000; for my $i (1 .. 24000) { my $text = ""; while (length $text < 32768) { $text .= $words[rand() ** 3 * 8000] . " " } open my $file, ">", "texts/$i.txt" or die; print {$file} $text }'`,
    `sqlite3 club.db "PRAGMA journal_mode=wal; CREATE TABLE posts (id INTEGER PRIMARY KEY, body TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 260000) INSERT INTO posts SELECT i, hex(randomblob(200)) || ' and so on and on, ' || hex(randomblob(40)) || printf('%.500c', 'x') FROM n" >/dev/null`,
  ];
  await execa("bash", ["-ec", script.join("\n")], { cwd: site });
  return site;
}
