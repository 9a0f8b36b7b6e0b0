import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepareCommandPlugin } from "../../engine/command-plugin.ts";
import { findEngine } from "../../engine/find.ts";
import { openStack } from "../../engine/stack.ts";
import { prepareSample } from "../../examples/chatbot/prepare.ts";
import { createMachine } from "../../machines/nspawn.ts";
import { drill } from "../../run/drill.ts";
import { allPackages, packagesOf } from "../../runbook/packages.ts";
import { loadSite } from "../../site/load.ts";
import { startAgent } from "../../ssh/agent.ts";
import { connect } from "../../ssh/connection.ts";

/**
 * `npm run bench`: the drill of the small sample beside its floor, the bare installation of the same packages by apt-get on
 * the same kind of machine in the same run. Figures are ratios to that floor; nothing here is a timed test.
 */
const say = (line: string) => {
  process.stderr.write(`${line}\n`);
};
const seconds = (since: number) => (performance.now() - since) / 1000;

const directory = await mkdtemp(join(tmpdir(), "recovery-bench-"));
process.env["XDG_STATE_HOME"] = join(directory, "state");
try {
  await prepareSample({ directory });
  const siteFile = join(directory, "site.yaml");
  // One-time work first, so that neither side pays for it.
  const engine = await findEngine({ allowBuild: true, say });
  if (!engine) throw new Error("no engine");
  const plugin = await prepareCommandPlugin(engine, say);
  const engineSeconds = await emptyStack();
  const floorSeconds = await floor(siteFile);

  const { record } = await drill({
    siteFile,
    keep: false,
    withoutPulumi: false,
    baked: false,
    watchSeconds: 0,
    reporter: {
      say,
      plan: () => undefined,
      started: () => undefined,
      ended: () => undefined,
      close: () => undefined,
    },
    signal: new AbortController().signal,
  });
  if (record.outcome !== "recovered" || record.recoveredAt === null || record.servingAt === null) {
    throw new Error(`the drill did not recover: ${record.error?.what ?? "no reason"}`);
  }
  const after = (moment: string) => (Date.parse(moment) - Date.parse(record.startedAt)) / 1000;
  const line = (name: string, value: number) => {
    console.log(
      `${name.padEnd(52)} ${value.toFixed(1).padStart(6)} s  ${(value / floorSeconds).toFixed(2)} of the floor`,
    );
  };
  line("floor: apt-get of the same packages", floorSeconds);
  line("drill: health checks green", after(record.servingAt));
  line("drill: everything, last check passed", after(record.recoveredAt));
  for (const step of record.steps) line(`  ${step.id}`, step.seconds ?? 0);
  line("engine: a stack of nothing, opened, up and gone", engineSeconds);
  console.log(
    `memory of the operator's process: ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB at its highest`,
  );

  async function emptyStack(): Promise<number> {
    if (!engine) throw new Error("no engine");
    const begin = performance.now();
    const stack = await openStack({
      engine,
      plugin,
      stackName: "bench.staging",
      directory: join(directory, "empty"),
      program: () => Promise.resolve({}),
      say,
    });
    await stack.up();
    return seconds(begin);
  }
} finally {
  await rm(directory, { recursive: true, force: true });
}

/** What a person would type: update, upgrade, install, all in one go. */
async function floor(siteFile: string): Promise<number> {
  const { site } = await loadSite(siteFile);
  const packages = allPackages(packagesOf(site, { isolated: true }));
  const agent = await startAgent();
  const machine = await createMachine({
    release: site.server.release,
    authorizedKeys: [agent.publicKey],
    admittedHosts: [],
    say,
  });
  try {
    const connection = await connect({ ...machine, agentSocketPath: agent.socketPath });
    const begin = performance.now();
    const { exitCode, stderr } = await connection.run(
      `export DEBIAN_FRONTEND=noninteractive; apt-get -qq update && apt-get -qq -y upgrade && apt-get -qq -y install --no-install-recommends ${["jq", "rclone", ...packages].join(" ")}`,
      { timeoutSeconds: 600 },
    );
    const taken = seconds(begin);
    await connection.close();
    if (exitCode !== 0) throw new Error(`the floor failed: ${stderr}`);
    return taken;
  } finally {
    await machine.destroy();
    await agent.close();
  }
}
