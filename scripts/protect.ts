import { Command } from "commander";
import { operator } from "../run/operator.ts";
import { examples } from "./examples.ts";
import { interruption } from "./interruption.ts";
import { aboutSiteHost, siteHost, type SiteHostOptions } from "./site-host.ts";

interface Options extends SiteHostOptions {
  remove: boolean;
  json: boolean;
}

export function protectCommand(): Command {
  return aboutSiteHost(new Command("protect"), "the server")
    .description(
      "have a living server make its own backups, as site.yaml says; what was done is not done again",
    )
    .option("--remove", "it makes none any more; those that it made stay", false)
    .option(
      "--json",
      "print what the server told of itself, and what is left to do, as one JSON document",
      false,
    )
    .option("--debug", "show where an error came from", false)
    .addHelpText("after", examples("protect --host root@192.0.2.10"))
    .action(async (options: Options) => {
      // The engine's library takes a second to load: not for every --help.
      const { protect } = await import("../run/protect.ts");
      const say = (line: string) => {
        console.error(line);
      };
      const { signal } = interruption("kill", say);
      const { met, loaded } = await siteHost(options, signal);
      const { agentSocketPath, ...host } = met.target;
      const { facts, left } = await protect({
        siteFile: options.site,
        host,
        ...(agentSocketPath === undefined ? {} : { agentSocketPath }),
        run: { id: `protect-${operator()}`, who: operator(), why: "set up backups" },
        remove: options.remove,
        say,
        signal,
      });
      await met.remember();
      if (options.json) console.log(JSON.stringify({ ...facts, left }, null, 2));
      else if (options.remove)
        console.log(`${host.address} makes no backups any more; ${String(facts["kept"])} stay there`);
      else {
        console.log(
          `${host.address} makes its own backups from now on; the first by hand: npx recovery backup`,
        );
        console.log(`their signer, for restorePoints.signers: ${String(facts["signer"])}`);
        for (const task of left) console.log(`TO DO: ${task}`);
        console.log(`its key, for the stores that it sends them to: ${String(facts["key"])}`);
        console.log(
          loaded.site.alerts === undefined
            ? "NOBODY IS TOLD when they fail: site.yaml has no section alerts (docs/backups.md)"
            : "see whether its alerts arrive: npx recovery alert",
        );
      }
    });
}
