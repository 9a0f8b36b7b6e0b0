import { type Step, takesStoredFiles } from "../runbook/step.ts";
import { effectiveTriggers } from "../runbook/triggers.ts";
import type { Delivery, Executor } from "./executor.ts";
import { stepOverSsh } from "./step-over-ssh.ts";

/** The steps over the run's own ssh connection, side by side where they do not wait for each other. No engine, no state. */
export const directExecutor: Executor = {
  tool: { executor: "direct", engine: null, commandPlugin: null },
  carryOut: async (delivery) => {
    const { prepared, kill } = delivery;
    const triggers = effectiveTriggers(prepared.steps);
    const all = inOrder(prepared.steps, (step) => carryOut(step, triggers.get(step.id) ?? [], delivery));
    await Promise.race([all, fired(kill)]);
  },
};

async function carryOut(step: Step, triggers: string[], { host, reporter, kill }: Delivery): Promise<void> {
  const connection = await host.open(step.id);
  const relayed = takesStoredFiles(step);
  if (relayed) await host.openRelay();
  reporter.started(step.id);
  try {
    const { outcome } = await stepOverSsh(connection, step, triggers, kill);
    reporter.ended(step.id, outcome);
  } catch (error) {
    // A step that is left to itself has not failed.
    if (!kill.aborted) reporter.ended(step.id, "failed");
    throw error;
  } finally {
    if (relayed) await host.closeRelay();
  }
}

/**
 * Does each step as soon as all its `after` are done. Once one has failed no other begins; it throws what that one threw,
 * when those that had begun have ended.
 */
async function inOrder(steps: readonly Step[], act: (step: Step) => Promise<void>): Promise<void> {
  const failure = new AbortController();
  const ended = new Map<string, Promise<void>>();
  for (const step of steps) {
    const before = step.after.map((id) => ended.get(id) ?? unplanned(step.id, id));
    const end = Promise.all(before).then(async () => {
      failure.signal.throwIfAborted();
      await act(step);
    });
    ended.set(step.id, end);
    end.catch((error: unknown) => {
      failure.abort(error);
    });
  }
  await Promise.allSettled(ended.values());
  failure.signal.throwIfAborted();
}

function unplanned(step: string, before: string): never {
  throw new Error(`${step} comes after ${before}, which is not before it in the plan`);
}

/** Rejects when the signal fires. */
function fired(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const onAbort = () => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}
