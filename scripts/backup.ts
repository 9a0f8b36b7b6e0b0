import { Command } from "commander";
import { backUp } from "../run/back-up.ts";
import { meetHost } from "../run/meet-host.ts";
import { stateDirectory } from "../run/state-directory.ts";
import { loadSite } from "../site/load.ts";
import { exitCodes } from "../site/operator-error.ts";
import { ask, atTerminal } from "./ask.ts";
import { examples } from "./examples.ts";
import { interruption } from "./interruption.ts";
import { target } from "./target.ts";

interface Options {
  site: string;
  host: string;
  hostKey?: string;
  database: boolean;
  json: boolean;
}

export function backupCommand(): Command {
  return new Command("backup")
    .description("have a protected server make a backup now, such as before a repair; nobody removes it")
    .requiredOption("--host <host>", "the server: [USER@]ADDRESS[:PORT]")
    .option("--host-key <key>", "its public host key: 'ssh-ed25519 AAAA…'; without, the one that is known")
    .option("--site <file>", "the site's configuration", "site.yaml")
    .option("--database", "of the databases alone", false)
    .option("--json", "print what became of it as one JSON document", false)
    .option("--debug", "show where an error came from", false)
    .addHelpText("after", examples("backup --host root@192.0.2.10 --database"))
    .action(async (options: Options) => {
      const say = (line: string) => {
        console.error(line);
      };
      const { signal } = interruption("kill", say);
      const { site } = await loadSite(options.site);
      const met = await meetHost(target(options.host, options.hostKey), {
        stateFolder: stateDirectory(site.name),
        flag: "--host-key",
        ask: atTerminal() ? ask : undefined,
        signal,
      });
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
