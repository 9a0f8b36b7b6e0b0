import { join } from "node:path";
import { prepareCommandPlugin } from "../../engine/command-plugin.ts";
import { findEngine } from "../../engine/find.ts";
import { openStack } from "../../engine/stack.ts";
import { prepareSample } from "../../examples/chatbot/prepare.ts";
import { loadSite } from "../../site/load.ts";
import { ansible } from "./ansible.ts";
import { aptFloor } from "./apt-floor.ts";
import { drilled, tell } from "./drilled.ts";
import { figure, say, secondsSince } from "./figure.ts";

/** The drill of the small sample on SQLite, and Ansible's playbook without any data, beside their floor. */
export async function drillOnSqlite(directory: string): Promise<void> {
  // One-time work first, so that no side pays for it.
  const engineSeconds = await emptyStack(join(directory, "empty"));
  const sample = await prepareSample({ directory });
  const floor = await aptFloor((await loadSite(sample.site)).site);
  const playbook = await ansible(sample, directory);
  const { record } = await drilled(sample.site);
  figure("floor: apt-get of the same packages", floor, floor);
  figure("Ansible: the same server, no data, no checks", playbook, floor);
  tell("drill", record, floor);
  figure("engine: a stack of nothing, opened, up and gone", engineSeconds, floor);
  const mebibytes = Math.round(process.resourceUsage().maxRSS / 1024);
  console.log(`memory of the operator's process: ${mebibytes} MiB at its highest`);
}

/** The same sample on PostgreSQL. */
export async function drillOnPostgresql(directory: string): Promise<void> {
  const { site } = await prepareSample({ directory, database: "postgresql" });
  const floor = await aptFloor((await loadSite(site)).site);
  const { record } = await drilled(site);
  figure("floor: apt-get of the same packages, PostgreSQL", floor, floor);
  tell("drill, PostgreSQL", record, floor);
}

/** Both, on machines that have their packages already. */
export async function bakedDrills(directory: string): Promise<void> {
  for (const database of ["sqlite", "postgresql"] as const) {
    const { site } = await prepareSample({ directory, database });
    const { record } = await drilled(site, { baked: true });
    tell(`baked drill, ${database}`, record);
  }
}

/** Seconds of an engine that has nothing to do: a stack of nothing, opened, up and gone. */
async function emptyStack(directory: string): Promise<number> {
  const engine = await findEngine({ allowBuild: true, say });
  if (!engine) throw new Error("no engine");
  const plugin = await prepareCommandPlugin(engine, say);
  const begin = performance.now();
  const stack = await openStack({
    engine,
    plugin,
    stackName: "bench.staging",
    directory,
    program: () => Promise.resolve({}),
    say,
  });
  await stack.up();
  return secondsSince(begin);
}
