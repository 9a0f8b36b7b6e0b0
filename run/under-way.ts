import { connect, type SshTarget } from "../ssh/connection.ts";
import { lookBeforeRebuild } from "./before-rebuild.ts";
import { type Attempt, readLedger } from "./ledger.ts";

/** A run on a host, as the host tells of it to whoever asks. */
export interface RunUnderWay {
  id: string;
  who: string;
  why: string;
  /** UTC, ISO 8601. */
  since: string;
  /** Ids of the steps that run now. */
  busy: string[];
  /** The attempts at steps since then, in the order of their ends. */
  attempts: Attempt["result"][];
}

/**
 * The run that has a host, from its own ledger: from any computer, and whoever began it. Undefined when none has it. Changes nothing.
 *
 * @throws OperatorError when the host cannot be looked at.
 */
export async function runUnderWay(
  target: SshTarget,
  applicationPath: string,
  signal: AbortSignal,
): Promise<RunUnderWay | undefined> {
  const { lock } = await lookBeforeRebuild(target, applicationPath, signal);
  if (!lock) return undefined;
  const connection = await connect(target, { signal });
  try {
    const attempts = await readLedger(connection, signal);
    const since = attempts.filter(({ result }) => Date.parse(result.startedAt) >= Date.parse(lock.since));
    const busy = lock.busy.map((unit) => unit.replace(/^recovery-(.*)\.service$/, "$1"));
    return { ...lock, busy, attempts: since.map(({ result }) => result) };
  } finally {
    await connection.close();
  }
}
