import { Command } from "commander";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { examples } from "./examples.ts";
import { listMachines, removeMachine } from "../machines/nspawn.ts";
import { ensureBaked } from "../run/bake.ts";
import type { DebianRelease } from "../site/debian-versions.ts";
import { loadSite } from "../site/load.ts";
import { releaseOption } from "./release-option.ts";
import { interruption } from "./interruption.ts";

const progress = (line: string) => {
  process.stderr.write(`${line}\n`);
};

export function machineCommand(): Command {
  const machine = new Command("machine").description("the throw-away machines on this computer");
  machine
    .command("list")
    .description("list them, and say which a drill was told to keep")
    .option("--json", "print them as one JSON document", false)
    .addHelpText("after", examples("machine list"))
    .action(async (options: { json: boolean }) => {
      const machines = await listMachines();
      if (options.json) console.log(JSON.stringify(machines, null, 2));
      else if (machines.length === 0) console.log("there are none");
      else {
        for (const { id, address, state } of machines) {
          console.log(`${id}  ${address.padEnd(15)}  ${state === "released" ? "kept" : state}`);
        }
      }
    });
  machine
    .command("bake")
    .description("make a base system that has the site's packages already, for drill --baked")
    .option("--site <file>", "the site's configuration", "site.yaml")
    .addOption(releaseOption())
    .option("--debug", "show where an error came from", false)
    .addHelpText("after", examples("machine bake", "machine bake --release 13"))
    .action(async ({ site, release }: { site: string; release?: DebianRelease }) => {
      const { signal } = interruption("kill", progress);
      const { folder } = await ensureBaked((await loadSite(site, release)).site, progress, signal);
      console.log(`baked: ${folder}`);
    });
  machine
    .command("remove <id>")
    .description("end one, and delete everything that was restored on it")
    .addHelpText("after", examples("machine remove m0a1b2c3d"))
    .action(async (id: string) => {
      const machine = (await listMachines()).find((one) => one.id === id);
      if (machine?.state === "in use") {
        throw new OperatorError(
          exitCodes.refused,
          `the machine ${id} is in use`,
          "the run that made it is still under way",
          "end that run, and it removes the machine itself",
        );
      }
      await removeMachine(id);
      console.log(`${id} is gone`);
    });
  return machine;
}
