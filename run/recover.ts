import type { RunRecord } from "../evidence/record.ts";
import type { CheckResult } from "../runbook/checks.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import type { SshConnection, SshTarget } from "../ssh/connection.ts";
import type { PreparedRecovery } from "../stacks/prepare.ts";
import { hostSession } from "../stacks/recovery.ts";
import type { Executor, StepHost } from "./executor.ts";
import { recordRun, type RecordedRun, type Surroundings } from "./record.ts";
import type { Reporter } from "./reporter.ts";

export interface RecoverOptions {
  kind: RunRecord["kind"];
  prepared: PreparedRecovery;
  target: SshTarget;
  executor: Executor;
  /** Where run.json and run.html go. */
  runDirectory: string;
  startedAt: Date;
  preparationSeconds: number;
  /** The host had the site's packages before the clock started. */
  baked?: boolean;
  /** What steps need beside the secrets of site.yaml, by name. */
  secrets?: Record<string, string>;
  /** Done by this computer when every step is done, each time; what it throws fails the run. */
  afterSteps?: () => Promise<void>;
  /** The checks at the end, where not the whole site is on the host. */
  checks?: () => Promise<CheckResult[]>;
  /** What must be told beside the steps. Asked at the end. */
  surroundings: () => Surroundings;
  /** Done by this computer before a step begins, by its id; what it throws fails the step. */
  beforeStep?: (step: string, connection: SshConnection) => Promise<void>;
  reporter: Reporter;
  /** The steps that run come to their end, and no other begins. */
  signal: AbortSignal;
  /** Nothing is waited for. Never fires before `signal`. */
  kill: AbortSignal;
}

/**
 * Scenario 1 on a host that is there: the plan, carried out by an executor, and the checks run at its end whatever that
 * skipped. A run that fails is recorded, not thrown.
 */
export async function recover(options: RecoverOptions): Promise<RecordedRun> {
  const { kind, prepared, target, executor, reporter, signal, kill } = options;
  const hostAt = new Date();
  const say = (line: string) => {
    reporter.say(line);
  };
  const session = hostSession(prepared, say, target.agentSocketPath, options.secrets);
  reporter.plan(prepared.steps);
  let failure: unknown;
  // An engine hands on no more than the text of what is thrown here.
  let refused: OperatorError | undefined;
  // A drill's machine is blank, so it is opened while an engine starts; whoever needs it open hears of a failure.
  if (kind === "drill") session.open().catch(() => undefined);
  // Each step asks for the open host before it begins. To interrupt an engine instead would end the waiting for those that
  // run, where a plugin takes that as its order to end.
  const host: StepHost = {
    open: async (step) => {
      signal.throwIfAborted();
      const connection = await session.open();
      await options.beforeStep?.(step, connection).catch((error: unknown) => {
        if (error instanceof OperatorError) refused = error;
        throw error;
      });
      signal.throwIfAborted();
      return connection;
    },
    openRelay: () => session.openRelay(),
    closeRelay: () => session.closeRelay(),
  };
  try {
    await executor.carryOut({ prepared, host, target, reporter, signal, kill });
    await options.afterSteps?.();
  } catch (error) {
    failure = session.refusal ?? refused ?? error;
    // Another run has the host, it is another host, or nothing here may log in: nothing was done that could be recorded.
    const refusal = session.refusal;
    if (refusal?.exitCode === exitCodes.refused || refusal?.exitCode === exitCodes.missingHere) throw refusal;
  } finally {
    await session.close();
    reporter.close();
  }
  return recordRun({
    kind,
    prepared,
    target,
    startedAt: options.startedAt,
    hostAt,
    preparationSeconds: options.preparationSeconds,
    baked: options.baked ?? false,
    tool: executor.tool,
    runDirectory: options.runDirectory,
    failure,
    signal,
    surroundings: options.surroundings,
    ...(options.checks ? { checks: options.checks } : {}),
    say,
  });
}
