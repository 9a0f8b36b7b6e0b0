import { z } from "zod";
import type { StepRecord } from "../evidence/record.ts";
import type { Fact, Step } from "../runbook/step.ts";
import type { SshConnection } from "../ssh/connection.ts";

const fact: z.ZodType<Fact> = z.json();

/** A line of /var/lib/recovery/history.jsonl: one attempt at a step. */
const attemptSchema = z.object({
  triggers: z.array(z.string()),
  result: z.object({
    step: z.string(),
    outcome: z.enum(["done", "failed", "timed-out"]),
    startedAt: z.string(),
    seconds: z.number(),
    facts: z.record(z.string(), fact),
    error: z.object({ what: z.string(), why: z.string(), next: z.string() }).optional(),
  }),
});

export type Attempt = z.infer<typeof attemptSchema>;

/** Every attempt on this machine, in order: a host made from a snapshot remembers those of another. */
export async function readLedger(connection: SshConnection, signal?: AbortSignal): Promise<Attempt[]> {
  const { stdout } = await connection.run(
    // Without jq: a host that is only looked at may not have it yet.
    String.raw`grep -F "\"machine\":\"$(cat /etc/machine-id)\"" /var/lib/recovery/history.jsonl 2>/dev/null || true`,
    {
      timeoutSeconds: 30,
      ...(signal && { signal }),
    },
  );
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => attemptSchema.parse(JSON.parse(line)));
}

/** The plan's steps with the last attempt at each, for the triggers of this plan; pure. */
export function stepRecords(
  steps: readonly Step[],
  triggers: ReadonlyMap<string, string[]>,
  attempts: readonly Attempt[],
): StepRecord[] {
  return steps.map(({ id, title, runbook, after, budgetSeconds }) => {
    const wanted = JSON.stringify(triggers.get(id));
    const last = attempts.findLast(
      ({ result, triggers: own }) => result.step === id && JSON.stringify(own) === wanted,
    )?.result;
    return {
      id,
      title,
      runbook,
      budgetSeconds,
      after,
      outcome: last?.outcome ?? "not-run",
      startedAt: last?.startedAt ?? null,
      seconds: last?.seconds ?? null,
      facts: last?.facts ?? {},
      ...(last?.error ? { error: last.error } : {}),
    };
  });
}
