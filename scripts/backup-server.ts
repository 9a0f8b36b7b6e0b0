import { Command } from "commander";
import { operator } from "../run/operator.ts";
import { examples } from "./examples.ts";
import { interruption } from "./interruption.ts";

interface Options {
  site: string;
  store?: string;
  login: string;
  json: boolean;
}

export function backupServerCommand(): Command {
  return new Command("backup-server")
    .description(
      "have a plain Debian server keep the site's backups, as `server` of a store of kind ssh in site.yaml says; what was done is not done again",
    )
    .option("--store <name>", "the store whose server it is, where site.yaml has several")
    .option("--login <user>", "the account that sets it up there: root, or one with sudo", "root")
    .option("--site <file>", "the site's configuration", "site.yaml")
    .option("--json", "print which server it is, and its account, as one JSON document", false)
    .option("--debug", "show where an error came from", false)
    .addHelpText("after", examples("backup-server --site site.yaml"))
    .action(async ({ site, store, login, json }: Options) => {
      // The engine's library takes a second to load: not for every --help.
      const { setUpBackupServer } = await import("../run/backup-server.ts");
      const say = (line: string) => {
        console.error(line);
      };
      const { signal } = interruption("kill", say);
      const server = await setUpBackupServer({
        siteFile: site,
        ...(store === undefined ? {} : { store }),
        login,
        run: { id: `backup-server-${operator()}`, who: operator(), why: "set up a server for backups" },
        say,
        signal,
      });
      if (json) console.log(JSON.stringify(server, null, 2));
      else
        console.log(
          `${server.address} keeps the backups of the store ${server.store} from now on, as ${server.account} in ${server.folder}`,
        );
    });
}
