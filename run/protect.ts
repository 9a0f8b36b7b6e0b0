import { effectiveTriggers } from "../runbook/triggers.ts";
import { prepareProtection, type ProtectionOptions } from "../stacks/protection.ts";
import { stepOverSsh } from "./step-over-ssh.ts";

/** What the server told of itself. */
export type ProtectionFacts = Record<string, unknown>;

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
      facts = {
        ...facts,
        ...(await stepOverSsh(connection, step, triggers.get(step.id) ?? [], options.signal)).facts,
      };
    }
  } finally {
    await session.close();
  }
  return facts;
}
