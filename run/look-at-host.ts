import { readFile } from "node:fs/promises";
import type { LoginFacts } from "../damage/facts.ts";
import { parseHostReport } from "../damage/host-report.ts";
import { lookInputs } from "../runbook/look.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import type { Site } from "../site/schema.ts";
import { connect, type SshTarget } from "../ssh/connection.ts";

const program = new URL("../host/look", import.meta.url);
/** The host itself ends what it looks for before that. */
const lookSeconds = 45;

/**
 * What `recovery assess` asks a host: is the site on it well? (What a rebuild would land on: before-rebuild.ts.) One bounded ssh
 * session that changes nothing there: nothing is delivered, installed, locked or written.
 * A host that cannot be looked at is a finding and no error.
 */
export async function lookAtHost(site: Site, target: SshTarget, signal: AbortSignal): Promise<LoginFacts> {
  try {
    const text = await readFile(program);
    const connection = await connect(target, { signal });
    try {
      const askedAt = Date.now();
      const { stdout } = await connection.run(
        // bash reads all of the program before it begins: `bash -s` would read it with the inputs behind it.
        `exec timeout -k 2 ${lookSeconds} bash -c "$(head -c ${text.length})"`,
        {
          stdin: Buffer.concat([text, Buffer.from(lookInputs(site))]),
          timeoutSeconds: lookSeconds + 10,
          signal,
        },
      );
      const report = parseHostReport(stdout);
      return {
        state: "seen",
        report,
        // The clock is read at once, and the way there takes less than the second that matters.
        clockOffsetSeconds: report.clockSeconds === null ? null : report.clockSeconds - askedAt / 1000,
      };
    } finally {
      await connection.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof OperatorError)) throw error;
    return { state: "failed", kind: kindOf(error), why: `${error.what} ${error.why}` };
  }
}

function kindOf({ exitCode, what }: OperatorError): Extract<LoginFacts, { state: "failed" }>["kind"] {
  if (exitCode === exitCodes.refused) return "other-key";
  if (exitCode !== exitCodes.missingHere) return "no-answer";
  return what.startsWith("Cannot log in") ? "no-agent" : "not-let-in";
}
