import { setTimeout as pause } from "node:timers/promises";
import type { CommandPlugin } from "../engine/command-plugin.ts";
import type { Engine } from "../engine/find.ts";
import { openStack } from "../engine/stack.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { declareRecovery } from "../stacks/recovery.ts";
import { stepEvent } from "./engine-events.ts";
import type { Delivery, Executor } from "./executor.ts";
import { watchSilence } from "./silence.ts";

export interface PulumiOptions {
  engine: Engine;
  plugin: CommandPlugin;
  /** Name of the stack, such as chatbot.staging. */
  stack: string;
  /** Where this stack's workspace, backend and passphrase lie. */
  directory: string;
}

/** The steps by a Pulumi engine, of the same program as plain `pulumi up`, run in this process. */
export function pulumiExecutor(options: PulumiOptions): Executor {
  const { engine, plugin } = options;
  return {
    tool: {
      executor: "pulumi",
      engine: `${engine.version} (${engine.from})`,
      commandPlugin: plugin.from,
    },
    carryOut: (delivery) => carryOut(options, delivery),
  };
}

/** Before the first step, and between two, the engine says nothing while a host is opened (host-session.ts: 15 s + 420 s + 30 s). */
const quietSeconds = 500;
/** A step is ended on its host at its timeout; the news of it may take a moment. */
const slackSeconds = 60;
/** A plugin that finds out by itself that the host is gone does so sooner. The vendor's may wait for a long time. */
const lostSeconds = 20;
const killAgainMilliseconds = 200;

async function carryOut(
  { engine, plugin, stack: stackName, directory }: PulumiOptions,
  { prepared, host, target, reporter, signal, kill }: Delivery,
): Promise<void> {
  const { agentSocketPath } = target;
  const link = { lost: false };
  // What a step waits for may take longer than an engine may be silent.
  const watchedHost: typeof host = {
    ...host,
    open: async (step) => {
      const waiting = setInterval(() => {
        silence.heard();
      }, 10_000);
      try {
        const connection = await host.open(step);
        void connection.closed.then(() => {
          link.lost = true;
          silence.heard();
        });
        return connection;
      } finally {
        clearInterval(waiting);
      }
    },
  };
  const stack = await openStack({
    engine,
    plugin,
    stackName,
    directory,
    environment: agentSocketPath === undefined ? {} : { SSH_AUTH_SOCK: agentSocketPath },
    program: () => Promise.resolve({ ...declareRecovery(prepared, watchedHost) }),
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
    () =>
      link.lost
        ? lostSeconds
        : Math.max(quietSeconds, ...[...running].map((id) => timeouts.get(id) ?? 0)) + slackSeconds,
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
          reporter.ended(step.id, step.state);
        }
        silence.heard();
      },
    });
  } catch (error) {
    if (silentSeconds === 0 || signal.aborted) throw error;
    throw new OperatorError(
      exitCodes.failed,
      link.lost
        ? `the connection to ${target.address} was lost`
        : "the engine was ended, since it said nothing any more",
      link.lost
        ? `no sign of life came over it, and for ${silentSeconds} s no word of ${[...running].join(", ") || "a step"}`
        : `${silentSeconds} s passed without a word of it, longer than ${[...running].join(", ") || "any step"} may take`,
      "see whether the host can be reached, then run the same command again: it goes on where it stopped",
      { cause: error },
    );
  } finally {
    ended = true;
    silence.stop();
    kill.removeEventListener("abort", onKill);
  }
}
