import type { RunRecord } from "../evidence/record.ts";
import type { SshConnection, SshTarget } from "../ssh/connection.ts";
import type { PreparedRecovery } from "../stacks/prepare.ts";
import type { Reporter } from "./reporter.ts";

/** The host that the steps run on, opened for this run before the first of them. */
export interface StepHost {
  /** For this step, by its id. May take as long as what the step waits for. Throws when it may not begin. */
  open(step: string): Promise<Pick<SshConnection, "run" | "closed">>;
  openRelay(): Promise<void>;
  closeRelay(): Promise<void>;
}

/** A recovery to carry out. */
export interface Delivery {
  prepared: PreparedRecovery;
  host: StepHost;
  target: SshTarget;
  reporter: Reporter;
  /** The steps that run come to their end, and no other begins. */
  signal: AbortSignal;
  /** Nothing is waited for; what runs on the host goes on there. Never fires before `signal`. */
  kill: AbortSignal;
}

/**
 * Carries a plan's commands to their host, each behind those it waits for. What is done stands in the host's ledger, so each
 * executor goes on where another was stopped. A step that fails ends the run: those beside it come to their end, no other
 * begins.
 */
export interface Executor {
  /** For the record. */
  tool: Omit<RunRecord["tool"], "version">;
  /** Throws when not every step is done. */
  carryOut(delivery: Delivery): Promise<void>;
}
