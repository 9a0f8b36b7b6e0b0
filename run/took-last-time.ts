import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { duration } from "../evidence/report.ts";
import type { Part } from "../runbook/server-failure.ts";

/** What is read of an earlier run.json, of whatever version of the format. */
const earlierRunSchema = z.object({
  kind: z.string(),
  outcome: z.string(),
  /** What came back alone. */
  only: z.string().optional(),
  startedAt: z.string(),
  recoveredAt: z.string().nullable(),
  /** On a machine that had the packages: no measure. */
  baked: z.boolean().optional(),
});

export type EarlierRun = z.infer<typeof earlierRunSchema>;

/** The records of a site's runs, oldest first; one that cannot be read says nothing. */
export async function earlierRuns(runs: string): Promise<EarlierRun[]> {
  const names = (await readdir(runs).catch(() => [])).sort();
  const read = names.map(async (name) => {
    const text = await readFile(join(runs, name, "run.json"), "utf8").catch(() => "null");
    try {
      return earlierRunSchema.safeParse(JSON.parse(text)).data;
    } catch {
      return undefined;
    }
  });
  return (await Promise.all(read)).filter((run) => run !== undefined);
}

/** How long a rebuild of all of a site, or of that part, took last time; without one, a drill, said as such. Pure. */
export function tookLastTime(runs: readonly EarlierRun[], part?: Part): string {
  const recovered = runs.filter(
    ({ outcome, only, baked }) => outcome === "recovered" && only === part && baked !== true,
  );
  const last =
    recovered.findLast(({ kind }) => kind === "rebuild") ??
    recovered.findLast(({ kind }) => kind === "drill");
  if (!last?.recoveredAt)
    return `not known: no run of this ${part === undefined ? "site" : "kind"} is recorded here`;
  const seconds = (Date.parse(last.recoveredAt) - Date.parse(last.startedAt)) / 1000;
  const on = last.startedAt.slice(0, 10);
  return last.kind === "rebuild"
    ? `${duration(seconds)} when it was rebuilt on ${on}`
    : `${duration(seconds)} in the drill of ${on}; no rebuild is recorded here`;
}
