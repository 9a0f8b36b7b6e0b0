import { setTimeout as pause } from "node:timers/promises";
import type { CommandPlugin } from "../engine/command-plugin.ts";
import type { Engine } from "../engine/find.ts";
import { openStack } from "../engine/stack.ts";
import type { RunRecord } from "../evidence/record.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import type { SshTarget } from "../ssh/connection.ts";
import type { HostSession } from "../ssh/host-session.ts";
import { prepareRecovery, type PreparedRecovery } from "../stacks/prepare.ts";
import { declareRecovery, hostSession } from "../stacks/recovery.ts";
import type { RecoverySettings } from "../stacks/settings.ts";
import { stepEvent } from "./engine-events.ts";
import { recordRun } from "./record.ts";
import type { Reporter } from "./reporter.ts";
import { watchSilence } from "./silence.ts";

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
  surroundings: () => { breaches: string[]; notes: string[] };
  reporter: Reporter;
  /** The steps that run come to their end, and no other begins. */
  signal: AbortSignal;
  /** The engine is ended with whatever it does. Never fires before `signal`. */
  kill: AbortSignal;
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
  const hostAt = new Date();
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
  // A drill's machine is blank, so it is opened while the engine starts; whoever needs it open hears of a failure.
  if (isolated) session.open().catch(() => undefined);
  try {
    await carryOut(options, prepared, session);
  } catch (error) {
    failure = session.refusal ?? error;
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
    engine: `${engine.version} (${engine.from})`,
    commandPlugin: plugin.from,
    runDirectory: options.runDirectory,
    failure,
    signal,
    surroundings: options.surroundings,
    say,
  });
}

/** Before the first step, and between two, the engine says nothing while a host is opened (host-session.ts: 15 s + 420 s + 30 s). */
const quietSeconds = 500;
/** A step is ended on its host at its timeout; the news of it may take a moment. */
const slackSeconds = 60;
const killAgainMilliseconds = 200;

async function carryOut(
  { engine, plugin, reporter, signal, kill, ...options }: RecoverOptions,
  prepared: PreparedRecovery,
  session: HostSession,
): Promise<void> {
  const { agentSocketPath } = options.target;
  // Each step asks for the open host before it begins. To interrupt the engine instead would end the waiting for those that
  // run, where a plugin takes that as its order to end.
  const sessionWhileWanted = {
    open: () => {
      signal.throwIfAborted();
      return session.open();
    },
    openRelay: () => session.openRelay(),
    closeRelay: () => session.closeRelay(),
  };
  const stack = await openStack({
    engine,
    plugin,
    stackName: options.stack,
    directory: options.stackDirectory,
    environment: agentSocketPath === undefined ? {} : { SSH_AUTH_SOCK: agentSocketPath },
    program: () => Promise.resolve({ ...declareRecovery(prepared, sessionWhileWanted) }),
    say: (line) => {
      reporter.say(line);
    },
  });
  let ended = false;
  // More than once: at the first time the engine may not have been started yet.
  const endEngine = async () => {
    while (!ended) {
      await stack.kill();
      await pause(killAgainMilliseconds);
    }
  };
  const onKill = () => void endEngine();
  const timeouts = new Map(prepared.steps.map(({ id, timeoutSeconds }) => [id, timeoutSeconds]));
  const running = new Set<string>();
  let silentSeconds = 0;
  const silence = watchSilence(
    () => Math.max(quietSeconds, ...[...running].map((id) => timeouts.get(id) ?? 0)) + slackSeconds,
    (seconds) => {
      silentSeconds = seconds;
      void endEngine();
    },
  );
  kill.addEventListener("abort", onKill);
  try {
    signal.throwIfAborted();
    await stack.up({
      onEvent: (event) => {
        const step = stepEvent(event);
        if (step?.state === "started") {
          running.add(step.id);
          reporter.started(step.id);
        } else if (step) {
          running.delete(step.id);
          reporter.ended(step.id, step.state === "done");
        }
        silence.heard();
      },
    });
  } catch (error) {
    if (silentSeconds === 0 || signal.aborted) throw error;
    throw new OperatorError(
      exitCodes.failed,
      "the engine was ended, since it said nothing any more",
      `${silentSeconds} s passed without a word of it, longer than ${[...running].join(", ") || "any step"} may take`,
      "see whether the host can be reached, then run the same command again: it goes on where it stopped",
      { cause: error },
    );
  } finally {
    ended = true;
    silence.stop();
    kill.removeEventListener("abort", onKill);
  }
}
