import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { judgeObjectives } from "../evidence/objectives.ts";
import { runRecordSchema, type RunRecord, type StepRecord } from "../evidence/record.ts";
import type { CheckResult } from "../runbook/checks.ts";
import { protectionStep } from "../runbook/protection.ts";
import { partChecks } from "../runbook/server-failure.ts";
import { effectiveTriggers } from "../runbook/triggers.ts";
import { OperatorError } from "../site/operator-error.ts";
import { connect, fingerprint, type SshTarget } from "../ssh/connection.ts";
import type { PreparedRecovery } from "../stacks/prepare.ts";
import { backupTasks } from "./backup-tasks.ts";
import { runChecks } from "./check.ts";
import { readLedger, stepRecords } from "./ledger.ts";
import { programVersion } from "./program-version.ts";

/** What is told of a run beside its steps and checks. */
export interface Surroundings {
  /** What got past the wall: each makes the run a failed one. */
  breaches: string[];
  /** What a reader must know. */
  notes: string[];
  /** What became of the old server. */
  fencing?: RunRecord["fencing"];
  /** How far the host's clock was found to be from this computer's, when that matters; negative when it is behind. */
  clockAheadSeconds?: number;
}

export interface RecordOptions {
  kind: RunRecord["kind"];
  prepared: PreparedRecovery;
  target: SshTarget;
  startedAt: Date;
  /** When there was a host to recover on. */
  hostAt: Date;
  preparationSeconds: number;
  tool: Omit<RunRecord["tool"], "version">;
  /** The host had the site's packages before the clock started. */
  baked: boolean;
  runDirectory: string;
  /** What ended the executor, if anything did. */
  failure: unknown;
  /** Fires when the operator ends the run; its checks are then not waited for. */
  signal: AbortSignal;
  /** Asked when the checks are over. */
  surroundings: () => Surroundings;
  /** The checks, where they are not those of a site on the run's host. */
  checks?: () => Promise<CheckResult[]>;
  say: (line: string) => void;
}

export interface RecordedRun {
  record: RunRecord;
  /** Path of run.json. */
  recordFile: string;
  /** Path of run.html, the same for people. */
  pageFile: string | null;
}

/**
 * Ends a run: the ledger is read, the checks are run now, whatever the executor skipped, and run.json is written,
 * and run.html beside it. A run whose host cannot be asked any more is recorded too, as failed.
 */
export async function recordRun(options: RecordOptions): Promise<RecordedRun> {
  const { prepared, target, startedAt, signal } = options;
  const { site } = prepared.loaded;
  const { only } = prepared.settings;
  const { databases } = prepared;
  const isolated = prepared.steps.some(({ id }) => id === "close-egress");
  let failure = options.failure;
  let steps: StepRecord[] = stepRecords(prepared.steps, new Map(), []);
  let checksAt: Date | null = null;
  let checks: CheckResult[] = [];
  try {
    steps = await readSteps(prepared, target, signal);
    if (failure === undefined && !signal.aborted) {
      checksAt = new Date();
      checks = await (options.checks?.() ??
        runChecks({
          loaded: prepared.loaded,
          target,
          ...(only === undefined
            ? { restored: true, readOnly: false, databases: "server" }
            : partChecks[only]),
          isolated,
          install: false,
          say: options.say,
          signal,
        }));
    }
  } catch (error) {
    failure ??= error;
  }
  const interrupted = signal.aborted;
  const { breaches, notes, fencing, clockAheadSeconds = 0 } = options.surroundings();
  const recoveredAt = new Date();
  const good =
    failure === undefined &&
    !interrupted &&
    steps.every(({ outcome }) => outcome === "done") &&
    checks.length > 0 &&
    checks.every(({ ok }) => ok) &&
    breaches.length === 0;
  const tasks = interrupted ? [] : await notedTasks(options, steps);
  const health = steps.find(({ id }) => id === "health");
  const mended =
    options.checks === undefined
      ? "npx recovery check --host HOST --host-key KEY"
      : "the same command again, which restores nothing once more";
  const error = good
    ? undefined
    : errorOf({ breaches, interrupted, kind: options.kind, mended }, failure, steps, checks);
  const record = runRecordSchema.parse({
    version: 1,
    run: prepared.settings.run.id,
    kind: options.kind,
    site: site.name,
    outcome: good ? "recovered" : interrupted ? "interrupted" : "failed",
    ...(error ? { error } : {}),
    startedAt: startedAt.toISOString(),
    hostAt: options.hostAt.toISOString(),
    // Elsewhere nothing has served before its checks at the end.
    servingAt: health?.outcome === "done" && !options.checks ? endOf(health, clockAheadSeconds) : null,
    checksAt: checksAt?.toISOString() ?? null,
    recoveredAt: good ? recoveredAt.toISOString() : null,
    endedAt: new Date().toISOString(),
    tool: { version: programVersion, ...options.tool },
    point: {
      id: prepared.point.id,
      store: prepared.point.store,
      dataTime: prepared.point.timeOfData,
      sha256: prepared.point.sha256,
      manifestSha256: prepared.point.manifestSha256,
      storedBytes: prepared.point.storedBytes,
    },
    ...(databases
      ? {
          databases: {
            id: databases.id,
            store: databases.store,
            dataTime: databases.timeOfData,
            manifestSha256: databases.manifestSha256,
            storedBytes: databases.storedBytes,
          },
        }
      : {}),
    host: { address: target.address, hostKeyFingerprint: fingerprint(target.hostKey) },
    preparationSeconds: options.preparationSeconds,
    baked: options.baked,
    ...(only ? { only } : {}),
    ...(fencing ? { fencing } : {}),
    steps,
    checks,
    objectives: judgeObjectives(
      site,
      {
        failureAt: startedAt,
        dataTime: new Date(prepared.point.timeOfData ?? startedAt),
        databaseTime: new Date((databases ?? prepared.point).timeOfData ?? startedAt),
        recoveredAt: good ? recoveredAt : null,
      },
      only,
    ),
    notes: [...notes, ...tasks],
  } satisfies Record<keyof Omit<RunRecord, "databases" | "error" | "only" | "fencing" | "watch">, unknown>);
  return keepRecord(record, options);
}

type Keeping = Pick<RecordOptions, "runDirectory" | "say">;

/** Writes run.json and its page whole, over those that are there. */
export async function keepRecord(record: RunRecord, options: Keeping): Promise<RecordedRun> {
  const recordFile = join(options.runDirectory, "run.json");
  await writeWhole(recordFile, `${JSON.stringify(record, null, 2)}\n`);
  return { record, recordFile, pageFile: await writePage(record, options) };
}

/** Null when there is none, which was said: what became of the site does not hang on its picture. */
async function writePage(record: RunRecord, { runDirectory, say }: Keeping): Promise<string | null> {
  const pageFile = join(runDirectory, "run.html");
  try {
    // That of an earlier attempt would tell of another end.
    await rm(pageFile, { force: true });
    // Loaded here, since no other command draws anything.
    const { runPage } = await import("../evidence/page/page.ts");
    await writeWhole(pageFile, await runPage(record));
    return pageFile;
  } catch (error) {
    say(`the page of this run could not be made, its record is whole: ${String(error)}`);
    return null;
  }
}

async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

/** How long a host is asked how far the run came when the operator waits for the end of it. */
const interruptedLimitMilliseconds = 5000;

/** How far each step came, as the host remembers it. */
async function readSteps(
  { steps }: PreparedRecovery,
  target: SshTarget,
  interruption: AbortSignal,
): Promise<StepRecord[]> {
  const limit = interruption.aborted
    ? { signal: AbortSignal.timeout(interruptedLimitMilliseconds) }
    : { signal: interruption };
  const connection = await connect(target, limit);
  try {
    return stepRecords(steps, effectiveTriggers(steps), await readLedger(connection, limit.signal));
  } finally {
    await connection.close();
  }
}

/**
 * What a person has to do about the backups that the server makes by itself from now on, as it is now: the ledger would remember what has
 * been done since. Not being told that fails no recovery.
 */
async function notedTasks(
  { prepared, target, signal }: RecordOptions,
  steps: readonly StepRecord[],
): Promise<string[]> {
  if (!steps.some(({ id, outcome }) => id === protectionStep && outcome === "done")) return [];
  try {
    const connection = await connect(target, { signal });
    try {
      const tasks = await backupTasks(connection, prepared.loaded.site, signal);
      return tasks.map((task) => `to do: ${task}`);
    } finally {
      await connection.close();
    }
  } catch (error) {
    const why = error instanceof OperatorError ? error.why : String(error);
    return [`what is left to do for the backups of this server is not known: ${why}`];
  }
}

/** What to do about a run that was cut short: a drill's machine is gone, a rebuilt host remembers. */
const again = {
  drill: "run the same command again",
  rebuild: "run the same command again: it goes on where it stopped",
};

/** What the operator is told of a run that did not recover: the step's own words before the engine's. */
function errorOf(
  {
    breaches,
    interrupted,
    kind,
    mended,
  }: { breaches: string[]; interrupted: boolean; kind: RunRecord["kind"]; mended: string },
  failure: unknown,
  steps: readonly StepRecord[],
  checks: readonly CheckResult[],
): NonNullable<RunRecord["error"]> {
  if (breaches.length > 0) {
    return {
      what: "something got past the wall",
      why: breaches.join("; "),
      next: "treat what was restored as having spoken to the outside; report this with the run's record",
    };
  }
  if (interrupted) {
    return {
      what: "the run was interrupted",
      why: "the operator ended it",
      next: again[kind],
    };
  }
  const failed = steps.find(({ error }) => error !== undefined);
  if (failed?.error) return { ...failed.error, what: `${failed.title}: ${failed.error.what}` };
  if (failure instanceof OperatorError) return { what: failure.what, why: failure.why, next: failure.next };
  const wrong = checks.filter(({ ok }) => !ok);
  if (wrong.length > 0) {
    return {
      what: `${wrong.length} of ${checks.length} checks failed`,
      why: wrong.map(({ title, expected, seen }) => `${title}: expected ${expected}, saw ${seen}`).join("; "),
      next: `mend the cause on the host, then run: ${mended}`,
    };
  }
  if (failure instanceof Error) {
    return { what: "the run did not come to its end", why: failure.message, next: again[kind] };
  }
  // The engine believes that all is done, and would again do nothing.
  const missing = steps.filter(({ outcome }) => outcome !== "done").map(({ id }) => id);
  if (missing.length === 0)
    return { what: "nothing was checked", why: "no check has a result", next: again[kind] };
  return {
    what: "the host does not remember the recovery",
    why: `the stack's state says that they are done, and the host has no record of: ${missing.join(", ")}`,
    next: "see what became of /var/lib/recovery there; to recover the host anew, name it a second time: --again ADDRESS",
  };
}

/** By this computer's clock. */
function endOf(step: StepRecord, clockAheadSeconds: number): string | null {
  if (step.startedAt === null || step.seconds === null) return null;
  return new Date(Date.parse(step.startedAt) + (step.seconds - clockAheadSeconds) * 1000).toISOString();
}
