import { randomBytes } from "node:crypto";
import { Command } from "commander";
import { operator } from "../run/operator.ts";
import { runChecks } from "../run/check.ts";
import { loadSite } from "../site/load.ts";
import { exitCodes } from "../site/operator-error.ts";
import { display, progressOutput } from "./display.ts";
import { target } from "./target.ts";

interface Options {
  site: string;
  host: string;
  hostKey: string;
  restored: boolean;
  json: boolean;
}

export function checkCommand(): Command {
  return new Command("check")
    .description("run the site's checks on its host, now")
    .requiredOption("--host <host>", "the host: [USER@]ADDRESS[:PORT]")
    .requiredOption("--host-key <key>", "its public host key: 'ssh-ed25519 AAAA…'")
    .option("--site <file>", "the site's configuration", "site.yaml")
    .option("--restored", "compare with the restore point that the host was restored from as well", false)
    .option("--json", "print the results as one JSON document", false)
    .option("--debug", "show where an error came from", false)
    .action(async (options: Options) => {
      const reporter = display(progressOutput());
      const results = await runChecks({
        loaded: await loadSite(options.site),
        target: target(options.host, options.hostKey),
        run: { id: `check-${randomBytes(4).toString("hex")}`, who: operator(), why: "check the site" },
        restored: options.restored,
        isolated: false,
        say: (line) => {
          reporter.say(line);
        },
      });
      if (options.json) console.log(JSON.stringify(results, null, 2));
      else {
        for (const { title, ok, expected, seen } of results) {
          console.log(ok ? `ok      ${title}: ${seen}` : `FAILED  ${title}: ${seen} (expected ${expected})`);
        }
      }
      process.exitCode = results.every(({ ok }) => ok) ? exitCodes.done : exitCodes.failed;
    });
}
