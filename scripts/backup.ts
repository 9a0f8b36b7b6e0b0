import { Command } from "commander";
import { backUp } from "../run/back-up.ts";
import { exitCodes } from "../site/operator-error.ts";
import { examples } from "./examples.ts";
import { interruption } from "./interruption.ts";
import { aboutSiteHost, siteHost, type SiteHostOptions } from "./site-host.ts";

interface Options extends SiteHostOptions {
  database: boolean;
  json: boolean;
}

export function backupCommand(): Command {
  return aboutSiteHost(new Command("backup"), "the server")
    .description("have a protected server make a backup now, such as before a repair; nobody removes it")
    .option("--database", "of the databases alone", false)
    .option("--json", "print what became of it as one JSON document", false)
    .option("--debug", "show where an error came from", false)
    .addHelpText("after", examples("backup --host root@192.0.2.10 --database"))
    .action(async (options: Options) => {
      const say = (line: string) => {
        console.error(line);
      };
      const { signal } = interruption("kill", say);
      const { met } = await siteHost(options, signal);
      const outcome = await backUp(met.target, { database: options.database, said: say, signal });
      await met.remember();
      if (options.json) console.log(JSON.stringify(outcome, null, 2));
      else {
        console.log(outcome.point === null ? "no backup was made" : `made ${outcome.point}`);
        for (const [store, why] of Object.entries(outcome.sent))
          console.log(why === null ? `sent to ${store}` : `NOT sent to ${store}: ${why}`);
        if (!outcome.ok) console.log("something is missing: see above");
      }
      process.exitCode = outcome.ok ? exitCodes.done : exitCodes.failed;
    });
}
