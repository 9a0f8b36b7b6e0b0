import { mkdir, readdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { exclusively } from "../engine/exclusive.ts";
import { baseNeeds, ensureBase } from "../machines/base.ts";
import { ensureDebianPackages } from "../machines/debian-packages.ts";
import { createMachine, machineNeeds, sweepMachines, type Machine } from "../machines/nspawn.ts";
import type { DebianRelease } from "../site/debian-versions.ts";
import { loadSite, type LoadedSite } from "../site/load.ts";
import type { Site } from "../site/schema.ts";
import { startAgent, type ThrowAwayAgent } from "../ssh/agent.ts";
import { prepareRecovery, recoverablePoints } from "../stacks/prepare.ts";
import { ensureBaked } from "./bake.ts";
import { chooseExecutor } from "./choose-executor.ts";
import { choose, draw } from "./choose.ts";
import type { RecordedRun } from "./record.ts";
import { refuseOnProtectedHost } from "./protected-host.ts";
import { recover } from "./recover.ts";
import type { Reporter } from "./reporter.ts";
import { runId } from "./run-id.ts";
import { type VerdictSigner, verdictSigner } from "./sign-verdict.ts";
import { shareRecords } from "./shared-records.ts";
import { stateDirectory } from "./state-directory.ts";
import { throwAwayFolder } from "./throw-away-folder.ts";
import { watchRecovered } from "./watch.ts";

export interface DrillOptions {
  siteFile: string;
  /** Id of a restore point, or whether one is drawn among all good ones; without, the one that a rebuild would propose. */
  pointId?: string;
  draw: boolean;
  /** Only points with data of before this moment. */
  before?: Date;
  /** Onto this Debian, with its PHP and PostgreSQL, whatever site.yaml says. */
  release?: DebianRelease;
  /** Carry the steps out directly, with no Pulumi engine. */
  withoutPulumi: boolean;
  /** Leave the machine, and say how to get in. */
  keep: boolean;
  /** On a machine that has the site's packages already: a quick test of the backup, and no measure of the RTO. */
  baked: boolean;
  /** How long the recovered site is watched; 0 for not at all. */
  watchSeconds: number;
  /** Whether the point is proven by it is signed, as a verifier of the site. */
  sign: boolean;
  reporter: Reporter;
  /** Ends the drill at once: there is nothing in it that would be lost. */
  signal: AbortSignal;
}

export interface DrillResult extends RecordedRun {
  /** Path of the verdict that was signed. */
  verdict?: string;
  /** How to enter and to remove the machine that was kept. */
  kept?: { enter: string; remove: string };
}

/** Commands of the operator's computer that a drill needs, beside those of the machines. */
const needs = [
  { command: "git", package: "git" },
  { command: "rclone", package: "rclone" },
  { command: "ssh-agent", package: "openssh-client" },
];

/**
 * Scenario 1 on a throw-away machine, in one go: lock, machine, stack, checks, record, tear-down. Whatever happens, the
 * machine and all that was restored on it are gone at the end, unless it is to be kept.
 */
export async function drill(options: DrillOptions): Promise<DrillResult> {
  const loaded = await loadSite(options.siteFile, options.release);
  const { reporter, signal } = options;
  const say = (line: string) => {
    reporter.say(line);
  };
  // Before anything is installed there.
  if (options.sign) await refuseOnProtectedHost();
  await ensureDebianPackages([...needs, ...baseNeeds, ...machineNeeds], say);
  const signer = options.sign ? await verdictSigner(loaded) : undefined;
  return exclusively(
    join(stateDirectory(loaded.site.name), "drill.lock"),
    () => {
      say(`another drill of ${loaded.site.name} is under way; waiting for its end`);
    },
    signal,
    () => onMachine(options, loaded, signer, say),
  );
}

async function onMachine(
  options: DrillOptions,
  loaded: LoadedSite,
  signer: VerdictSigner | undefined,
  say: (line: string) => void,
): Promise<DrillResult> {
  const { reporter, signal, siteFile } = options;
  const { site } = loaded;
  const preparing = Date.now();
  await sweepMachines(say);
  const { points, unread } = await recoverablePoints(loaded, say);
  const id = options.draw ? draw(points) : options.pointId;
  const { pin, passedOver } = choose(points, { id, before: options.before }, say);
  const { withoutPulumi } = options;
  const executor = await chooseExecutor({ kind: "drill", withoutPulumi, say, signal });
  const base = options.baked
    ? (await ensureBaked(site, say, signal)).base
    : await ensureBase(site.server.release, say, signal);

  const startedAt = new Date();
  const run = runId("drill", startedAt);
  const runs = join(stateDirectory(site.name), "runs");
  await sweepWork(runs);
  const runDirectory = join(runs, run);
  await mkdir(runDirectory, { recursive: true, mode: 0o700 });
  let agent: ThrowAwayAgent | undefined;
  let machine: Machine | undefined;
  let kept: DrillResult["kept"];
  const work = await throwAwayFolder(join(runDirectory, workFolder));
  let endTemporary: () => void = () => undefined;
  try {
    // First: the path of a socket must be short.
    agent = await startAgent();
    endTemporary = await temporaryFilesBelow(work.path);
    const made = await createMachine({
      release: site.server.release,
      base,
      authorizedKeys: [agent.publicKey],
      admittedHosts: applicationHosts(site.application.git),
      say,
      signal,
    });
    machine = made;
    const { address, port, user, hostKey } = made;
    const host = { address, port, user, hostKey };
    const prepared = await prepareRecovery(
      {
        siteFile,
        host,
        ...(options.release === undefined ? {} : { release: options.release }),
        pin,
        attempt: 1,
        run: { id: run, who: "a drill", why: `drill ${site.name}` },
      },
      { isolated: true, say, listed: { points, unread } },
    );
    const target = { ...host, agentSocketPath: agent.socketPath };
    const result = await recover({
      kind: "drill",
      prepared,
      target,
      executor: executor({ stack: `${site.name}.staging`, directory: join(work.path, "stack") }),
      runDirectory,
      startedAt,
      baked: options.baked,
      preparationSeconds: (startedAt.getTime() - preparing) / 1000,
      surroundings: () => ({
        breaches: made.wall.canary.touched.map(({ from, protocol }) => `${protocol} from ${from}`),
        notes: [
          "the machine is a container without a route: a wall against accidents, not against an attacker who is root in it",
          ...(options.release === undefined ? [] : [releaseNote(site)]),
          ...unread,
          ...passedOver,
          ...made.wall.refused.map(({ host }) => `refused by the wall: ${host}`),
        ],
      }),
      reporter,
      signal,
      kill: signal,
    });
    const watched = await watchRecovered(result, {
      site,
      target,
      isolated: true,
      seconds: options.watchSeconds,
      runDirectory,
      say,
      signal,
    });
    await shareRecords(loaded, say);
    // The copy that was restored, should it be another than was chosen.
    const verdict = await signer?.drilled(prepared.point, watched.record);
    if (options.keep && !signal.aborted) {
      // With the machine's own files, so that removing it removes them too.
      const key = join(machine.directory, "key");
      await agent.saveKey(key);
      const knownHosts = await machine.knownHosts(machine.directory);
      await machine.release();
      kept = {
        enter: `ssh -i ${key} -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=${knownHosts} ${user}@${address}`,
        remove: `npx recovery machine remove ${machine.id}`,
      };
    }
    return { ...watched, ...(verdict === undefined ? {} : { verdict }), ...(kept ? { kept } : {}) };
  } finally {
    try {
      if (machine && !kept) await machine.destroy();
    } finally {
      await agent?.close();
      endTemporary();
      await work.remove();
      await rmdir(runDirectory).catch(() => undefined); // holds the record, unless the run ended before there was one
    }
  }
}

function releaseNote({ server: { release }, php }: Site): string {
  return `onto Debian ${release} with PHP ${php.version}, as --release says: a rebuild takes what site.yaml names`;
}

/** What is of no use once the machine is gone: the state of its stack, temporary files. */
const workFolder = "work";

/** Removes what drills left behind that were killed together with what cleans up after them. Only under the site's lock. */
async function sweepWork(runs: string): Promise<void> {
  const names = await readdir(runs).catch(() => []);
  for (const name of names.filter((run) => run.endsWith("-drill"))) {
    await rm(join(runs, name, workFolder), { recursive: true, force: true });
    await rmdir(join(runs, name)).catch(() => undefined); // holds a record
  }
}

/** The Automation API keeps a log of the run in the system's folder for temporary files, and can only so be told of another. */
async function temporaryFilesBelow(folder: string): Promise<() => void> {
  const path = join(folder, "tmp");
  await mkdir(path, { mode: 0o700 });
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = path;
  return () => {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
  };
}

/** The host names that the application's source may be fetched from, beside the package mirror. */
function applicationHosts(git: string | undefined): string[] {
  return git !== undefined && URL.canParse(git) ? [new URL(git).hostname] : [];
}
