import { Command } from "commander";
import { pinText } from "../backups/pin.ts";
import { isGood, pinOf } from "../backups/restore-point.ts";
import { loadSite } from "../site/load.ts";
import { sitePoints } from "../stacks/prepare.ts";
import { age } from "../stacks/recovery.ts";
import { display, progressOutput } from "./display.ts";

export function pointsCommand(): Command {
  const points = new Command("points").description("the restore points in the site's stores");
  points
    .command("list")
    .description("list them, newest data first, and say why one cannot be restored")
    .option("--site <file>", "the site's configuration", "site.yaml")
    .option("--json", "print them as one JSON document", false)
    .option("--debug", "show where an error came from", false)
    .action(async (options: { site: string; json: boolean }) => {
      const reporter = display(progressOutput());
      const found = await sitePoints(await loadSite(options.site), (line) => {
        reporter.say(line);
      });
      if (options.json) {
        console.log(JSON.stringify(found, null, 2));
        return;
      }
      const now = new Date();
      for (const point of found) {
        const time =
          point.timeOfData === null
            ? "of an unknown time"
            : `${point.timeOfData}, ${age(point.timeOfData, now)} old`;
        console.log(`${point.state.padEnd(8)}  ${point.id}  in ${point.store}: ${time}`);
        if (point.reason !== null) console.log(`          ${point.reason}`);
        const pin = point.kind === "full" && isGood(point) ? pinOf(point) : null;
        if (pin) console.log(`          pulumi config set point ${pinText(pin)}`);
      }
      if (found.length === 0) console.log("the site's stores hold nothing");
    });
  return points;
}
