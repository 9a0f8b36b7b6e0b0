import { expect, test } from "vitest";
import type { RunRecord } from "../../../evidence/record.ts";
import { exitCodeOf } from "../../../scripts/exit-code.ts";
import { failed, recovered } from "../evidence/records.ts";

const met: RunRecord = {
  ...recovered,
  objectives: recovered.objectives.map((objective) => ({ ...objective, met: true })),
};

test("a run is done when the site is recovered and every objective is met", () => {
  expect(exitCodeOf(met)).toBe(0);
});

test("a missed objective is no success, though the site is back", () => {
  expect(recovered.outcome).toBe("recovered");
  expect(exitCodeOf(recovered)).toBe(1);
});

test("a run that failed exits 1, one that was interrupted 130, whatever their objectives", () => {
  expect(exitCodeOf(failed)).toBe(1);
  expect(exitCodeOf({ ...met, outcome: "failed" })).toBe(1);
  expect(exitCodeOf({ ...met, outcome: "interrupted" })).toBe(130);
});

test("what went wrong while the site was watched is no success, and who ends the watch early does no harm", () => {
  const watch = {
    of: [],
    wantedSeconds: 1800,
    seconds: 60,
    looks: 2,
    endedBy: "operator" as const,
    errors: [],
  };
  expect(exitCodeOf({ ...met, watch })).toBe(0);
  expect(exitCodeOf({ ...met, watch: { ...watch, errors: ["ERROR no mail"] } })).toBe(1);
});
