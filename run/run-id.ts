/** Name of a run, and of the folder of its record: `20260301T020000Z-drill`; sorts by time. */
export function runId(kind: "drill" | "rebuild", startedAt: Date): string {
  return `${startedAt.toISOString().replace(/[-:]|\.\d+/g, "")}-${kind}`;
}
