import { z } from "zod";
import type { RunRecord } from "../evidence/record.ts";
import { duration } from "../evidence/report.ts";
import { watchRequest } from "../runbook/checks.ts";
import type { Site } from "../site/schema.ts";
import { connect, type SshTarget } from "../ssh/connection.ts";

export interface WatchOptions {
  site: Site;
  target: SshTarget;
  isolated: boolean;
  seconds: number;
  say: (line: string) => void;
  /** Ends the watch; what was recovered stays so. */
  signal: AbortSignal;
}

type Watch = NonNullable<RunRecord["watch"]>;

const lookSchema = z.object({ errors: z.array(z.string()) });
/** A look asks the site's checks of units and metrics, and may wait for one of them. */
const slackSeconds = 120;
const mostErrors = 20;
const sayEverySeconds = 300;

/** How often a watch of this length looks: a drill's few times, a real one twice a minute. */
export function everySeconds(seconds: number): number {
  return Math.min(30, Math.max(1, Math.floor(seconds / 5)));
}

/**
 * Runbook 1.13: watches logs, metrics and units of a recovered site. Whatever becomes of it is a result and no error: the
 * site is recovered.
 */
export async function watchSite(options: WatchOptions): Promise<Watch> {
  const { site, target, isolated, seconds, say, signal } = options;
  const began = Date.now();
  const watched = () => Math.round((Date.now() - began) / 1000);
  const watch: Watch = { wantedSeconds: seconds, seconds: 0, looks: 0, endedBy: "time", errors: [] };
  say(
    `watching logs and metrics for ${duration(seconds)}; Ctrl-C ends the watch, and the site stays recovered`,
  );
  let said = 0;
  let rest = "";
  const hear = (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      watch.looks += 1;
      for (const error of lookSchema.parse(JSON.parse(line)).errors) {
        if (watch.errors.includes(error)) continue;
        say(`seen while watching: ${error}`);
        if (watch.errors.length < mostErrors) watch.errors.push(error);
      }
      if (watched() - said < sayEverySeconds) continue;
      said = watched();
      say(
        `watched ${duration(said)} of ${duration(seconds)}: ${watch.errors.length === 0 ? "nothing wrong" : "see above"}`,
      );
    }
  };
  try {
    const connection = await connect(target, { signal });
    try {
      const { exitCode, stderr } = await connection.run("/usr/local/lib/recovery/current/watch", {
        stdin: JSON.stringify({
          seconds,
          everySeconds: everySeconds(seconds),
          logs: site.logs.map(({ path }) => path),
          check: watchRequest(site, { isolated }),
        }),
        timeoutSeconds: seconds + slackSeconds,
        onOutput: (chunk, stream) => {
          if (stream === "stdout") hear(chunk.toString());
        },
        signal,
      });
      if (exitCode !== 0) throw new Error(stderr.trim().split("\n").at(-1) ?? `exit code ${exitCode}`);
    } finally {
      await connection.close();
    }
  } catch (error) {
    watch.endedBy = signal.aborted ? "operator" : "fault";
    if (!signal.aborted)
      watch.errors.push(`the watch broke off: ${error instanceof Error ? error.message : String(error)}`);
  }
  return { ...watch, seconds: Math.min(watched(), seconds) };
}
