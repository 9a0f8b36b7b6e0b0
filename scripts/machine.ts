import { Command } from "commander";
import { listMachines, removeMachine } from "../machines/nspawn.ts";

export function machineCommand(): Command {
  const machine = new Command("machine").description("machines that drills were told to keep");
  machine
    .command("list")
    .description("list them")
    .option("--json", "print them as one JSON document", false)
    .action(async (options: { json: boolean }) => {
      const machines = await listMachines();
      if (options.json) console.log(JSON.stringify(machines, null, 2));
      else if (machines.length === 0) console.log("there are none");
      else for (const { id, address } of machines) console.log(`${id}  ${address}`);
    });
  machine
    .command("remove <id>")
    .description("end one, and delete everything that was restored on it")
    .action(async (id: string) => {
      await removeMachine(id);
      console.log(`${id} is gone`);
    });
  return machine;
}
