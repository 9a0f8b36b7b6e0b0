import type { Step } from "../runbook/step.ts";

export type StepEnd = "done" | "already-done" | "failed";

/** Where a run tells how it goes; a terminal shows a live list of it, everything else plain lines. */
export interface Reporter {
  /** A line about something that is not a step. */
  say(line: string): void;
  /** The steps are known; none has begun. */
  plan(steps: readonly Step[]): void;
  /** A step has begun on the host, or is asked for there. */
  started(id: string): void;
  /** A step has ended, well or not, or the host had it done before. */
  ended(id: string, end: StepEnd): void;
  /** No further step will begin: what is shown stays as it is. */
  close(): void;
}
