import type { RunRecord, StepRecord } from "./record.ts";

/** A stretch of time, in seconds since the run's clock started. */
export interface Span {
  from: number;
  to: number;
}

/** A step that ran, and when. */
export interface StepSpan extends Span {
  step: StepRecord;
  /** Of the critical path: had it been shorter, so had the run. */
  critical: boolean;
}

/**
 * What a part of the run's time went into. `earlier` is what lies before the last attempt of a rebuild, `between` the way
 * from a step of the critical path to the next, `ending` what followed the last step before the checks began.
 */
export type PartKind = "machine" | "earlier" | "opening" | "step" | "between" | "ending" | "checks";

export interface Part extends Span {
  kind: PartKind;
  /** The step's id; of `step` alone. */
  step?: string;
}

export interface Timeline {
  /** From the start of the clock to the end of the run. */
  seconds: number;
  /** The steps that ran, by their start. */
  steps: StepSpan[];
  /** The steps that did not, in the order of the plan. */
  notRun: StepRecord[];
  /** The whole time along the critical path, in order, without a gap: their lengths add up to `seconds`. */
  parts: Part[];
  servingAt: number | null;
  /** Titles of the steps that lie outside of the run by its own clock. */
  outside: string[];
}

/** Clocks of the operator's computer and of the host may differ by that much without being told of. */
const clockToleranceSeconds = 2;

/** When everything in a run was, as a picture of it needs it; pure. */
export function timeline(record: RunRecord): Timeline {
  const origin = Date.parse(record.startedAt);
  const since = (moment: string) => (Date.parse(moment) - origin) / 1000;
  const seconds = Math.max(0, since(record.endedAt));
  const path = criticalPath(record.steps);
  const critical = new Set(path);
  const steps = record.steps
    .flatMap((step) => {
      if (step.startedAt === null || step.seconds === null) return [];
      const from = since(step.startedAt);
      return [{ step, from, to: from + step.seconds, critical: critical.has(step.id) }];
    })
    .sort((one, other) => one.from - other.from);
  const spans = new Map(steps.map((span) => [span.step.id, span]));
  return {
    seconds,
    steps,
    notRun: record.steps.filter(({ id }) => !spans.has(id)),
    parts: partsOf(
      seconds,
      path.flatMap((id) => spans.get(id) ?? []),
      {
        before: record.kind === "drill" ? "machine" : "earlier",
        hostAt: since(record.hostAt),
        checksAt: record.checksAt === null ? Infinity : since(record.checksAt),
      },
    ),
    servingAt: record.servingAt === null ? null : since(record.servingAt),
    outside: steps
      .filter(({ from, to }) => from < -clockToleranceSeconds || to > seconds + clockToleranceSeconds)
      .map(({ step }) => step.title),
  };
}

/**
 * Ids of the steps that the end was waited for, in order: from the one that ended last back, each time, to that of its
 * `after` which ended last. What has no time did not run and is on no path.
 */
export function criticalPath(steps: readonly StepRecord[]): string[] {
  const ran = new Map(steps.filter((step) => endOf(step) !== null).map((step) => [step.id, step]));
  const path: string[] = [];
  let last = lastOf([...ran.values()]);
  while (last) {
    path.unshift(last.id);
    // A record that was written by hand may have steps wait for each other.
    ran.delete(last.id);
    last = lastOf(last.after.flatMap((id) => ran.get(id) ?? []));
  }
  return path;
}

function lastOf(steps: readonly StepRecord[]): StepRecord | undefined {
  return steps.reduce<StepRecord | undefined>(
    (last, step) => (last === undefined || (endOf(step) ?? 0) > (endOf(last) ?? 0) ? step : last),
    undefined,
  );
}

function endOf({ startedAt, seconds }: StepRecord): number | null {
  return startedAt === null || seconds === null ? null : Date.parse(startedAt) + seconds * 1000;
}

/** Divides the whole time: what a step of the path covers is that step's, and what lies between has a name by where it is. */
function partsOf(
  seconds: number,
  path: readonly StepSpan[],
  { before, hostAt, checksAt }: { before: "machine" | "earlier"; hostAt: number; checksAt: number },
): Part[] {
  const parts: Part[] = [];
  let reached = 0;
  const add = (kind: PartKind, until: number, step?: string) => {
    const to = Math.min(until, seconds);
    if (to <= reached) return;
    parts.push({ kind, from: reached, to, ...(step === undefined ? {} : { step }) });
    reached = to;
  };
  for (const { step, from, to } of path) {
    add(before, Math.min(from, hostAt));
    add(reached <= hostAt ? "opening" : "between", from);
    add("step", to, step.id);
  }
  add(before, hostAt);
  add(reached <= hostAt ? "opening" : "ending", checksAt);
  add("checks", seconds);
  return parts;
}
