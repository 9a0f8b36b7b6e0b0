import { z } from "zod";
import type { Fact } from "../runbook/step.ts";

const fact: z.ZodType<Fact> = z.json();
const seconds = z.number().min(0);
const moment = z.iso.datetime();

const stepRecordSchema = z.strictObject({
  id: z.string(),
  title: z.string(),
  runbook: z.string().describe("Scenario and step of the runbook, such as 1.6."),
  outcome: z.enum(["done", "already-done", "failed", "timed-out", "not-run"]),
  startedAt: moment.nullable(),
  seconds: seconds.nullable(),
  budgetSeconds: seconds,
  facts: z.record(z.string(), fact),
  error: z.strictObject({ what: z.string(), why: z.string(), next: z.string() }).optional(),
});

const checkRecordSchema = z.strictObject({
  title: z.string(),
  ok: z.boolean(),
  expected: z.string(),
  seen: z.string(),
});

const objectiveSchema = z.strictObject({
  name: z.string().describe("rto, or rpo and the class of data."),
  objectiveSeconds: seconds,
  seconds: seconds.nullable().describe("Null when the run did not come so far."),
  met: z.boolean(),
});

/** What one run leaves behind, as run.json. Holds no secret. */
export const runRecordSchema = z.strictObject({
  version: z.literal(1),
  run: z.string(),
  kind: z.enum(["drill", "rebuild"]),
  site: z.string(),
  outcome: z
    .enum(["recovered", "failed", "interrupted"])
    .describe("recovered: all steps done and all checks passed. Objectives are judged apart."),
  error: z.strictObject({ what: z.string(), why: z.string(), next: z.string() }).optional(),
  startedAt: moment.describe("Both clocks start here: the run's, and in a drill the failure's."),
  servingAt: moment.nullable().describe("When the host's own health checks passed."),
  recoveredAt: moment.nullable().describe("When the last check passed: the end of the RTO clock."),
  endedAt: moment,
  tool: z.strictObject({ version: z.string(), engine: z.string(), commandPlugin: z.string() }),
  point: z.strictObject({
    id: z.string(),
    store: z.string(),
    dataTime: moment,
    sha256: z.string(),
    manifestSha256: z.string(),
    storedBytes: z.number(),
  }),
  host: z.strictObject({ address: z.string(), hostKeyFingerprint: z.string() }),
  preparationSeconds: seconds.describe("One-time work before the clock started: engine and base system."),
  steps: z.array(stepRecordSchema),
  checks: z.array(checkRecordSchema).describe("As they were at the end of the run."),
  objectives: z.array(objectiveSchema),
  notes: z
    .array(z.string())
    .describe("What a reader must know: limits of the isolation, refused connections."),
});

export type RunRecord = z.infer<typeof runRecordSchema>;
export type StepRecord = RunRecord["steps"][number];
