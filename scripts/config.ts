import { Command } from "commander";
import { requireObjectives } from "../offsite/require-objectives.ts";
import { requireServer } from "../servers/server-refusals.ts";
import { siteJsonSchema } from "../site/json-schema.ts";
import { loadSite } from "../site/load.ts";
import { examples } from "./examples.ts";

export function configCommand(): Command {
  const config = new Command("config").description("the site's configuration");
  config
    .command("check")
    .description("say all that is wrong with a site.yaml, with line numbers")
    .option("--site <file>", "the site's configuration", "site.yaml")
    .option("--json", "print the site as it is understood, every default filled in", false)
    .option("--debug", "show where an error came from", false)
    .addHelpText("after", examples("config check --site club/site.yaml"))
    .action(async (options: { site: string; json: boolean }) => {
      const { site, file } = await loadSite(options.site);
      requireObjectives(site);
      requireServer(site);
      console.log(
        options.json ? JSON.stringify(site, null, 2) : `${file}: ${site.name} is configured without errors`,
      );
    });
  config
    .command("schema")
    .description("print the JSON Schema of site.yaml, for editors")
    .addHelpText("after", examples("config schema > site.schema.json"))
    .action(() => {
      console.log(JSON.stringify(siteJsonSchema(), null, 2));
    });
  return config;
}
