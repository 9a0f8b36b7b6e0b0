import type { Part } from "../runbook/server-failure.ts";
import type { Site } from "../site/schema.ts";
import type { RunRecord } from "./record.ts";

type Objective = RunRecord["objectives"][number];

/**
 * The objectives of a complete failure, or of that of one server, against what was measured. `failureAt` is the moment of failure (of a drill: its
 * start); logs and metrics are of no weight to a point that holds none, so only the classes that the point holds are judged.
 */
export function judgeObjectives(
  site: Site,
  times: { failureAt: Date; dataTime: Date; databaseTime: Date; recoveredAt: Date | null },
  only?: Part,
): Objective[] {
  const taken = times.recoveredAt && secondsBetween(times.failureAt, times.recoveredAt);
  const { rto, rpo } = site.objectives;
  const allowed =
    only === undefined
      ? rto.completeFailure
      : only === "application"
        ? rto.applicationServerFailure
        : rto.databaseServerFailure;
  const files = only !== "database";
  const classes = [
    ...(site.databases.length > 0 && only !== "application" ? (["database"] as const) : []),
    ...(files ? (["configuration"] as const) : []),
    ...(files && site.uploads.length > 0 ? (["uploads"] as const) : []),
  ];
  return [
    {
      name: "rto",
      objectiveSeconds: allowed,
      seconds: taken,
      met: taken !== null && taken <= allowed,
    },
    ...classes.map((name) => {
      const dataTime = name === "database" ? times.databaseTime : times.dataTime;
      const lost = Math.max(0, secondsBetween(dataTime, times.failureAt));
      return {
        name: `rpo ${name}`,
        objectiveSeconds: rpo[name],
        seconds: lost,
        met: lost <= rpo[name],
      };
    }),
  ];
}

function secondsBetween(from: Date, to: Date): number {
  return Math.round((to.getTime() - from.getTime()) / 100) / 10;
}
