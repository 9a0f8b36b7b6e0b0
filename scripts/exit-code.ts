import type { RunRecord } from "../evidence/record.ts";
import { exitCodes, type ExitCode } from "../site/operator-error.ts";

/** A run is done when the site is recovered and every objective is met. */
export function exitCodeOf(record: RunRecord): ExitCode {
  if (record.outcome === "interrupted") return exitCodes.interrupted;
  const met = record.objectives.every((objective) => objective.met);
  return record.outcome === "recovered" && met ? exitCodes.done : exitCodes.failed;
}
