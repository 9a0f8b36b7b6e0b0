import { Command } from "commander";
import { duration, table } from "../evidence/report.ts";
import { statusMetrics, statusReport } from "../evidence/status-report.ts";
import { meetHost } from "../run/meet-host.ts";
import { stateDirectory } from "../run/state-directory.ts";
import { siteStatus } from "../run/status.ts";
import { type RunUnderWay, runUnderWay } from "../run/under-way.ts";
import { loadSite } from "../site/load.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { ask, atTerminal } from "./ask.ts";
import { display, progressOutput } from "./display.ts";
import { examples } from "./examples.ts";
import { interruption } from "./interruption.ts";
import { target } from "./target.ts";

interface Options {
  site: string;
  host?: string;
  hostKey?: string;
  metrics: boolean;
  json: boolean;
}

export function statusCommand(): Command {
  return new Command("status")
    .description(
      "what would be lost now, how long a recovery took last time, and what is overdue; on one screen",
    )
    .option("--site <file>", "the site's configuration", "site.yaml")
    .option("--host <host>", "instead, how a run on this host goes, whoever began it: [USER@]ADDRESS[:PORT]")
    .option("--host-key <key>", "its public host key: 'ssh-ed25519 AAAA…'; without, the one that is known")
    .option("--metrics", "print it for Prometheus", false)
    .option("--json", "print it as one JSON document", false)
    .option("--debug", "show where an error came from", false)
    .addHelpText("after", examples("status", "status --metrics", "status --host root@192.0.2.10"))
    .action(async (options: Options) => {
      const say = (line: string) => {
        display(progressOutput()).say(line);
      };
      const { signal } = interruption("kill", say);
      const loaded = await loadSite(options.site);
      if (options.host !== undefined) {
        if (options.metrics) throw clash();
        const met = await meetHost(target(options.host, options.hostKey), {
          stateFolder: stateDirectory(loaded.site.name),
          flag: "--host-key",
          ask: atTerminal() ? ask : undefined,
          signal,
        });
        const run = await runUnderWay(met.target, loaded.site.application.path, signal);
        if (options.json) console.log(JSON.stringify(run ?? null, null, 2));
        else console.log(run ? underWay(run, new Date()) : `no run has ${met.target.address}`);
        return;
      }
      const status = await siteStatus(loaded, { say, signal });
      if (options.json) console.log(JSON.stringify(status, null, 2));
      else console.log(options.metrics ? statusMetrics(status) : statusReport(status));
      process.exitCode = status.overdue.length === 0 ? exitCodes.done : exitCodes.failed;
    });
}

function underWay({ id, who, why, since, busy, attempts }: RunUnderWay, now: Date): string {
  const elapsed = duration(Math.max(0, Math.round((now.getTime() - Date.parse(since)) / 1000)));
  return [
    `${id} of ${who}, to ${why}; since ${since}, ${elapsed} ago`,
    ...table([
      ...attempts.map(({ step, outcome, seconds, error }) => [
        step,
        outcome,
        duration(seconds),
        error?.what ?? "",
      ]),
      ...busy.map((step) => [step, "running", "", ""]),
    ]),
    ...(busy.length === 0 ? ["no step runs now: it is at an end, or whoever began it is gone"] : []),
  ].join("\n");
}

function clash(): OperatorError {
  return new OperatorError(
    exitCodes.usage,
    "--metrics and --host are given",
    "metrics are those of the site, not of a run",
    "leave out one of them",
  );
}
