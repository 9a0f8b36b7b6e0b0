import { Command } from "commander";
import { table } from "../evidence/report.ts";
import type { Finding } from "../run/finding.ts";
import { loadSite } from "../site/load.ts";
import { exitCodes } from "../site/operator-error.ts";
import { display, progressOutput } from "./display.ts";
import { examples } from "./examples.ts";
import { interruption } from "./interruption.ts";

interface Options {
  site: string;
  offsite: boolean;
  json: boolean;
}

export function doctorCommand(): Command {
  return new Command("doctor")
    .description(
      "is all at hand for a recovery? --offsite: do the stores keep what site.yaml promises, and may the site's server do what it must not?",
    )
    .option("--site <file>", "the site's configuration", "site.yaml")
    .option(
      "--offsite",
      "instead, read the living stores, and try with the server's credentials what must be refused; a probe of a few bytes stays there",
      false,
    )
    .option("--json", "print the findings as one JSON document", false)
    .option("--debug", "show where an error came from", false)
    .addHelpText("after", examples("doctor", "doctor --offsite", "doctor --offsite --json"))
    .action(async (options: Options) => {
      const say = (line: string) => {
        display(progressOutput()).say(line);
      };
      const { signal } = interruption("kill", say);
      const loaded = await loadSite(options.site);
      // The cloud's and the engine's libraries take a second to load: not for every --help.
      const findings = options.offsite
        ? await (await import("../run/doctor-offsite.ts")).examineOffsite(loaded, { say, signal })
        : await (await import("../run/doctor.ts")).examine(loaded, { say, signal });
      console.log(options.json ? JSON.stringify({ version: 1, findings }, null, 2) : shown(findings));
      process.exitCode = findings.some(({ level }) => level === "bad") ? exitCodes.failed : exitCodes.done;
    });
}

const marks: Record<Finding["level"], string> = { ok: "ok", bad: "BROKEN", "not seen": "not seen" };

function shown(findings: readonly Finding[]): string {
  const count = (level: Finding["level"]) => findings.filter((finding) => finding.level === level).length;
  const lines = table(findings.map(({ level, about, seen }) => [marks[level], about, seen]));
  return [
    ...lines.flatMap((line, at) => {
      const next = findings[at]?.next;
      return next === undefined ? [line] : [line, `          what to do: ${next}`];
    }),
    "",
    `${count("ok")} ok, ${count("bad")} broken, ${count("not seen")} not seen`,
  ].join("\n");
}
