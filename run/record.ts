import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { judgeObjectives } from "../evidence/objectives.ts";
import { runRecordSchema, type RunRecord, type StepRecord } from "../evidence/record.ts";
import type { CheckResult } from "../runbook/checks.ts";
import { effectiveTriggers } from "../runbook/triggers.ts";
import { OperatorError } from "../site/operator-error.ts";
import { connect, fingerprint, type SshTarget } from "../ssh/connection.ts";
import type { PreparedRecovery } from "../stacks/prepare.ts";
import { runChecks } from "./check.ts";
import { readLedger, stepRecords } from "./ledger.ts";

export interface RecordOptions {
  kind: RunRecord["kind"];
  prepared: PreparedRecovery;
  target: SshTarget;
  startedAt: Date;
  preparationSeconds: number;
  engine: string;
  commandPlugin: string;
  runDirectory: string;
  /** What ended the executor, if anything did. */
  failure: unknown;
  interrupted: boolean;
  /** What got past the wall: each makes the run a failed one. */
  breaches: string[];
  notes: string[];
  say: (line: string) => void;
}

/**
 * Ends a run: the ledger is read, the checks are run now, whatever the executor skipped, and run.json is written. A run whose
 * host cannot be asked any more is recorded too, as failed.
 */
export async function recordRun(options: RecordOptions): Promise<{ record: RunRecord; recordFile: string }> {
  const { prepared, target, startedAt } = options;
  const { site } = prepared.loaded;
  const isolated = prepared.steps.some(({ id }) => id === "close-egress");
  let failure = options.failure;
  let steps: StepRecord[] = stepRecords(prepared.steps, new Map(), []);
  let checks: CheckResult[] = [];
  try {
    if (!options.interrupted) {
      const connection = await connect(target);
      try {
        steps = stepRecords(prepared.steps, effectiveTriggers(prepared.steps), await readLedger(connection));
      } finally {
        await connection.close();
      }
      if (failure === undefined) {
        const { loaded, settings } = prepared;
        checks = await runChecks({
          loaded,
          target,
          run: settings.run,
          restored: true,
          isolated,
          say: options.say,
        });
      }
    }
  } catch (error) {
    failure ??= error;
  }
  const recoveredAt = new Date();
  const good =
    failure === undefined &&
    !options.interrupted &&
    steps.every(({ outcome }) => outcome === "done") &&
    checks.length > 0 &&
    checks.every(({ ok }) => ok) &&
    options.breaches.length === 0;
  const health = steps.find(({ id }) => id === "health");
  const error = good ? undefined : errorOf(options, failure, steps, checks);
  const record = runRecordSchema.parse({
    version: 1,
    run: prepared.settings.run.id,
    kind: options.kind,
    site: site.name,
    outcome: good ? "recovered" : options.interrupted ? "interrupted" : "failed",
    ...(error ? { error } : {}),
    startedAt: startedAt.toISOString(),
    servingAt: health?.outcome === "done" ? endOf(health) : null,
    recoveredAt: good ? recoveredAt.toISOString() : null,
    endedAt: new Date().toISOString(),
    tool: { version: await toolVersion(), engine: options.engine, commandPlugin: options.commandPlugin },
    point: {
      id: prepared.point.id,
      store: prepared.point.store,
      dataTime: prepared.point.timeOfData,
      sha256: prepared.point.sha256,
      manifestSha256: prepared.point.manifestSha256,
      storedBytes: prepared.point.storedBytes,
    },
    host: { address: target.address, hostKeyFingerprint: fingerprint(target.hostKey) },
    preparationSeconds: options.preparationSeconds,
    steps,
    checks,
    objectives: judgeObjectives(site, {
      failureAt: startedAt,
      dataTime: new Date(prepared.point.timeOfData ?? startedAt),
      recoveredAt: good ? recoveredAt : null,
    }),
    notes: options.notes,
  } satisfies Record<keyof Omit<RunRecord, "error">, unknown>);
  const recordFile = join(options.runDirectory, "run.json");
  await writeFile(`${recordFile}.new`, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
  await rename(`${recordFile}.new`, recordFile);
  return { record, recordFile };
}

/** What the operator is told of a run that did not recover: the step's own words before the engine's. */
function errorOf(
  options: RecordOptions,
  failure: unknown,
  steps: readonly StepRecord[],
  checks: readonly CheckResult[],
): NonNullable<RunRecord["error"]> {
  if (options.breaches.length > 0) {
    return {
      what: "something got past the wall",
      why: options.breaches.join("; "),
      next: "treat what was restored as having spoken to the outside; report this with the run's record",
    };
  }
  if (options.interrupted) {
    return {
      what: "the run was interrupted",
      why: "the operator ended it",
      next: "run the same command again: it goes on where it stopped",
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
      next: "mend the cause on the host, then run: npx recovery check",
    };
  }
  const missing = steps.filter(({ outcome }) => outcome !== "done").map(({ id }) => id);
  return {
    what: "the run did not come to its end",
    why:
      failure instanceof Error
        ? failure.message
        : `these steps are not recorded as done: ${missing.join(", ")}`,
    next: "run the same command again: it goes on where it stopped",
  };
}

function endOf(step: StepRecord): string | null {
  if (step.startedAt === null || step.seconds === null) return null;
  return new Date(Date.parse(step.startedAt) + step.seconds * 1000).toISOString();
}

async function toolVersion(): Promise<string> {
  const text = await readFile(new URL("../package.json", import.meta.url), "utf8");
  return String((JSON.parse(text) as { version: unknown }).version);
}
