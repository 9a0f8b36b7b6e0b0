import type { RunRecord } from "../../evidence/record.ts";
import { drill, type DrillResult } from "../../run/drill.ts";
import { figure, say } from "./figure.ts";

/** Drills a site, quietly; it must be recovered. */
export async function drilled(
  siteFile: string,
  { baked = false, keep = false }: { baked?: boolean; keep?: boolean } = {},
): Promise<DrillResult> {
  const result = await drill({
    siteFile,
    keep,
    withoutPulumi: false,
    baked,
    watchSeconds: 0,
    sign: false,
    draw: false,
    reporter: {
      say,
      plan: () => undefined,
      started: () => undefined,
      ended: () => undefined,
      close: () => undefined,
    },
    signal: new AbortController().signal,
  });
  const { outcome, error } = result.record;
  if (outcome !== "recovered") throw new Error(`the drill did not recover: ${error?.what ?? "no reason"}`);
  return result;
}

/** Prints what a drill took, as a whole and step by step. */
export function tell(name: string, record: RunRecord, floorSeconds?: number): void {
  const after = (moment: string | null) =>
    (Date.parse(moment ?? record.endedAt) - Date.parse(record.startedAt)) / 1000;
  figure(`${name}: health checks green`, after(record.servingAt), floorSeconds);
  figure(`${name}: everything, last check passed`, after(record.recoveredAt), floorSeconds);
  for (const step of record.steps) figure(`  ${step.id}`, step.seconds ?? 0, floorSeconds);
}

/** Prints what some steps of a drill took, together and one by one. */
export function tellSteps(name: string, record: RunRecord, ids: string[], floorSeconds: number): void {
  const steps = ids.map((id) => ({ id, seconds: record.steps.find((step) => step.id === id)?.seconds ?? 0 }));
  const all = steps.reduce((sum, { seconds }) => sum + seconds, 0);
  figure(name, all, floorSeconds);
  for (const { id, seconds } of steps) figure(`  ${id}`, seconds, floorSeconds);
}
