/** What a step is told or what it reports: printable, comparable, never a secret value, a clock or an address. */
export type Fact = string | number | boolean | null | Fact[] | { [name: string]: Fact };
export type Facts = Record<string, Fact>;

/** One timed action on a host. Plain data: the same step is carried out by Pulumi or directly. */
export interface Step {
  /** Stable name, such as "restore-database": ledger entry, systemd unit and Pulumi resource. */
  id: string;
  /** What the operator reads. */
  title: string;
  /** Scenario and step of the source runbook, such as "1.6". */
  runbook: string;
  /** The file under host/steps/ that does it. An attempt cut short can be made again. */
  script: string;
  inputs: Facts;
  /** Secrets by name; their values lie in /run/recovery/secrets on the host. */
  secrets: string[];
  /** Its own triggers; the effective ones add those of all its `after`. */
  triggers: string[];
  /** Ids of the steps that must be done before. */
  after: string[];
  /** Upper bound of the runbook's range. */
  budgetSeconds: number;
  /** When the host ends the step. */
  timeoutSeconds: number;
}

/** The secret by which a step reaches files of the store. */
const storeSecret = "rclone.conf";

/** Whether files must be within the step's reach while it runs. */
export function takesStoredFiles({ secrets }: Step): boolean {
  return secrets.includes(storeSecret);
}

/** A step as a plan writes it down: what it does not say follows from the rest. */
export type PlannedStep = Omit<Step, "secrets" | "triggers" | "timeoutSeconds" | "script"> & Partial<Step>;

export type Outcome = "done" | "already-done" | "failed" | "timed-out";

/** What host/run-step prints as one JSON line and keeps in the ledger. */
export interface StepResult {
  step: string;
  outcome: Outcome;
  /** UTC, ISO 8601. */
  startedAt: string;
  seconds: number;
  facts: Facts;
  error?: { what: string; why: string; next: string };
}
