import { createInterface } from "node:readline/promises";
import { Command } from "commander";
import { report } from "../evidence/report.ts";
import type { RebuildOptions } from "../run/rebuild.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { fingerprint } from "../ssh/connection.ts";
import { age } from "../backups/age.ts";
import { display, progressOutput } from "./display.ts";
import { examples } from "./examples.ts";
import { exitCodeOf } from "./exit-code.ts";
import { interruption } from "./interruption.ts";
import { moment } from "./moment.ts";
import { recordedIn } from "./recorded-in.ts";
import { target } from "./target.ts";

interface Options {
  site: string;
  host: string;
  hostKey: string;
  point?: string;
  before?: Date;
  again?: string;
  yes: boolean;
  withoutPulumi: boolean;
  json: boolean;
}

export function rebuildCommand(): Command {
  return new Command("rebuild")
    .description("restore the site on a blank Debian host; run again, it goes on where it stopped")
    .requiredOption("--host <host>", "the host: [USER@]ADDRESS[:PORT]")
    .requiredOption("--host-key <key>", "its public host key: 'ssh-ed25519 AAAA…'")
    .option("--site <file>", "the site's configuration", "site.yaml")
    .option("--point <id>", "the restore point; the newest good one by default")
    .option("--before <time>", "only points with data of before this time (ISO 8601)", moment)
    .option(
      "--again <address>",
      "restore over the site that was recovered on this host; the address a second time",
    )
    .option("--yes", "do not ask", false)
    .option("--without-pulumi", "carry the steps out directly over ssh, without a Pulumi engine", false)
    .option("--json", "print the run's record as one JSON document", false)
    .option("--debug", "show where an error came from", false)
    .addHelpText("after", examples('rebuild --host root@192.0.2.10 --host-key "ssh-ed25519 AAAA…"'))
    .action(async (options: Options) => {
      // The engine's library takes a second to load: not for every --help.
      const { rebuild } = await import("../run/rebuild.ts");
      const reporter = display(progressOutput());
      const interrupted = interruption("finish-steps", (line) => {
        reporter.say(line);
      });
      const host = target(options.host, options.hostKey);
      if (options.again !== undefined && options.again !== host.address) {
        throw new OperatorError(
          exitCodes.refused,
          `--again names ${options.again}, and --host names ${host.address}`,
          "what is on a host is replaced only when that host is named twice",
          `if it is meant: --again ${host.address}`,
        );
      }
      const result = await rebuild({
        siteFile: options.site,
        target: host,
        again: options.again !== undefined,
        ...(options.point === undefined ? {} : { pointId: options.point }),
        ...(options.before === undefined ? {} : { before: options.before }),
        withoutPulumi: options.withoutPulumi,
        confirm: (question) => confirm(options, question),
        reporter,
        ...interrupted,
      });
      if (!result) {
        console.error("nothing was done");
        process.exitCode = exitCodes.refused;
        return;
      }
      console.log(
        options.json ? JSON.stringify(result, null, 2) : `${report(result.record)}\n${recordedIn(result)}`,
      );
      process.exitCode = exitCodeOf(result.record);
    });
}

/** One screen before anything is touched: which host, which point, what is lost. */
async function confirm(
  options: Options,
  { point, resumed, loaded }: Parameters<RebuildOptions["confirm"]>[0],
): Promise<boolean> {
  const time = point.timeOfData ?? "unknown";
  console.error(
    [
      `${resumed ? "go on rebuilding" : "rebuild"} ${loaded.site.name} (${loaded.site.domain})`,
      `  on    ${options.host}, host key ${fingerprint(options.hostKey)}`,
      `  from  ${point.id} in ${point.store}, ${point.state}`,
      `  lost  everything after ${time}: ${age(time, new Date())}`,
    ].join("\n"),
  );
  if (options.yes) return true;
  if (!process.stdin.isTTY) {
    throw new OperatorError(
      exitCodes.refused,
      "a rebuild is confirmed before it begins",
      "there is no terminal to ask on",
      "read the lines above, then run the same with --yes",
    );
  }
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await prompt.question("type the site's name to begin: ");
  prompt.close();
  return answer.trim() === loaded.site.name;
}
