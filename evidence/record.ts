import { z } from "zod";
import { parts } from "../runbook/server-failure.ts";
import type { Fact } from "../runbook/step.ts";

const fact: z.ZodType<Fact> = z.json();
const seconds = z.number().min(0);
const moment = z.iso.datetime();
const error = z.strictObject({ what: z.string(), why: z.string(), next: z.string() }).optional();

const stepRecordSchema = z.strictObject({
  id: z
    .string()
    .describe(
      "Its name in the ledger and the journal, and the file in host/steps unless the plan says another.",
    ),
  title: z.string().describe("As the operator read it."),
  runbook: z.string().describe("Scenario and step of the runbook, such as 1.6."),
  outcome: z.enum(["done", "already-done", "failed", "timed-out", "not-run"]),
  startedAt: moment.nullable().describe("By the host's clock. Null when it did not run."),
  seconds: seconds.nullable().describe("What it took on the host."),
  budgetSeconds: seconds.describe("Upper bound of the runbook's range."),
  after: z.array(z.string()).describe("Ids of the steps that it had to wait for."),
  facts: z.record(z.string(), fact).describe("What the step found or did: versions, row counts, probes."),
  error: error.describe("Why it failed, in the three lines that the operator read."),
});

const checkRecordSchema = z.strictObject({
  title: z.string(),
  ok: z.boolean(),
  expected: z.string(),
  seen: z.string().describe("At most 500 characters of it."),
});

const objectiveSchema = z.strictObject({
  name: z.string().describe("rto, or rpo and the class of data."),
  objectiveSeconds: seconds.describe("What site.yaml allows."),
  seconds: seconds.nullable().describe("What was measured. Null when the run did not come so far."),
  met: z.boolean(),
});

/** What one run leaves behind, as run.json. Holds no secret. */
export const runRecordSchema = z.strictObject({
  version: z.literal(1).describe("Version of this format."),
  run: z.string().describe("Name of the run, and of the folder that holds its record; sorts by time."),
  kind: z.enum(["drill", "rebuild"]),
  site: z.string().describe("`name` of site.yaml."),
  outcome: z
    .enum(["recovered", "failed", "interrupted"])
    .describe("recovered: all steps done and all checks passed. Objectives are judged apart."),
  error: error.describe("Why it is not recovered: what, why, and what to do next."),
  startedAt: moment.describe("Both clocks start here: the run's, and in a drill the failure's."),
  hostAt: moment.describe(
    "When the host was there: in a drill, when its machine was made; in a rebuild, when the last attempt began.",
  ),
  servingAt: moment.nullable().describe("When the host's own health checks passed."),
  checksAt: moment.nullable().describe("When the last checks began. Null when none were asked."),
  recoveredAt: moment.nullable().describe("When the last check passed: the end of the RTO clock."),
  endedAt: moment,
  tool: z.strictObject({
    version: z.string(),
    executor: z
      .enum(["pulumi", "direct"])
      .describe("What carried the steps to the host: a Pulumi engine, or this program itself."),
    engine: z
      .string()
      .nullable()
      .describe("Version of the Pulumi engine, and where it came from. Null when there was none."),
    commandPlugin: z
      .string()
      .nullable()
      .describe(
        "`vendor`, `download` (the vendor's, fetched by this run) or `ours`. Null without an engine.",
      ),
  }),
  point: z.strictObject({
    id: z.string(),
    store: z.string(),
    dataTime: moment.describe("What happened on the site later than this is not restored."),
    sha256: z
      .string()
      .nullable()
      .describe(
        "Of the archive's bytes; null for a point of our own format, whose manifest names each member's.",
      ),
    manifestSha256: z.string(),
    storedBytes: z.number(),
  }),
  databases: z
    .strictObject({
      id: z.string(),
      store: z.string(),
      dataTime: moment.describe("What happened in the databases later than this is not restored."),
      manifestSha256: z.string(),
      storedBytes: z.number(),
    })
    .optional()
    .describe("The restore point of the databases, where they are of a newer one than all else."),
  host: z.strictObject({ address: z.string(), hostKeyFingerprint: z.string() }),
  baked: z
    .boolean()
    .default(false)
    .describe(
      "The machine had the site's packages before the clock started: its times are no measure of the RTO.",
    ),
  preparationSeconds: seconds.describe("One-time work before the clock started: engine and base system."),
  only: z
    .enum(parts)
    .optional()
    .describe("What of the site was brought back alone: `rebuild --only`. Absent when it was all of it."),
  fencing: z
    .strictObject({
      how: z
        .enum(["stopped", "said-to-be-off", "decided-before"])
        .describe(
          "`stopped` by this run and proven so; `said-to-be-off` by the operator; `decided-before`: an earlier recovery ended on this host.",
        ),
      address: z.string().optional().describe("Of the old server, when it was named."),
      who: z.string(),
      at: moment,
      units: z
        .array(z.strictObject({ unit: z.string(), before: z.string(), after: z.string() }))
        .describe("What was stopped there: running and enabled at boot, before and after."),
    })
    .optional()
    .describe("What became of the old server before this one began. Absent in a drill."),
  steps: z.array(stepRecordSchema),
  checks: z.array(checkRecordSchema).describe("As they were at the end of the run."),
  objectives: z.array(objectiveSchema),
  watch: z
    .strictObject({
      of: z
        .array(z.string())
        .describe("What was watched: logs, and the checks that were asked at each look."),
      wantedSeconds: seconds.describe("How long it was to be watched: `--watch`."),
      seconds: seconds.describe("How long it was."),
      looks: z.number().describe("How often logs, metrics and units were looked at."),
      endedBy: z.enum(["time", "operator", "fault"]),
      errors: z
        .array(z.string())
        .describe("New errors in the logs, failing checks; at most 20. Empty is good."),
    })
    .optional()
    .describe(
      "Runbook 1.13, after the RTO clock has stopped. Absent when the site was not recovered or not watched.",
    ),
  notes: z
    .array(z.string())
    .describe("What a reader must know: limits of the isolation, refused connections."),
});

export type RunRecord = z.infer<typeof runRecordSchema>;
export type StepRecord = RunRecord["steps"][number];
