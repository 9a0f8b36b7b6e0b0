import type { Site } from "../site/schema.ts";
import type { RunRecord } from "./record.ts";

type Objective = RunRecord["objectives"][number];

/**
 * The objectives of a complete failure against what was measured. `failureAt` is the moment of failure (of a drill: its
 * start); logs and metrics are of no weight to a point that holds none, so only the classes that the point holds are judged.
 */
export function judgeObjectives(
  site: Site,
  times: { failureAt: Date; dataTime: Date; recoveredAt: Date | null },
): Objective[] {
  const lost = Math.max(0, secondsBetween(times.dataTime, times.failureAt));
  const taken = times.recoveredAt && secondsBetween(times.failureAt, times.recoveredAt);
  const { rto, rpo } = site.objectives;
  const classes = [
    ...(site.databases.length > 0 ? (["database"] as const) : []),
    "configuration" as const,
    ...(site.uploads.length > 0 ? (["uploads"] as const) : []),
  ];
  return [
    {
      name: "rto",
      objectiveSeconds: rto.completeFailure,
      seconds: taken,
      met: taken !== null && taken <= rto.completeFailure,
    },
    ...classes.map((name) => ({
      name: `rpo ${name}`,
      objectiveSeconds: rpo[name],
      seconds: lost,
      met: lost <= rpo[name],
    })),
  ];
}

function secondsBetween(from: Date, to: Date): number {
  return Math.round((to.getTime() - from.getTime()) / 100) / 10;
}
