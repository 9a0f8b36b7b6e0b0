import { Command } from "commander";
import { runChecks } from "../run/check.ts";
import { exitCodes } from "../site/operator-error.ts";
import { display, progressOutput } from "./display.ts";
import { examples } from "./examples.ts";
import { interruption } from "./interruption.ts";
import { aboutSiteHost, siteHost, type SiteHostOptions } from "./site-host.ts";

interface Options extends SiteHostOptions {
  restored: boolean;
  readOnly: boolean;
  install: boolean;
  json: boolean;
}

export function checkCommand(): Command {
  return aboutSiteHost(new Command("check"), "the host")
    .description("ask the site's checks on its host, now, whoever set it up")
    .option("--restored", "compare with the restore point that the host was restored from as well", false)
    .option(
      "--read-only",
      "leave out the checks that write: a message that is posted, a file that is uploaded",
      false,
    )
    .option(
      "--install",
      "install on the host what the checks need and it lacks (jq, curl, openssl, sqlite3)",
      false,
    )
    .option("--json", "print the results as one JSON document", false)
    .option("--debug", "show where an error came from", false)
    .addHelpText("after", examples('check --host root@192.0.2.10 --host-key "ssh-ed25519 AAAA…" --read-only'))
    .action(async (options: Options) => {
      const reporter = display(progressOutput());
      const say = (line: string) => {
        reporter.say(line);
      };
      const { signal } = interruption("kill", say);
      const { loaded, met } = await siteHost(options, signal);
      const results = await runChecks({
        loaded,
        target: met.target,
        restored: options.restored,
        isolated: false,
        readOnly: options.readOnly,
        install: options.install,
        say,
        signal,
      });
      await met.remember();
      if (options.json) console.log(JSON.stringify(results, null, 2));
      else {
        for (const { title, ok, expected, seen } of results) {
          console.log(ok ? `ok      ${title}: ${seen}` : `FAILED  ${title}: ${seen} (expected ${expected})`);
        }
      }
      process.exitCode = results.every(({ ok }) => ok) ? exitCodes.done : exitCodes.failed;
    });
}
