import { Command } from "commander";
import { report } from "../evidence/report.ts";
import { fileURLToPath } from "node:url";
import { loadSite } from "../site/load.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import type { DebianRelease } from "../site/debian-versions.ts";
import { examples } from "./examples.ts";
import { exitCodeOf } from "./exit-code.ts";
import { length } from "./length.ts";
import { moment } from "./moment.ts";
import { display, progressOutput } from "./display.ts";
import { recordedIn } from "./recorded-in.ts";
import { releaseOption } from "./release-option.ts";
import { interruption } from "./interruption.ts";
import { verificationTimers } from "./verification-timers.ts";

interface Options {
  site: string;
  point?: string;
  before?: Date;
  release?: DebianRelease;
  watch: number;
  keep: boolean;
  withoutPulumi: boolean;
  baked: boolean;
  draw: boolean;
  sign: boolean;
  printTimer: boolean;
  json: boolean;
}

const program = fileURLToPath(new URL("recovery.js", import.meta.url));

export function drillCommand(): Command {
  return new Command("drill")
    .description(
      "restore the site on a throw-away machine without a way out, check it, and show the time of every step",
    )
    .option("--site <file>", "the site's configuration", "site.yaml")
    .option("--point <id>", "the restore point; by default the one that a rebuild would propose")
    .option(
      "--before <time>",
      "only points with data of before this time (ISO 8601, such as 2026-03-01T02:00Z)",
      moment,
    )
    .option("--watch <duration>", "how long the recovered site is watched, such as 30min", length, 10)
    .addOption(releaseOption())
    .option("--keep", "leave the machine when done, and say how to get in", false)
    .option("--without-pulumi", "carry the steps out directly over ssh, without a Pulumi engine", false)
    .option(
      "--baked",
      "on a machine that has the site's packages already: quick, and no measure of the RTO",
      false,
    )
    .option("--draw", "a restore point drawn at random among all good ones", false)
    .option("--sign", "sign that the point is proven, or is not (verification in site.yaml)", false)
    .option(
      "--print-timer",
      "print what does all of this by itself, to paste: units of systemd, a job of CI",
      false,
    )
    .option("--json", "print the run's record as one JSON document", false)
    .option("--debug", "show where an error came from", false)
    .addHelpText("after", examples("drill", "drill --before 2026-03-01T02:00Z --keep", "drill --release 13"))
    .action(async (options: Options) => {
      if (options.printTimer) {
        const { site, file } = await loadSite(options.site);
        console.log(
          verificationTimers({
            site: site.name,
            file,
            verdicts: site.verification?.folder ?? "verdicts",
            agent: site.stores.some(({ kind }) => kind === "ssh"),
            node: process.execPath,
            program,
          }),
        );
        return;
      }
      if (options.draw && (options.point !== undefined || options.before !== undefined)) {
        throw new OperatorError(
          exitCodes.usage,
          "it is not clear which point is restored",
          "one is drawn at random, or named by --point or --before",
          "leave out one of them",
        );
      }
      // The engine's library takes a second to load: not for every --help.
      const { drill } = await import("../run/drill.ts");
      const reporter = display(progressOutput());
      const { signal } = interruption("kill", (line) => {
        reporter.say(line);
      });
      const { kept, verdict, ...recorded } = await drill({
        siteFile: options.site,
        ...(options.point === undefined ? {} : { pointId: options.point }),
        ...(options.before === undefined ? {} : { before: options.before }),
        ...(options.release === undefined ? {} : { release: options.release }),
        withoutPulumi: options.withoutPulumi,
        keep: options.keep,
        baked: options.baked,
        watchSeconds: options.watch,
        draw: options.draw,
        sign: options.sign,
        reporter,
        signal,
      });
      if (options.json) console.log(JSON.stringify({ ...recorded, verdict, kept }, null, 2));
      else {
        console.log(report(recorded.record));
        console.log(recordedIn(recorded));
        if (verdict !== undefined) console.log(`signed: ${verdict}`);
        if (kept) console.log(`enter the machine:  ${kept.enter}\nremove it:          ${kept.remove}`);
      }
      process.exitCode = exitCodeOf(recorded.record);
    });
}
