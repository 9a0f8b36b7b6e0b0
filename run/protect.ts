import { z } from "zod";
import { stepCommand } from "../runbook/command.ts";
import { effectiveTriggers } from "../runbook/triggers.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { prepareProtection, type ProtectionOptions } from "../stacks/protection.ts";

const resultSchema = z.object({ facts: z.record(z.string(), z.unknown()) });

/** What the server told of itself. */
export type ProtectionFacts = z.infer<typeof resultSchema>["facts"];

/**
 * Has a living server make its own backups from now on, or, with `remove`, no more: the step of the stack `backup`, without an engine.
 * What was done already is not done again. Throws OperatorError.
 */
export async function protect(
  options: ProtectionOptions & { signal: AbortSignal },
): Promise<ProtectionFacts> {
  const { steps, session } = await prepareProtection(options);
  const triggers = effectiveTriggers(steps);
  let facts: ProtectionFacts = {};
  try {
    const connection = await session.open();
    for (const step of steps) {
      const { command, stdin } = stepCommand(step, triggers.get(step.id) ?? []);
      const { exitCode, stdout, stderr } = await connection.run(command, {
        stdin,
        timeoutSeconds: step.timeoutSeconds + 60,
        signal: options.signal,
      });
      if (exitCode !== 0) throw failed(stderr);
      facts = { ...facts, ...resultSchema.parse(JSON.parse(stdout)).facts };
    }
  } finally {
    await session.close();
  }
  return facts;
}

/** run-step gives what, why and what next on its standard error, a line each. */
function failed(stderr: string): OperatorError {
  const [what = "the server said nothing", why = "", next = ""] = stderr.trim().split("\n").slice(-3);
  return new OperatorError(exitCodes.failed, what, why, next);
}
