import type { CommandPlugin } from "../engine/command-plugin.ts";
import type { Engine } from "../engine/find.ts";
import { openStack } from "../engine/stack.ts";
import type { RunRecord } from "../evidence/record.ts";
import type { SshTarget } from "../ssh/connection.ts";
import { prepareRecovery } from "../stacks/prepare.ts";
import { declareRecovery, hostSession } from "../stacks/recovery.ts";
import type { RecoverySettings } from "../stacks/settings.ts";
import { stepEvent } from "./engine-events.ts";
import { recordRun } from "./record.ts";
import type { Reporter } from "./reporter.ts";

export interface RecoverOptions {
  kind: RunRecord["kind"];
  settings: Omit<RecoverySettings, "host">;
  target: SshTarget;
  engine: Engine;
  plugin: CommandPlugin;
  /** Name of the stack, such as chatbot.staging. */
  stack: string;
  /** Where this stack's workspace, backend and passphrase lie. */
  stackDirectory: string;
  /** Where run.json goes. */
  runDirectory: string;
  startedAt: Date;
  preparationSeconds: number;
  /** What must be told beside the steps: `breaches` make the run a failed one. Asked at the end. */
  surroundings?: () => { breaches: string[]; notes: string[] };
  reporter: Reporter;
  signal: AbortSignal;
}

export interface RecoverResult {
  record: RunRecord;
  /** Path of run.json. */
  recordFile: string;
}

/**
 * Scenario 1 on a host that is there: the same program as plain `pulumi up`, carried out by the Pulumi engine in this
 * process, and the checks run at its end whatever the engine skipped. A run that fails is recorded, not thrown.
 */
export async function recover(options: RecoverOptions): Promise<RecoverResult> {
  const { kind, target, engine, plugin, reporter, signal } = options;
  const say = (line: string) => {
    reporter.say(line);
  };
  const isolated = kind === "drill";
  const { address, port, user, hostKey, agentSocketPath } = target;
  const prepared = await prepareRecovery(
    { ...options.settings, host: { address, port, user, hostKey } },
    { isolated, say },
  );
  const session = hostSession(prepared, say, agentSocketPath);
  reporter.plan(prepared.steps);
  let failure: unknown;
  try {
    const stack = await openStack({
      engine,
      plugin,
      stackName: options.stack,
      directory: options.stackDirectory,
      environment: agentSocketPath === undefined ? {} : { SSH_AUTH_SOCK: agentSocketPath },
      program: () => Promise.resolve({ ...declareRecovery(prepared, session) }),
      say,
    });
    await stack.up({
      signal,
      onEvent: (event) => {
        const step = stepEvent(event);
        if (step?.state === "started") reporter.started(step.id);
        else if (step) reporter.ended(step.id, step.state === "done");
      },
    });
  } catch (error) {
    failure = error;
  } finally {
    await session.close();
    reporter.close();
  }
  return recordRun({
    kind,
    prepared,
    target,
    startedAt: options.startedAt,
    preparationSeconds: options.preparationSeconds,
    engine: `${engine.version} (${engine.from})`,
    commandPlugin: plugin.from,
    runDirectory: options.runDirectory,
    failure,
    interrupted: signal.aborted,
    ...(options.surroundings?.() ?? { breaches: [], notes: [] }),
    say,
  });
}
