import type { Site } from "../site/schema.ts";

/** The disasters of the runbook and of its objectives. The first that is suggested is the one to act on. */
export const scenarios = [
  "compromise",
  "complete-failure",
  "database-corruption",
  "database-server-failure",
  "configuration-error",
  "data-deletion",
  "application-server-failure",
] as const;

export type DisasterScenario = (typeof scenarios)[number];

/** A scenario as the runbook's tables have it. The runbook names no priority and no time for a compromise. */
export const scenarioFacts: Record<
  DisasterScenario,
  { title: string; priority: "P0" | "P1"; objective: keyof Site["objectives"]["rto"] }
> = {
  compromise: { title: "Suspicion of a break-in", priority: "P0", objective: "compromise" },
  "complete-failure": { title: "Complete system failure", priority: "P0", objective: "completeFailure" },
  "database-corruption": { title: "Database corruption", priority: "P0", objective: "databaseCorruption" },
  "database-server-failure": {
    title: "Database server failure",
    priority: "P0",
    objective: "databaseServerFailure",
  },
  "configuration-error": { title: "Configuration error", priority: "P1", objective: "configurationError" },
  "data-deletion": { title: "Partial data loss", priority: "P1", objective: "dataDeletion" },
  "application-server-failure": {
    title: "Application server failure",
    priority: "P0",
    objective: "applicationServerFailure",
  },
};
