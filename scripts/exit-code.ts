import type { RunRecord } from "../evidence/record.ts";
import { exitCodes, type ExitCode } from "../site/operator-error.ts";

/** A run is done when the site is recovered, every objective is met, and nothing went wrong while it was watched. */
export function exitCodeOf(record: RunRecord): ExitCode {
  if (record.outcome === "interrupted") return exitCodes.interrupted;
  const met = record.objectives.every((objective) => objective.met);
  const quiet = record.watch === undefined || record.watch.errors.length === 0;
  return record.outcome === "recovered" && met && quiet ? exitCodes.done : exitCodes.failed;
}
