import { expect, test } from "vitest";
import { connect } from "../../../ssh/connection.ts";
import { readLedger, stepRecords, type Attempt } from "../../../run/ledger.ts";
import type { Step } from "../../../runbook/step.ts";
import { answeringHost } from "./answering-host.ts";

const steps: Step[] = ["fetch", "restore"].map((id) => ({
  id,
  title: `Title of ${id}`,
  runbook: "1.5",
  script: id,
  inputs: {},
  secrets: [],
  triggers: [],
  after: id === "restore" ? ["fetch"] : [],
  budgetSeconds: 600,
  timeoutSeconds: 1200,
}));
const triggers = new Map([
  ["fetch", ["attempt 1", "point p"]],
  ["restore", ["attempt 1", "point p"]],
]);

function attempt(step: string, own: string[], changes: Partial<Attempt["result"]> = {}): Attempt {
  return {
    triggers: own,
    result: {
      step,
      outcome: "done",
      startedAt: "2026-03-01T08:00:00.000Z",
      seconds: 2,
      facts: { bytes: 7 },
      ...changes,
    },
  };
}

const known = { title: "Title of fetch", runbook: "1.5", budgetSeconds: 600, after: [] };
const notRun = {
  ...known,
  id: "restore",
  title: "Title of restore",
  after: ["fetch"],
  outcome: "not-run",
  startedAt: null,
  seconds: null,
  facts: {},
};

test("each step of the plan has its last attempt; one that nobody tried is there too", () => {
  const error = { what: "a", why: "b", next: "c" };
  const attempts = [
    attempt("fetch", ["attempt 1", "point p"], { outcome: "failed", error }),
    attempt("fetch", ["attempt 1", "point p"], { seconds: 5 }),
    attempt("something-else", ["attempt 1", "point p"]),
  ];
  expect(stepRecords(steps, triggers, attempts)).toEqual([
    {
      ...known,
      id: "fetch",
      outcome: "done",
      startedAt: "2026-03-01T08:00:00.000Z",
      seconds: 5,
      facts: { bytes: 7 },
    },
    notRun,
  ]);
});

test("the last attempt counts also when it went worse than the one before", () => {
  const error = { what: "a", why: "b", next: "c" };
  const attempts = [
    attempt("fetch", ["attempt 1", "point p"]),
    attempt("fetch", ["attempt 1", "point p"], { outcome: "timed-out", facts: {}, error }),
  ];
  expect(stepRecords(steps, triggers, attempts)[0]).toMatchObject({ outcome: "timed-out", facts: {}, error });
});

test.each([
  ["of another point", ["attempt 1", "point q"]],
  ["of fewer triggers", ["point p"]],
  ["of more triggers", ["attempt 1", "extra", "point p"]],
  ["of none", []],
])("an attempt %s is not one of this plan", (_, own) => {
  const attempts = [attempt("restore", own)];
  expect(stepRecords(steps, triggers, attempts)[1]).toEqual(notRun);
});

test("a plan of which no triggers are known has no attempts", () => {
  expect(stepRecords(steps, new Map(), [attempt("restore", [])])[1]).toEqual(notRun);
});

test("the host's history is read line by line, with more in it than is asked for; an empty one is none", async () => {
  const host = await answeringHost();
  const connection = await connect(host.target);
  expect(await readLedger(connection)).toEqual([]);
  host.attempts = [attempt("fetch", ["attempt 1"]), attempt("restore", [], { outcome: "timed-out" })];
  const asWritten = host.attempts.map((one) => ({ ...one, machine: "abc", run: { id: "r" } }));
  host.attempts = asWritten;
  expect(await readLedger(connection)).toEqual(
    asWritten.map(({ triggers: own, result }) => ({ triggers: own, result })),
  );
  host.attempts = [attempt("fetch", [], { outcome: "already-done" as "done" })];
  await expect(readLedger(connection)).rejects.toThrow("outcome");
  await connection.close();
  await host.close();
});
