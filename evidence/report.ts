import type { RunRecord } from "./record.ts";

/** The end of a run as an operator reads it on a terminal: steps, checks, objectives. Plain text, no colours. */
export function report(record: RunRecord): string {
  const lines = [
    ...table([
      ["STEP", "", "TIME", "BUDGET", ""],
      ...record.steps.map((step) => [
        step.runbook,
        step.title,
        step.seconds === null ? "-" : duration(step.seconds),
        duration(step.budgetSeconds),
        step.outcome === "done" ? verdict(step.seconds, step.budgetSeconds) : step.outcome,
      ]),
    ]),
    "",
    ...table([
      ["CHECK", "SEEN", ""],
      ...record.checks.map((check) => [
        check.title,
        check.ok ? check.seen : `${check.seen} (expected ${check.expected})`,
        check.ok ? "ok" : "FAILED",
      ]),
    ]),
    "",
    ...table([
      ["OBJECTIVE", "MEASURED", "ALLOWED", ""],
      ...record.objectives.map((objective) => [
        objective.name,
        objective.seconds === null ? "not reached" : duration(objective.seconds),
        duration(objective.objectiveSeconds),
        objective.met ? "met" : "MISSED",
      ]),
    ]),
    "",
    ...(record.baked
      ? [
          "note: the packages were baked into the machine before the clock started: these times are no measure of the RTO",
        ]
      : []),
    ...record.notes.map((note) => `note: ${note}`),
    ...(record.fencing ? [fenced(record.fencing)] : []),
    ...(record.watch ? watched(record.watch) : []),
    summary(record),
  ];
  return lines.join("\n");
}

/** The end in one line; of a run that failed, what, why and what to do next. */
export function summary(record: RunRecord): string {
  if (record.outcome !== "recovered" || record.recoveredAt === null) {
    return record.error
      ? `NOT RECOVERED: ${record.error.what}\n${record.error.why}\n${record.error.next}`
      : `NOT RECOVERED: ${record.outcome}`;
  }
  const total = (Date.parse(record.recoveredAt) - Date.parse(record.startedAt)) / 1000;
  const serving = record.servingAt
    ? `, serving after ${duration((Date.parse(record.servingAt) - Date.parse(record.startedAt)) / 1000)}`
    : "";
  const what = record.only === undefined ? record.site : `the ${record.only} of ${record.site}`;
  return `recovered ${what} from ${source(record)} in ${duration(total)}${serving}`;
}

/** The restore point of a run; both, where its databases are of another. */
export function source({ point, databases }: Pick<RunRecord, "point" | "databases">): string {
  return databases === undefined ? point.id : `${point.id} and the databases of ${databases.id}`;
}

/** What became of the old server, in one line. */
function fenced({ how, address, who, units }: NonNullable<RunRecord["fencing"]>): string {
  const old = address === undefined ? "old server" : `old server ${address}`;
  switch (how) {
    case "stopped":
      return `${old}: stopped by this run, disabled at boot: ${units.map(({ unit }) => unit).join(", ")}`;
    case "said-to-be-off":
      return `${old}: off, as ${who} said; this run has not seen it`;
    case "decided-before":
      return `${old}: not asked for, since an earlier recovery came to its end on this host`;
  }
}

type Watch = NonNullable<RunRecord["watch"]>;

/** How the watch went, its errors a line each. */
function watched(watch: Watch): string[] {
  const { errors } = watch;
  if (errors.length === 0) return [`watched ${watchLength(watch)}: no new error, metrics and units answer`];
  return [`WATCHED ${watchLength(watch)}, AND SEEN:`, ...errors.map((error) => `  ${error}`)];
}

/** `30 min`, or less of it and why. */
export function watchLength({ wantedSeconds, seconds, endedBy }: Watch): string {
  if (endedBy === "time") return duration(seconds);
  const why = endedBy === "operator" ? "ended by the operator" : "then it broke off";
  return `${duration(seconds)} of ${duration(wantedSeconds)}, ${why}`;
}

function verdict(taken: number | null, budget: number): string {
  return taken !== null && taken > budget ? "over budget" : "done";
}

/** `0.8 s`, `42.1 s`, `3 min 20 s`, `6 h 12 min`, `7 d`. */
export function duration(seconds: number): string {
  // What would be rounded to 60.0 s is a minute.
  if (seconds >= 59.95 && seconds < 60) return duration(60);
  if (seconds < 60) return `${seconds.toFixed(Number.isInteger(seconds) ? 0 : 1)} s`;
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor((seconds % 86_400) / 3600), "h"],
    [Math.floor((seconds % 3600) / 60), "min"],
    [Math.floor(seconds % 60), "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}

export function table(rows: string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
