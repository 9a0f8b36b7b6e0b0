import { Command } from "commander";
import { createLogUpdate } from "log-update";
import { assessmentReport } from "../evidence/assessment-report.ts";
import { assessSite } from "../run/assess.ts";
import { meetHost, type NamedHost } from "../run/meet-host.ts";
import { stateDirectory } from "../run/state-directory.ts";
import { loadSite } from "../site/load.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { progressOutput } from "./display.ts";
import { examples } from "./examples.ts";
import { interruption } from "./interruption.ts";
import { target } from "./target.ts";

interface Options {
  site: string;
  host?: string;
  hostKey?: string;
  json: boolean;
}

export function assessCommand(): Command {
  return new Command("assess")
    .description("look at the site from all sides, changing nothing; say what is wrong and what to do now")
    .option("--site <file>", "the site's configuration", "site.yaml")
    .option("--host <host>", "its host: [USER@]ADDRESS[:PORT]; without, the domain is looked at from outside")
    .option("--host-key <key>", "its public host key: 'ssh-ed25519 AAAA…'; without, the one that is known")
    .option("--json", "print what was seen as one JSON document", false)
    .option("--debug", "show where an error came from", false)
    .addHelpText("after", examples("assess", 'assess --host root@192.0.2.10 --host-key "ssh-ed25519 AAAA…"'))
    .action(async (options: Options) => {
      const named = namedHost(options);
      const loaded = await loadSite(options.site);
      // Nobody is asked to confirm a key: the host may be gone, which is what is to be found out.
      const met =
        named &&
        (await meetHost(named, {
          stateFolder: stateDirectory(loaded.site.name),
          flag: "--host-key",
          ask: undefined,
        }));
      const looking = progress();
      const { signal } = interruption("kill", (line) => {
        console.error(line);
      });
      const assessment = await assessSite({
        loaded,
        siteFile: options.site,
        target: met?.target,
        looked: looking.looked,
        signal,
      }).finally(looking.end);
      console.log(options.json ? JSON.stringify(assessment, null, 2) : assessmentReport(assessment));
      process.exitCode = assessment.verdict.outcome === "well" ? exitCodes.done : exitCodes.failed;
    });
}

function namedHost({ host, hostKey }: Options): NamedHost | undefined {
  if (host !== undefined) return target(host, hostKey);
  if (hostKey === undefined) return undefined;
  throw new OperatorError(
    exitCodes.usage,
    "--host-key is given, and no --host",
    "it is a host's, and none is named",
    "give both, or neither: without a host, the site is looked at from outside",
  );
}

/** On a terminal, one line that says what has been looked at. */
function progress(): { looked: (what: string) => void; end: () => void } {
  const { live, stream } = progressOutput();
  if (!live) return { looked: () => undefined, end: () => undefined };
  const update = createLogUpdate(stream);
  const done: string[] = [];
  const draw = () => {
    update(done.length === 0 ? "looking…" : `looking… seen: ${done.join(", ")}`);
  };
  draw();
  return {
    looked: (what) => {
      done.push(what);
      draw();
    },
    end: () => {
      update.clear();
      update.done();
    },
  };
}
