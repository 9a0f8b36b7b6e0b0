import { randomBytes } from "node:crypto";
import { z } from "zod";
import { checkRequest, type CheckResult } from "../runbook/checks.ts";
import { checkSecrets } from "../runbook/complete-failure.ts";
import { readSecrets } from "../site/secrets.ts";
import type { LoadedSite } from "../site/load.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import type { SshTarget } from "../ssh/connection.ts";
import { HostSession, type RunIdentity } from "../ssh/host-session.ts";

export interface CheckRun {
  loaded: LoadedSite;
  target: SshTarget;
  run: RunIdentity;
  /** Compare with the restore point that the host was restored from. */
  restored: boolean;
  isolated: boolean;
  say: (line: string) => void;
  /** Ends the checks; they then fail as interrupted. */
  signal?: AbortSignal;
}

const resultsSchema = z.array(
  z.object({ title: z.string(), ok: z.boolean(), expected: z.string(), seen: z.string() }),
);
/** Integrity of every database is checked: that reads all of it. */
const limitSeconds = 3600;

/** Asks of the site what its users would see, now, whatever any engine or ledger believes. */
export async function runChecks(options: CheckRun): Promise<CheckResult[]> {
  const { loaded, target, run, restored, isolated, say, signal } = options;
  const session = new HostSession({
    target,
    run,
    secrets: () => readSecrets(loaded, checkSecrets(loaded.site)),
    relayedFiles: [],
    say,
  });
  const onAbort = () => void session.close();
  signal?.addEventListener("abort", onAbort);
  try {
    signal?.throwIfAborted();
    const connection = await session.open();
    const request = checkRequest(loaded.site, {
      transport: "verified",
      restored,
      isolated,
      mark: `recovery-check-${randomBytes(4).toString("hex")}`,
    });
    const { exitCode, stdout, stderr } = await connection.run(
      `bash -c 'set -o pipefail; cd /usr/local/lib/recovery/current; ./check | ./mask "map(map_values(if type == \\"string\\" then masked else . end))"; code=$?; rm -rf /run/recovery/secrets; exit $code'`,
      { stdin: JSON.stringify(request), timeoutSeconds: limitSeconds, ...(signal && { signal }) },
    );
    if (exitCode !== 0) {
      throw new OperatorError(
        exitCodes.failed,
        "the checks could not be run",
        stderr.trim().split("\n").at(-1) ?? `exit code ${exitCode}`,
        "whether the site works is not known; look at it yourself, then run: npx recovery check --host HOST --host-key KEY",
      );
    }
    return resultsSchema.parse(JSON.parse(stdout));
  } finally {
    signal?.removeEventListener("abort", onAbort);
    await session.close();
  }
}
