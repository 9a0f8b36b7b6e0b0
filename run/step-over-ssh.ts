import { z } from "zod";
import { stepCommand } from "../runbook/command.ts";
import type { Step } from "../runbook/step.ts";
import { effectiveTriggers } from "../runbook/triggers.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import type { SshConnection } from "../ssh/connection.ts";

/** The host ends a step at its timeout; the news of it may take a moment. */
const slackSeconds = 60;
const resultSchema = z.object({
  outcome: z.enum(["done", "already-done"]),
  facts: z.record(z.string(), z.unknown()),
});

/**
 * Has a host do a step, over a connection that opened it.
 *
 * @throws OperatorError (1) in the step's own words when it fails
 */
export async function stepOverSsh(
  connection: Pick<SshConnection, "run">,
  step: Step,
  triggers: string[],
  signal?: AbortSignal,
): Promise<z.infer<typeof resultSchema>> {
  const { command, stdin } = stepCommand(step, triggers);
  const { exitCode, stdout, stderr } = await connection.run(command, {
    stdin,
    timeoutSeconds: step.timeoutSeconds + slackSeconds,
    ...(signal && { signal }),
  });
  if (exitCode !== 0) throw failed(step, exitCode, stderr);
  return resultSchema.parse(JSON.parse(stdout));
}

/**
 * The same of all steps of a plan, one after the other.
 *
 * @returns what they told, together
 */
export async function stepsOverSsh(
  connection: Pick<SshConnection, "run">,
  steps: readonly Step[],
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  const triggers = effectiveTriggers(steps);
  const told: Record<string, unknown>[] = [];
  for (const step of steps) {
    const { facts } = await stepOverSsh(connection, step, triggers.get(step.id) ?? [], signal);
    told.push(facts);
  }
  return Object.assign({}, ...told) as Record<string, unknown>;
}

/** run-step gives what, why and what next on its standard error, a line each. */
function failed({ title }: Step, exitCode: number, stderr: string): OperatorError {
  const [
    what = `it ended with ${exitCode}`,
    why = "it said nothing",
    next = "look at the host, then run again",
  ] = stderr.trim().split("\n").filter(Boolean);
  return new OperatorError(exitCodes.failed, `${title}: ${what}`, why, next);
}
