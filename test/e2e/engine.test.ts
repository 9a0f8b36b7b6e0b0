import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { remote } from "@pulumi/command";
import { ComponentResource } from "@pulumi/pulumi";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { CommandPlugin } from "../../engine/command-plugin.ts";
import { findEngine, type Engine } from "../../engine/find.ts";
import { processesOf } from "../../engine/marked-processes.ts";
import { openStack, type OpenStack } from "../../engine/stack.ts";
import { OperatorError } from "../../site/operator-error.ts";

const url = (path: string) => new URL(path, import.meta.url).href;

/** A command plugin whose every create connects to the test and lasts until the test answers. */
const fakePlugin = (socket: string) => `
import { connect } from "node:net";
import { main } from ${JSON.stringify(url("../../node_modules/@pulumi/pulumi/provider/index.js"))};
await main({
  version: "1.2.1",
  check: async (urn, olds, news) => ({ inputs: news, failures: [] }),
  diff: async () => ({ changes: false }),
  create: (urn, inputs) => new Promise((resolve, reject) => {
    const socket = connect(${JSON.stringify(socket)});
    socket.on("data", (answer) => {
      socket.end();
      if (String(answer) === "fail") reject(new Error("the host is full"));
      else resolve({ id: "1", outs: inputs });
    });
  }),
  delete: async () => {},
}, process.argv.slice(2));
`;

let engine: Engine;
let directory: string;
let plugin: CommandPlugin;
let server: Server;
let creating: Socket[];
let arrived: (() => void) | undefined;
const children: ChildProcess[] = [];

beforeAll(async () => {
  const found = await findEngine({ allowBuild: true, say: (line) => process.stderr.write(`${line}\n`) });
  if (!found) throw new Error("there is no engine");
  engine = found;
});

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "engine-"));
  creating = [];
  const socketPath = join(directory, "socket");
  server = createServer((socket) => {
    // A plugin that was killed ends its connection as it likes.
    socket.on("error", () => undefined);
    creating.push(socket);
    arrived?.();
  }).listen(socketPath);
  await once(server, "listening");
  writeFileSync(join(directory, "plugin.mjs"), fakePlugin(socketPath));
  writeFileSync(
    join(directory, "pulumi-resource-command"),
    `#!/bin/sh\nexec '${process.execPath}' '${join(directory, "plugin.mjs")}' "$@"\n`,
    { mode: 0o755 },
  );
  plugin = {
    from: "ours",
    environment: {
      PATH: `${directory}:${process.env["PATH"] ?? ""}`,
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    },
  };
});

afterEach(() => {
  vi.unstubAllEnvs();
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const socket of creating) socket.destroy();
  server.close();
  rmSync(directory, { recursive: true, force: true });
});

const stackDirectory = () => join(directory, "stack");
const mark = () => `${stackDirectory()}#site.staging`;

function open(program: () => Promise<Record<string, unknown>>, said: string[] = []): Promise<OpenStack> {
  return openStack({
    engine,
    plugin,
    stackName: "site.staging",
    directory: stackDirectory(),
    program,
    say: (line) => said.push(line),
  });
}

const component = () => {
  new ComponentResource("test:index:Part", "part");
  return Promise.resolve({ url: "https://site.example" });
};

const step = () => {
  new remote.Command("step", { connection: { host: "192.0.2.1" }, create: "true" });
  return Promise.resolve({});
};

async function nextCreate(): Promise<Socket> {
  if (creating.length === 0) await new Promise<void>((resolve) => (arrived = resolve));
  const socket = creating.shift();
  if (!socket) throw new Error("no create arrived");
  return socket;
}

/** The same stack, driven by a process that can be killed. */
function upElsewhere(): ChildProcess {
  const program = `
    import { findEngine } from ${JSON.stringify(url("../../engine/find.ts"))};
    import { openStack } from ${JSON.stringify(url("../../engine/stack.ts"))};
    import command from "@pulumi/command";
    const say = () => {};
    const engine = await findEngine({ allowBuild: false, say });
    const stack = await openStack({ engine, plugin: ${JSON.stringify(plugin)}, stackName: "site.staging", say,
      directory: ${JSON.stringify(stackDirectory())},
      program: async () => {
        new command.remote.Command("step", { connection: { host: "192.0.2.1" }, create: "true" });
      } });
    process.on("SIGINT", () => {});
    await stack.up();`;
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program], {
    stdio: ["ignore", "ignore", "inherit"],
    // As a shell starts it: the leader of the terminal's foreground group.
    detached: true,
  });
  children.push(child);
  return child;
}

const nameOf = (pid: number) => readFileSync(`/proc/${pid}/comm`, "utf8").trim();

function locks(): string[] {
  const folder = join(stackDirectory(), "state/.pulumi/locks/organization/recovery-stack/site.staging");
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".json")) : [];
}

describe("a stack", () => {
  test("is brought up, does nothing the second time, and ends", async () => {
    const stack = await open(component);
    const types: string[] = [];
    await stack.up({
      onEvent: (event) => {
        if (event.resOutputsEvent) types.push(event.resOutputsEvent.metadata.type);
      },
    });
    expect(await stack.outputs()).toEqual({ url: { value: "https://site.example", secret: false } });
    expect(await stack.changes()).toEqual({ create: 2 });
    expect(types).toContain("test:index:Part");
    expect(await stack.preview()).toEqual({ changes: { same: 2 } });
    await stack.up();
    expect(await stack.changes()).toEqual({ same: 2 });
    await stack.destroy();
    expect(await stack.outputs()).toEqual({});
    expect(locks()).toEqual([]);
  });

  test("never lands in the backend or the home that the owner's environment names", async () => {
    const owners = join(directory, "owners");
    vi.stubEnv("PULUMI_BACKEND_URL", `file://${owners}`);
    vi.stubEnv("PULUMI_HOME", owners);
    vi.stubEnv("PULUMI_ACCESS_TOKEN", "pul-of-the-owner");
    vi.stubEnv("PULUMI_CONFIG_PASSPHRASE", "of the owner");
    vi.stubEnv("PULUMI_STACK", "production");
    const stack = await open(component);
    await stack.up();
    expect(existsSync(owners)).toBe(false);
    expect(readdirSync(join(stackDirectory(), "home"))).toContain("workspaces");
    expect(existsSync(join(stackDirectory(), "state/.pulumi/stacks/recovery-stack/site.staging.json"))).toBe(
      true,
    );
    // With the owner's passphrase it could not be opened again without it.
    vi.unstubAllEnvs();
    const again = await open(component);
    await again.up();
    expect(await again.changes()).toEqual({ same: 2 });
  });

  test("fails with the program's own words, without a stack trace", async () => {
    const refusal = new OperatorError(4, "no point is pinned", "none was chosen", "choose one");
    await expect((await open(() => Promise.reject(refusal))).up()).rejects.toBe(refusal);
    await expect((await open(() => Promise.reject(new Error("no such file")))).up()).rejects.toMatchObject({
      exitCode: 1,
      what: "up of the stack site.staging failed",
      why: "no such file",
    });
  });

  test("fails with the words of the step that failed", async () => {
    const stack = await open(step);
    const failure = expect(stack.up()).rejects.toMatchObject({ exitCode: 1, why: "step: the host is full" });
    (await nextCreate()).write("fail");
    await failure;
  });

  test("does not tell the operator again where its command plugin comes from", async () => {
    const stack = await open(step);
    const messages: string[] = [];
    const up = stack.up({
      onEvent: ({ diagnosticEvent }) => {
        if (diagnosticEvent && ["warning", "error"].includes(diagnosticEvent.severity))
          messages.push(diagnosticEvent.message);
      },
    });
    (await nextCreate()).write("done");
    await up;
    expect(messages).toEqual([]);
  });
});

describe("an operator's process that is killed", () => {
  test("takes engine and plugins with it; the next run clears lock and pending step, and goes on", async () => {
    const child = upElsewhere();
    const socket = await nextCreate();
    expect(processesOf(mark()).length).toBeGreaterThanOrEqual(3);
    const pluginEnded = once(socket, "close");
    child.kill("SIGKILL");
    await pluginEnded;
    await vi.waitFor(
      () => {
        expect(processesOf(mark())).toEqual([]);
      },
      { timeout: 5000, interval: 20 },
    );
    expect(locks()).toHaveLength(1);

    const said: string[] = [];
    const stack = await open(step, said);
    expect(said).toEqual([
      expect.stringMatching(/^removed the lock of an engine that is gone \(process \d+\)$/),
      "forgot that step was cut short: the host knows how far it came",
    ]);
    expect(locks()).toEqual([]);
    const warnings: string[] = [];
    const up = stack.up({
      onEvent: ({ diagnosticEvent }) => {
        if (diagnosticEvent?.severity === "warning") warnings.push(diagnosticEvent.message);
      },
    });
    (await nextCreate()).write("done");
    await up;
    expect(await stack.changes()).toEqual({ same: 1, create: 1 });
    expect(warnings).toEqual([]);
  });

  test("together with its keeper leaves orphans that the next run ends", async () => {
    const child = upElsewhere();
    const socket = await nextCreate();
    const pluginEnded = once(socket, "close");
    const keeper = processesOf(mark()).filter(({ pid }) => nameOf(pid) === "bash");
    expect(keeper).not.toEqual([]);
    for (const { pid } of keeper) process.kill(pid, "SIGKILL");
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(processesOf(mark()).length).toBeGreaterThan(0);
    const said: string[] = [];
    await open(step, said);
    await pluginEnded;
    expect(said[0]).toMatch(/^ended an engine that was left behind \(processes: \d+\)$/);
    expect(locks()).toEqual([]);
  });
});

test("a stack that another run is changing is refused, and left alone", async () => {
  upElsewhere();
  const socket = await nextCreate();
  const refused = open(step);
  await expect(refused).rejects.toMatchObject({
    exitCode: 4,
    what: "another run may be changing the stack site.staging",
    why: expect.stringContaining("which still runs") as string,
  });
  expect(locks()).toHaveLength(1);
  expect(socket.destroyed).toBe(false);
});

test("the terminal's Ctrl-C reaches the operator's process alone", async () => {
  const child = upElsewhere();
  const socket = await nextCreate();
  if (child.pid === undefined) throw new Error("it did not start");
  process.kill(-child.pid, "SIGINT");
  // The group has the signal by now; an engine in it would not start what comes after, and fail.
  socket.write("done");
  const [exitCode] = (await once(child, "exit")) as [number | null];
  expect(exitCode).toBe(0);
});

test("an engine that is killed takes its plugins along, and the run says that it was interrupted", async () => {
  const stack = await open(step);
  const up = stack.up();
  const failure = expect(up).rejects.toMatchObject({ exitCode: 130 });
  const socket = await nextCreate();
  const pluginEnded = once(socket, "close");
  await stack.kill();
  await Promise.all([failure, pluginEnded]);
  expect(processesOf(mark())).toEqual([]);
});

test("an abort lets the running step finish and starts no other", async () => {
  const stack = await open(() => {
    const first = new remote.Command("first", { connection: { host: "192.0.2.1" }, create: "true" });
    new remote.Command("second", { connection: { host: "192.0.2.1" } }, { dependsOn: first });
    return Promise.resolve({});
  });
  const controller = new AbortController();
  const up = stack.up({ signal: controller.signal });
  const failure = expect(up).rejects.toMatchObject({ exitCode: 130 });
  const socket = await nextCreate();
  controller.abort();
  socket.write("done");
  await failure;
  expect(creating).toEqual([]);
  expect(locks()).toEqual([]);
});
