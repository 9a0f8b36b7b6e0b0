import type { RestorePoint } from "../backups/restore-point.ts";
import type { Facts } from "./facts.ts";
import { findings, type Finding } from "./findings.ts";
import { nextActions, type CommandWords, type NextAction } from "./next-actions.ts";
import { verdict, type Verdict } from "./verdict.ts";

/** What `recovery assess` says, and prints with --json. */
export interface Assessment {
  site: string;
  /** UTC, ISO 8601. */
  at: string;
  verdict: Verdict;
  findings: Finding[];
  /** The newest restore points of all stores, newest data first. */
  points: Pick<RestorePoint, "id" | "store" | "kind" | "state" | "reason" | "timeOfData">[];
  next: NextAction[];
}

/** How many restore points are shown. */
const mostPoints = 3;

/** From what was seen to what it means and what to do now. Pure; never throws. */
export function assess(facts: Facts, words: CommandWords): Assessment {
  const found = findings(facts);
  const judged = verdict(facts, found);
  const points = facts.stores
    .flatMap((store) => store.points)
    .filter(({ kind }) => kind !== null)
    .sort((one, other) => (other.timeOfData ?? "").localeCompare(one.timeOfData ?? ""))
    .slice(0, mostPoints)
    .map(({ id, store, kind, state, reason, timeOfData }) => ({
      id,
      store,
      kind,
      state,
      reason,
      timeOfData,
    }));
  return {
    site: facts.site.name,
    at: facts.at,
    verdict: judged,
    findings: found,
    points,
    next: nextActions(facts, judged, words),
  };
}
