import { z } from "zod";
import type { RunRecord } from "../evidence/record.ts";
import { duration, summary } from "../evidence/report.ts";
import { watchRequest } from "../runbook/checks.ts";
import type { Site } from "../site/schema.ts";
import { connect, type SshTarget } from "../ssh/connection.ts";
import { Lines } from "../ssh/lines.ts";
import { inMemory, packHostFolder } from "../ssh/host-folder.ts";
import { keepRecord, type RecordedRun } from "./record.ts";

export interface WatchOptions {
  site: Site;
  /** The host that the site is on. */
  target: SshTarget;
  isolated: boolean;
  /** 0 for not at all. */
  seconds: number;
  /** Where the record of the run lies. */
  runDirectory: string;
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

/** Runbook 1.13: watches what was recovered, and writes what was seen into the record; other runs stay as they are. */
export async function watchRecovered(recorded: RecordedRun, options: WatchOptions): Promise<RecordedRun> {
  const { record } = recorded;
  if (record.outcome !== "recovered" || options.seconds === 0) return recorded;
  options.say(summary(record));
  return keepRecord({ ...record, watch: await watchSite(options) }, options);
}

/** Logs, metrics and units. Whatever becomes of the watch is a result and no error: the site is recovered. */
async function watchSite(options: WatchOptions): Promise<Watch> {
  const { site, target, isolated, seconds, say, signal } = options;
  const began = Date.now();
  const watched = () => Math.round((Date.now() - began) / 1000);
  const request = watchRequest(site, { isolated });
  const logs = site.logs.map(({ path }) => path);
  const watch: Watch = {
    of: [...logs, "error logs of nginx and PHP-FPM", ...request.checks.map(({ title }) => title)],
    wantedSeconds: seconds,
    seconds: 0,
    looks: 0,
    endedBy: "time",
    errors: [],
  };
  let said = 0;
  const heard = new Lines((line) => {
    watch.looks += 1;
    if (watch.looks === 1) {
      say(
        `watching logs, metrics and units for ${duration(seconds)}; Ctrl-C ends the watch, and the site stays recovered`,
      );
    }
    for (const error of lookSchema.parse(JSON.parse(line)).errors) {
      if (watch.errors.includes(error)) continue;
      say(`seen while watching: ${error}`);
      if (watch.errors.length < mostErrors) watch.errors.push(error);
    }
    if (watched() - said < sayEverySeconds) return;
    said = watched();
    say(
      `watched ${duration(said)} of ${duration(seconds)}: ${watch.errors.length === 0 ? "nothing wrong" : "see above"}`,
    );
  });
  try {
    const connection = await connect(target, { signal });
    try {
      const { tar } = await packHostFolder({
        "request.json": JSON.stringify({
          seconds,
          everySeconds: everySeconds(seconds),
          logs,
          check: request,
        }),
      });
      // A site that was led to its database may be on a server where no recovery ever was.
      const { exitCode, stderr } = await connection.run(inMemory('bash "$folder/watch"'), {
        stdin: tar,
        timeoutSeconds: seconds + slackSeconds,
        onOutput: (chunk, stream) => {
          if (stream === "stdout") heard.add(chunk);
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
