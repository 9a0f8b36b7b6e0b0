import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { RestorePoint } from "../../../backups/restore-point.ts";
import { runRecordSchema, type RunRecord } from "../../../evidence/record.ts";
import { recordRun, type RecordOptions } from "../../../run/record.ts";
import type { Step, StepResult } from "../../../runbook/step.ts";
import { effectiveTriggers } from "../../../runbook/triggers.ts";
import { exitCodes, OperatorError } from "../../../site/operator-error.ts";
import { siteSchema } from "../../../site/schema.ts";
import { fingerprint } from "../../../ssh/connection.ts";
import type { PreparedRecovery } from "../../../stacks/prepare.ts";
import { written } from "../runbook/small-site.ts";
import { answeringHost, asksChecks, type AnsweringHost } from "./answering-host.ts";

const planted = "planted-monitoring-token";

function step(id: string, changes: Partial<Step>): Step {
  return {
    id,
    title: `Title of ${id}`,
    runbook: "1.2",
    script: id,
    inputs: {},
    secrets: [],
    triggers: [],
    after: [],
    budgetSeconds: 60,
    timeoutSeconds: 300,
    ...changes,
  };
}

const steps = [
  step("provision", { triggers: ["attempt 1"] }),
  step("health", { runbook: "1.11", triggers: ["point p"], after: ["provision"] }),
];

const point: RestorePoint = {
  format: "archive",
  id: "full_backup_20250301_020000",
  store: "disk",
  file: "full_backup_20250301_020000.tar.gz",
  aliases: [],
  kind: "full",
  state: "complete",
  reason: null,
  notes: [],
  timeOfData: "2025-03-01T02:00:00.000Z",
  storedAt: "2025-03-01T02:05:00.000Z",
  storedBytes: 1000,
  sha256: "a".repeat(64),
  manifestSha256: "b".repeat(64),
  root: "full_backup_20250301_020000",
  members: [],
  unpackedBytes: 5000,
  hostname: "web1",
};

let host: AnsweringHost;
let runDirectory: string;
beforeEach(async () => {
  host = await answeringHost();
  runDirectory = mkdtempSync(join(tmpdir(), "run-"));
  vi.stubEnv("CLUB_MONITORING", planted);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await host.close();
  rmSync(runDirectory, { recursive: true });
});

const signer = "ssh-ed25519 AAAA web1";

function prepared(): PreparedRecovery {
  const site = siteSchema.parse({
    ...written,
    restorePoints: { signers: [signer] },
    secrets: [{ name: "MONITORING", from: "env:CLUB_MONITORING" }],
  });
  return {
    settings: {
      siteFile: "/club/site.yaml",
      host: host.target,
      attempt: 1,
      run: { id: "20250301T080000Z-rebuild", who: "anna@office", why: "rebuild club" },
    },
    loaded: { site, directory: "/club", file: "/club/site.yaml" },
    point,
    steps,
    relayedFolders: {},
    secrets: () => Promise.resolve({}),
  };
}

async function recorded(changes: Partial<RecordOptions> = {}): Promise<RunRecord> {
  const { record, recordFile, pageFile } = await recordRun({
    kind: "rebuild",
    prepared: prepared(),
    target: host.target,
    startedAt: new Date("2025-03-01T08:00:00Z"),
    hostAt: new Date("2025-03-01T08:00:00.250Z"),
    preparationSeconds: 2.5,
    tool: { executor: "pulumi", engine: "3.259.0 (PATH)", commandPlugin: "ours" },
    runDirectory,
    failure: undefined,
    signal: new AbortController().signal,
    baked: false,
    surroundings: () => ({ breaches: [], notes: ["a note"] }),
    say: () => undefined,
    ...changes,
  });
  // Whatever became of the run: what is returned is what lies in the file, complete, and nobody else may read it.
  expect(recordFile).toBe(join(runDirectory, "run.json"));
  expect(pageFile).toBe(join(runDirectory, "run.html"));
  expect(readdirSync(runDirectory).sort()).toEqual(["run.html", "run.json"]);
  for (const file of [recordFile, join(runDirectory, "run.html")])
    expect(statSync(file).mode & 0o777).toBe(0o600);
  const page = readFileSync(join(runDirectory, "run.html"), "utf8");
  expect(page).toContain(`<code>${record.run}</code>`);
  expect(page).not.toContain(planted);
  const text = readFileSync(recordFile, "utf8");
  expect(runRecordSchema.parse(JSON.parse(text))).toEqual(record);
  expect(text).not.toContain(planted);
  return record;
}

/** The host's ledger says of these steps that they ended so, for this plan. */
function ledgerSays(...results: Partial<StepResult>[]) {
  const triggers = effectiveTriggers(steps);
  host.attempts = results.map((result, index) => ({
    triggers: triggers.get(steps[index]?.id ?? "") ?? [],
    result: {
      step: steps[index]?.id ?? "",
      startedAt: `2025-03-01T08:00:0${index}.000Z`,
      seconds: 1.5,
      facts: {},
      ...result,
      outcome: (result.outcome ?? "done") as "done",
    },
  }));
}

const good = { title: "GET /health", ok: true, expected: "status 200", seen: "status 200" };
const bad = { title: "members", ok: false, expected: "at least 3 rows", seen: "0 rows" };

test("a run whose steps are done and whose checks pass now is recovered, and recorded so", async () => {
  ledgerSays({ facts: { cores: 2 } }, {});
  host.results = [good];
  const before = Date.now();
  const record = await recorded();
  const anyMoment = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string;
  expect(record).toEqual({
    version: 1,
    run: "20250301T080000Z-rebuild",
    kind: "rebuild",
    site: "club",
    outcome: "recovered",
    startedAt: "2025-03-01T08:00:00.000Z",
    hostAt: "2025-03-01T08:00:00.250Z",
    servingAt: "2025-03-01T08:00:02.500Z",
    checksAt: anyMoment,
    recoveredAt: anyMoment,
    endedAt: anyMoment,
    tool: {
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/) as string,
      executor: "pulumi",
      engine: "3.259.0 (PATH)",
      commandPlugin: "ours",
    },
    point: {
      id: "full_backup_20250301_020000",
      store: "disk",
      dataTime: "2025-03-01T02:00:00.000Z",
      sha256: "a".repeat(64),
      manifestSha256: "b".repeat(64),
      storedBytes: 1000,
    },
    host: { address: "127.0.0.1", hostKeyFingerprint: fingerprint(host.target.hostKey) },
    baked: false,
    preparationSeconds: 2.5,
    steps: [
      {
        id: "provision",
        title: "Title of provision",
        runbook: "1.2",
        outcome: "done",
        startedAt: "2025-03-01T08:00:00.000Z",
        seconds: 1.5,
        budgetSeconds: 60,
        after: [],
        facts: { cores: 2 },
      },
      {
        id: "health",
        title: "Title of health",
        runbook: "1.11",
        outcome: "done",
        startedAt: "2025-03-01T08:00:01.000Z",
        seconds: 1.5,
        budgetSeconds: 60,
        after: ["provision"],
        facts: {},
      },
    ],
    checks: [good],
    objectives: [
      // The clock of this test runs since 2025-03-01: judged by it, the RTO is long missed.
      { name: "rto", objectiveSeconds: 14_400, seconds: expect.any(Number) as number, met: false },
      { name: "rpo database", objectiveSeconds: 21_600, seconds: 21_600, met: true },
      { name: "rpo configuration", objectiveSeconds: 86_400, seconds: 21_600, met: true },
      { name: "rpo uploads", objectiveSeconds: 86_400, seconds: 21_600, met: true },
    ],
    notes: ["a note"],
  });
  expect(Date.parse(record.recoveredAt ?? "")).toBeGreaterThanOrEqual(before);
});

test("when the site served is told by this computer's clock, though the host's differs", async () => {
  ledgerSays({}, {});
  host.results = [good];
  const surroundings = () => ({ breaches: [], notes: [], clockAheadSeconds: 3600 });
  expect((await recorded({ surroundings })).servingAt).toBe("2025-03-01T07:00:02.500Z");
});

test("the checks are asked as at the end of a restore, with their secrets beside them, and nothing else of the host", async () => {
  ledgerSays({}, {});
  host.results = [good];
  await recorded();
  const asked = host.asked.filter(({ command }) => !command.includes("history.jsonl"));
  expect(asked.map(({ command }) => asksChecks(command))).toEqual([true]);
  const { command = "", stdin: tar = "" } = asked[0] ?? {};
  const fileIn = (name: string) =>
    new RegExp(`${name}\0.{${512 - name.length - 1}}([^\0]*)`, "s").exec(tar)?.[1];
  const check = JSON.parse(fileIn("request.json") ?? "null") as {
    transport: string;
    authorityFile: string;
    checks: { kind: string }[];
  };
  expect(check).toMatchObject({ transport: "verified", authorityFile: "" });
  expect(check.checks.map(({ kind }) => kind)).toEqual(
    expect.arrayContaining(["integrity", "restored-files", "certificate", "upload"]),
  );
  expect(fileIn("secrets/MONITORING")).toBe(planted);
  expect(command).not.toContain(planted);
});

describe("of a server that makes its own backups from then on", () => {
  const protection = step("backup-schedule", { after: ["health"] });
  const protectedRun = () => recorded({ prepared: { ...prepared(), steps: [...steps, protection] } });
  const asks = () => host.asked.filter(({ command }) => command.endsWith("/resident/tasks"));
  /** The step that protects it came to this end. */
  const ended = (outcome: "done" | "failed") => {
    ledgerSays({}, {});
    host.attempts.push({
      triggers: effectiveTriggers([...steps, protection]).get(protection.id) ?? [],
      result: {
        ...{ step: protection.id, outcome, startedAt: "2025-03-01T08:00:03.000Z", seconds: 1 },
        // What an earlier release left in the ledger.
        facts: { left: ["do what was done long ago"] },
      },
    });
    host.results = [good];
  };

  test("it is noted what a person has to do, as the server says it then, by the signers of site.yaml", async () => {
    ended("done");
    host.tasks = ["add a key"];
    expect(await protectedRun()).toMatchObject({
      outcome: "recovered",
      notes: ["a note", "to do: add a key"],
    });
    expect(asks().map(({ stdin }) => stdin)).toEqual([`${signer}\n`]);
    host.tasks = [];
    expect((await protectedRun()).notes).toEqual(["a note"]);
  });

  test("it is noted that the server did not say so, which is no failure of the recovery", async () => {
    ended("done");
    host.tasks = undefined;
    expect(await protectedRun()).toMatchObject({
      outcome: "recovered",
      notes: ["a note", "what is left to do for the backups of this server is not known: it ended with 127"],
    });
  });

  test("nothing is asked while it does not make them", async () => {
    ended("failed");
    expect(await protectedRun()).toMatchObject({ outcome: "failed", notes: ["a note"] });
    expect(asks()).toEqual([]);
  });
});

test("a step that failed gives the reason, in its own words before those of the engine, and nothing is checked", async () => {
  const error = { what: "the database is damaged", why: "row 3 missing", next: "choose another point" };
  ledgerSays({}, { outcome: "failed", error });
  const record = await recorded({ failure: new Error("code: 255, resource monitor shut down") });
  expect(record).toMatchObject({
    outcome: "failed",
    error: { ...error, what: "Title of health: the database is damaged" },
    servingAt: null,
    checksAt: null,
    recoveredAt: null,
    checks: [],
  });
  expect(record.steps.map(({ outcome }) => outcome)).toEqual(["done", "failed"]);
  expect(record.objectives[0]).toMatchObject({ name: "rto", seconds: null, met: false });
  expect(host.asked.filter(({ command }) => asksChecks(command))).toEqual([]);
});

test("a check that fails now makes a failed run of one whose steps are all done", async () => {
  ledgerSays({}, {});
  host.results = [good, bad];
  expect(await recorded()).toMatchObject({
    outcome: "failed",
    recoveredAt: null,
    servingAt: "2025-03-01T08:00:02.500Z",
    checks: [good, bad],
    error: {
      what: "1 of 2 checks failed",
      why: "members: expected at least 3 rows, saw 0 rows",
    },
  });
});

test("no check at all is no success", async () => {
  ledgerSays({}, {});
  expect(await recorded()).toMatchObject({
    outcome: "failed",
    recoveredAt: null,
    error: { what: "nothing was checked" },
  });
});

test("what got past the wall makes a failed run of one that went well, and is told before all else", async () => {
  ledgerSays({}, {});
  host.results = [good];
  // Not before the checks, in which restored code answers.
  const surroundings = () => ({
    breaches: host.asked.some(({ command }) => asksChecks(command))
      ? ["tcp from 10.0.0.2", "udp from 10.0.0.2"]
      : [],
    notes: [],
  });
  expect(await recorded({ surroundings })).toMatchObject({
    outcome: "failed",
    error: { what: "something got past the wall", why: "tcp from 10.0.0.2; udp from 10.0.0.2" },
  });
});

test("steps that the host does not remember for this plan do not count, whatever the engine believes", async () => {
  ledgerSays({}, {});
  for (const attempt of host.attempts.slice(1)) attempt.triggers = ["point of last week"];
  host.results = [good];
  expect(await recorded()).toMatchObject({
    outcome: "failed",
    error: {
      what: "the host does not remember the recovery",
      why: "the stack's state says that they are done, and the host has no record of: health",
    },
  });
});

test("an error of our own is recorded in its three lines when no step has one", async () => {
  ledgerSays({});
  const failure = new OperatorError(exitCodes.refused, "another run has this host", "since noon", "wait");
  expect(await recorded({ failure })).toMatchObject({
    outcome: "failed",
    error: { what: "another run has this host", why: "since noon", next: "wait" },
  });
});

test("an interrupted run is recorded with what was done until then, and checks nothing", async () => {
  ledgerSays({});
  const signal = AbortSignal.abort();
  const record = await recorded({ signal, failure: new Error("aborted") });
  expect(record).toMatchObject({
    outcome: "interrupted",
    error: {
      what: "the run was interrupted",
      next: "run the same command again: it goes on where it stopped",
    },
    checks: [],
    recoveredAt: null,
  });
  expect(record.steps.map(({ outcome }) => outcome)).toEqual(["done", "not-run"]);
  expect(host.asked.map(({ command }) => command)).toEqual([expect.stringContaining("history.jsonl")]);
});

test("checks that are interrupted make an interrupted run, whatever was done before", async () => {
  ledgerSays({}, {});
  const interruption = new AbortController();
  host.onCheck = () => {
    interruption.abort();
  };
  const record = await recorded({ kind: "drill", signal: interruption.signal });
  expect(record).toMatchObject({
    outcome: "interrupted",
    error: { what: "the run was interrupted", next: "run the same command again" },
    checks: [],
    recoveredAt: null,
  });
  expect(record.steps.map(({ outcome }) => outcome)).toEqual(["done", "done"]);
});

test("a run whose host does not answer any more is recorded as failed, with what is known of why", async () => {
  const target = { ...host.target };
  await host.close();
  const record = await recorded({ target });
  expect(record).toMatchObject({ outcome: "failed", checks: [] });
  expect(record.error?.what).toContain(`127.0.0.1:${target.port}`);
  expect(record.steps.map(({ outcome }) => outcome)).toEqual(["not-run", "not-run"]);
  host = await answeringHost();
});
