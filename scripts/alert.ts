import { Command } from "commander";
import { testAlert } from "../run/test-alert.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { examples } from "./examples.ts";
import { interruption } from "./interruption.ts";
import { aboutSiteHost, siteHost, type SiteHostOptions } from "./site-host.ts";

interface Options extends SiteHostOptions {
  json: boolean;
}

const places: Readonly<Record<string, string>> = {
  mail: "by mail",
  webhook: "to the webhook",
  deadMan: "to the dead-man's URL",
};

export function alertCommand(): Command {
  return aboutSiteHost(new Command("alert"), "the server")
    .description("have a protected server send a test to all that its alerts go to")
    .option("--json", "print what became of it as one JSON document", false)
    .option("--debug", "show where an error came from", false)
    .addHelpText("after", examples("alert --host root@192.0.2.10"))
    .action(async (options: Options) => {
      const { signal } = interruption("kill", (line) => {
        console.error(line);
      });
      const { met, loaded } = await siteHost(options, signal);
      if (loaded.site.alerts === undefined) {
        throw new OperatorError(
          exitCodes.usage,
          "nobody is told of this site's backups",
          "site.yaml has no section alerts",
          "add one, then run protect: docs/backups.md",
        );
      }
      const results = await testAlert(met.target, signal);
      await met.remember();
      const missed = Object.values(results).some((why) => why !== null);
      if (options.json) console.log(JSON.stringify(results, null, 2));
      else {
        for (const [channel, why] of Object.entries(results)) {
          const place = places[channel] ?? channel;
          console.log(why === null ? `sent ${place}: see whether it arrived` : `NOT sent ${place}: ${why}`);
        }
        if (Object.keys(results).length === 0)
          console.log("this server has nobody to tell: run protect again");
      }
      process.exitCode = missed ? exitCodes.failed : exitCodes.done;
    });
}
