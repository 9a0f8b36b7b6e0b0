import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { remote } from "@pulumi/command";
import { ResourceHook, secret, type CustomResourceOptions } from "@pulumi/pulumi";
import {
  LocalWorkspace,
  type EngineEvent,
  type OutputMap,
  type Stack,
} from "@pulumi/pulumi/automation/index.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { carryOut } from "../../engine/command-provider/carry-out.ts";
import { findEngine } from "../../engine/find.ts";
import { fingerprint } from "../../ssh/connection.ts";
import { makeKey, says, startAgent, startSshd, type LoopbackSshd } from "./loopback-sshd.ts";

/** What a program says of its one command, beside the connection that all share. */
interface Declared {
  args?: Partial<remote.CommandArgs>;
  connection?: Record<string, unknown>;
  options?: CustomResourceOptions;
}

interface Seen {
  /** What the engine did to the command, such as ["update"]. */
  operations: string[];
  /** Lines shown beside it while it ran. */
  shown: string[];
  errors: string[];
  outputs: Record<string, unknown>;
  /** How often the command ran on the host. */
  ran: number;
}

// Which plugins are compared must be known before the tests are listed, and that takes the engine.
const engine = await findEngine({ allowBuild: true, say: (line) => process.stderr.write(`${line}\n`) });
if (engine === undefined) throw new Error("no Pulumi engine can be had here");
const { path: enginePath, command: pulumiCommand } = engine;

const ours = fileURLToPath(new URL("../../engine/command-provider/", import.meta.url));
const plugins = [{ plugin: "ours", folder: ours }, ...vendors()];
let sshd: LoopbackSshd;

beforeAll(async () => {
  sshd = await startSshd();
});

afterAll(() => {
  sshd.close();
});

if (plugins.length === 1)
  test.skip("the vendor's plugin 1.2.1: RECOVERY_VENDOR_PLUGINS names no folder that holds it", () =>
    undefined);

describe.each(plugins)("the command plugin ($plugin)", ({ folder }) => {
  let stack: TestStack;
  let create: string;

  beforeAll(async () => {
    stack = await TestStack.make(folder);
    create = `echo >> ${stack.runs}; echo "to stdout"; echo "to stderr" >&2`;
  });

  afterAll(() => {
    stack.remove();
  });

  test("does nothing at preview", async () => {
    expect(await stack.preview({ args: { create } })).toMatchObject({ operations: ["create"], ran: 0 });
  });

  test("runs a new command once, shows what it prints, and keeps it without the last line end", async () => {
    expect(await stack.up({ args: { create } })).toEqual({
      operations: ["create"],
      shown: expect.toSatisfy(
        (lines: string[]) => lines.toSorted().join() === "to stderr,to stdout",
      ) as string[],
      errors: [],
      outputs: { stdout: "to stdout", stderr: "to stderr" },
      ran: 1,
    });
  });

  test("runs nothing when nothing changed", async () => {
    expect(await stack.up({ args: { create } })).toMatchObject({ operations: ["same"], ran: 0 });
  });

  test("runs create again in place for another create, stdin, logging or connection", async () => {
    const cat = `${create}; cat`;
    expect(await stack.up({ args: { create: cat } })).toMatchObject({ operations: ["update"], ran: 1 });
    const more = { create: cat, stdin: "told\n\n" };
    expect(await stack.up({ args: more })).toMatchObject({
      operations: ["update"],
      outputs: { stdout: "to stdout\ntold\n" },
      ran: 1,
    });
    expect(await stack.up({ args: { ...more, logging: "stderr" } })).toMatchObject({
      operations: ["update"],
      shown: ["to stderr"],
      ran: 1,
    });
    const connection = { perDialTimeout: 10 };
    expect(await stack.up({ args: { ...more, logging: "none" }, connection })).toMatchObject({
      operations: ["update"],
      shown: [],
      ran: 1,
    });
  });

  test("replaces for other triggers, and at no other time", async () => {
    const replaced = { operations: ["create-replacement", "replace", "delete-replaced"], ran: 1 };
    expect(await stack.up({ args: { create, triggers: ["point-1"] } })).toMatchObject(replaced);
    expect(await stack.up({ args: { create, triggers: ["point-1"] } })).toMatchObject({
      operations: ["same"],
      ran: 0,
    });
    expect(await stack.up({ args: { create, triggers: ["point-2", { attempt: 1 }] } })).toMatchObject(
      replaced,
    );
    expect(await stack.up({ args: { create, triggers: ["point-2", { attempt: 2 }] } })).toMatchObject(
      replaced,
    );
  });

  test("dials nobody for ignored changes, and uses them at the next replacement", async () => {
    const options = { ignoreChanges: ["connection", "stdin", "create", "logging"] };
    const rotated = await startAgent(sshd.folder, `rotated-${folder.length}`, ["login"]);
    const connection = { agentSocketPath: rotated.socketPath };
    const args = { create: `${create}; echo new`, triggers: ["point-2", { attempt: 2 }] };
    expect(await stack.up({ args, connection, options })).toMatchObject({ operations: ["same"], ran: 0 });
    expect(await stack.up({ args: { ...args, triggers: ["point-3"] }, connection, options })).toMatchObject({
      operations: ["create-replacement", "replace", "delete-replaced"],
      outputs: { stdout: "to stdout\nnew" },
      ran: 1,
    });
    rotated.close();
  });

  test("fails with all that the command printed, keeps the old state, and runs again at the next up", async () => {
    const failing = { create: `echo >> ${stack.runs}; echo "it's here"; echo '"why"' >&2; exit 3` };
    const changed = { args: { ...failing, triggers: ["point-3"] }, operations: ["update"] };
    const replaced = { args: { ...failing, triggers: ["point-4"] }, operations: ["create-replacement"] };
    for (const { args, operations } of [changed, changed, replaced]) {
      const seen = await stack.up({ args });
      expect(seen).toMatchObject({ operations, ran: 1 });
      expect(seen.errors[0]).toMatch(/^Process exited with status 3: running "echo >> .*":\n/);
      expect(seen.errors[0]).toContain("it's here");
      expect(seen.errors[0]).toContain('"why"');
    }
    const { errors } = await stack.up({ args: { create: `echo >> ${stack.runs}; kill $$` } });
    expect(errors[0]).toMatch(/^Process exited with status 143 from signal TERM: running /);
  });

  test("keeps a secret stdin out of its state", async () => {
    const planted = "planted-7361";
    const args = { create: `echo >> ${stack.runs}; wc -c`, stdin: secret(planted), triggers: ["secret"] };
    expect(await stack.up({ args })).toMatchObject({ ran: 1 });
    expect(await stack.up({ args })).toMatchObject({ operations: ["same"], ran: 0 });
    expect(stack.everythingWritten()).toContain("to stdout"); // the positive control
    expect(stack.everythingWritten()).not.toContain(planted);
    expect(stack.everythingWritten()).not.toContain(sshd.target.hostKey); // the SDK makes the connection a secret
  });

  test("refresh and destroy dial nobody", async () => {
    expect(await stack.refresh()).toMatchObject({ operations: ["refresh"], ran: 0 });
    const dials = sshd.log().split("Accepted publickey").length;
    expect(await stack.destroy()).toMatchObject({ operations: ["delete"], ran: 0 });
    expect(sshd.log().split("Accepted publickey").length).toBe(dials);
  });
});

describe("resource hooks on a command", () => {
  test.each(plugins)(
    "are called before it is created or replaced and at no other time, and leave refresh and destroy alone ($plugin)",
    async ({ folder }) => {
      const stack = await TestStack.make(folder);
      const called: string[] = [];
      let refuse = false;
      const declared = (trigger: string, ignored: string): Declared => ({
        args: { create: `echo >> ${stack.runs}; echo ${ignored}`, triggers: [trigger] },
        options: {
          ignoreChanges: ["create"],
          hooks: {
            beforeCreate: [
              new ResourceHook("opening", ({ name }) => {
                called.push(name);
                if (refuse) throw new Error("another machine stands there\nread its fingerprint");
              }),
            ],
          },
        },
      });
      const up = async (trigger: string, ignored = "") => stack.up(() => declared(trigger, ignored));

      expect(await stack.preview(() => declared("a", ""))).toMatchObject({ operations: ["create"], ran: 0 });
      expect(called).toEqual([]);

      refuse = true;
      expect(await up("a")).toMatchObject({
        operations: ["create"],
        errors: [
          'before hook "opening" failed: another machine stands there\nread its fingerprint',
          "update failed",
        ],
        ran: 0,
      });
      refuse = false;
      called.length = 0;
      expect(await up("a")).toMatchObject({ operations: ["create"], errors: [], ran: 1 });
      expect(called).toEqual(["restore"]);

      called.length = 0;
      expect(await up("a")).toMatchObject({ operations: ["same"], ran: 0 });
      expect(await up("a", "an ignored change")).toMatchObject({ operations: ["same"], ran: 0 });
      expect(called).toEqual([]);

      expect(await up("b")).toMatchObject({
        operations: ["create-replacement", "replace", "delete-replaced"],
        ran: 1,
      });
      expect(called).toEqual(["restore"]);

      called.length = 0;
      expect(await stack.refresh()).toMatchObject({ operations: ["refresh"], errors: [] });
      expect(await stack.destroy()).toMatchObject({ operations: ["delete"], errors: [] });
      expect(called).toEqual([]);
      stack.remove();
    },
  );
});

describe("our command plugin", () => {
  let stack: TestStack;

  beforeAll(async () => {
    stack = await TestStack.make(ours);
  });

  afterAll(() => {
    stack.remove();
  });

  test("refuses by name whatever it does not do", async () => {
    const seen = await stack.up({
      args: {
        create: "true",
        update: "true",
        delete: "true",
        environment: { A: "b" },
        addPreviousOutputInEnv: true,
      },
      connection: {
        privateKey: "k",
        password: "p",
        dialErrorLimit: -1,
        perDialTimeout: 0,
        hostKey: "ssh-ed25519 x",
      },
    });
    const errors = seen.errors.join("\n");
    for (const name of ["update", "delete", "environment", "addPreviousOutputInEnv", "connection.privateKey"])
      expect(errors).toContain(name);
    for (const name of ["password", "dialErrorLimit", "perDialTimeout", "hostKey"])
      expect(errors).toContain(`connection.${name}`);
    expect(errors).toContain("is not done by recovery-stack's stand-in for the command plugin");
  });

  test("refuses a host without a pinned key", async () => {
    const { errors } = await stack.up({
      args: { create: "true" },
      connection: { hostKey: undefined },
    });
    expect(errors.join("\n")).toContain("connection.hostKey value {<nil>} has a problem: is missing");
  });

  test("logs in once for commands one after the other, once for each of two at once, and anew when a login was lost", async () => {
    const { address: host, ...rest } = sshd.target;
    const connection = { host, ...rest, dialErrorLimit: 0, perDialTimeout: 10 };
    const loginOf = async (text: string) => {
      const { signal } = new AbortController();
      return (await carryOut({ connection, logging: "none" }, text, signal, () => undefined)).stdout;
    };
    const login = "echo $SSH_CONNECTION";
    const first = await loginOf(login);
    await expect(loginOf(`${login}; exit 3`)).rejects.toThrow("status 3");
    expect(await loginOf(login)).toBe(first);
    const [one, other] = await Promise.all([loginOf(`${login}; sleep 0.2`), loginOf(login)]);
    expect([one, other]).toContain(first);
    expect(one).not.toBe(other);
    sshd.cut();
    // Until the ends of the lost ones have been seen.
    await expect.poll(() => loginOf(login).catch(() => first)).not.toBeOneOf([one, other]);
  });

  test("does not dial again for what will not pass: another host key, a login that is refused", async () => {
    makeKey(sshd.folder, "provider-other", "ed25519");
    const hostKey = readFileSync(join(sshd.folder, "provider-other.pub"), "utf8").trim();
    const args = { create: "true" };
    const other = await stack.up({ args, connection: { hostKey } });
    expect(other.errors[0]).toContain(
      `Expected ${fingerprint(hostKey)}, the host shows ${fingerprint(sshd.target.hostKey)}.`,
    );
    const agent = await startAgent(sshd.folder, "provider-stranger", ["provider-other"]);
    const stranger = await stack.up({ args, connection: { agentSocketPath: agent.socketPath } });
    agent.close();
    expect(stranger.errors[0]).toContain(`refused to let ${sshd.target.user} in`);
    expect([...other.shown, ...stranger.shown]).toEqual([]); // where each further attempt would be told
  });

  test("gives up on a host that accepts and says nothing", async () => {
    const silent = net.createServer().listen(0, "127.0.0.1");
    let dials = 0;
    silent.on("connection", () => (dials += 1));
    await new Promise((resolve) => silent.once("listening", resolve));
    const { errors, shown } = await stack.up({
      args: { create: "true" },
      connection: { port: (silent.address() as AddressInfo).port, dialErrorLimit: 1, perDialTimeout: 3 },
    });
    silent.close();
    expect(errors[0]).toContain("is silent.");
    expect(dials).toBe(2);
    expect(shown).toEqual(["Dial 1/1 failed: retrying"]);
  });

  test("ends the wait for a command when the run is cancelled", async () => {
    const cancel = new AbortController();
    const { errors } = await stack.up(
      { args: { create: "echo started; exec sleep 30" } },
      {
        signal: cancel.signal,
        onShown: () => {
          cancel.abort();
        },
      },
    );
    expect(errors.join("\n")).toContain("Interrupted while 'echo started; exec sleep 30' ran");
  });

  test.skipIf(plugins.length === 1)(
    "sees nothing to do in a state that the vendor's wrote, nor the vendor's in ours",
    async () => {
      for (const [first, second] of [plugins, plugins.toReversed()].map((pair) =>
        pair.map(({ folder }) => folder),
      )) {
        const shared = await TestStack.make(first ?? "");
        const args: Partial<remote.CommandArgs> = {
          create: `echo >> ${shared.runs}; echo done`,
          stdin: "in",
          triggers: ["a"],
          logging: "none",
        };
        expect(await shared.up({ args })).toMatchObject({ operations: ["create"], ran: 1 });
        const later = await shared.with(second ?? "");
        expect(await later.up({ args })).toMatchObject({ operations: ["same"], ran: 0 });
        expect(await later.refresh()).toMatchObject({ operations: ["refresh"] });
        expect(await later.up({ args })).toMatchObject({ operations: ["same"], ran: 0 });
        expect(await later.destroy()).toMatchObject({ operations: ["delete"] });
        later.remove();
      }
    },
  );

  test("starts from any working directory, and ends when the engine's end of its pipe closes", async () => {
    const plugin = spawn(join(ours, "pulumi-resource-command"), [], {
      cwd: "/",
      stdio: ["pipe", "pipe", "inherit"],
    });
    const ended = new Promise((resolve) => plugin.once("exit", resolve));
    expect(Number(await says(plugin, plugin.stdout, "\n"))).toBeGreaterThan(0);
    plugin.stdin.end();
    await ended;
  });
});

/** One stack of one command, in a backend of its own. */
class TestStack {
  /** The command adds a line for each time that it runs. */
  readonly runs: string;

  private constructor(
    private readonly folder: string,
    private readonly stack: Stack,
    private declared: () => Declared,
  ) {
    this.runs = join(folder, "runs");
  }

  static async make(
    pluginFolder: string,
    folder = mkdtempSync(join(tmpdir(), "recovery-test-command-")),
  ): Promise<TestStack> {
    const declaredNow = { it: (): Declared => ({}) };
    const stack = await LocalWorkspace.createOrSelectStack(
      {
        stackName: "test",
        projectName: "command-provider",
        program: () => {
          const { args, connection, options } = declaredNow.it();
          const { address, port, user, hostKey, agentSocketPath } = sshd.target;
          const command = new remote.Command(
            "restore",
            {
              connection: { host: address, port, user, hostKey, agentSocketPath, ...connection } as never,
              addPreviousOutputInEnv: false,
              ...args,
            },
            options,
          );
          return Promise.resolve({ stdout: command.stdout, stderr: command.stderr });
        },
      },
      {
        pulumiCommand,
        envVars: {
          PULUMI_BACKEND_URL: `file://${folder}`,
          PULUMI_HOME: join(folder, "home"),
          PULUMI_CONFIG_PASSPHRASE: "not a secret",
          PULUMI_SKIP_UPDATE_CHECK: "true",
          PATH: `${pluginFolder}${delimiter}${process.env["PATH"] ?? ""}`,
        },
      },
    );
    const made = new TestStack(folder, stack, () => ({}));
    declaredNow.it = () => made.declared();
    return made;
  }

  /** The same stack under another plugin. */
  with(pluginFolder: string): Promise<TestStack> {
    return TestStack.make(pluginFolder, this.folder);
  }

  up(
    declared: Declared | (() => Declared),
    more: { signal?: AbortSignal; onShown?: () => void } = {},
  ): Promise<Seen> {
    this.declared = typeof declared === "function" ? declared : () => declared;
    const { signal, onShown } = more;
    return this.observe(
      (onEvent) =>
        this.stack
          .up({ onEvent, ...(signal === undefined ? {} : { signal }) })
          .then(({ outputs }) => outputs),
      onShown,
    );
  }

  preview(declared: Declared | (() => Declared)): Promise<Seen> {
    this.declared = typeof declared === "function" ? declared : () => declared;
    return this.observe((onEvent) => this.stack.preview({ onEvent }).then(() => ({})));
  }

  refresh(): Promise<Seen> {
    return this.observe((onEvent) => this.stack.refresh({ onEvent }).then(() => ({})));
  }

  destroy(): Promise<Seen> {
    return this.observe((onEvent) => this.stack.destroy({ onEvent }).then(() => ({})));
  }

  /** State, its history and its backups, as text. */
  everythingWritten(): string {
    const files = readdirSync(join(this.folder, ".pulumi"), { recursive: true, withFileTypes: true });
    return files
      .filter((file) => file.isFile())
      .map((file) => readFileSync(join(file.parentPath, file.name), "utf8"))
      .join("\n");
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async observe(
    act: (onEvent: (event: EngineEvent) => void) => Promise<OutputMap>,
    onShown?: () => void,
  ): Promise<Seen> {
    const seen: Seen = { operations: [], shown: [], errors: [], outputs: {}, ran: 0 };
    const before = this.lines();
    try {
      const outputs = await act(({ resourcePreEvent, diagnosticEvent }) => {
        if (resourcePreEvent?.metadata.type === "command:remote:Command")
          seen.operations.push(resourcePreEvent.metadata.op);
        if (diagnosticEvent?.severity === "error") seen.errors.push(diagnosticEvent.message.trimEnd());
        if (diagnosticEvent?.severity === "info" && diagnosticEvent.ephemeral === true) {
          seen.shown.push(diagnosticEvent.message.trimEnd());
          onShown?.();
        }
      });
      for (const [name, { value }] of Object.entries(outputs)) seen.outputs[name] = value as unknown;
    } catch (error) {
      if (seen.errors.length === 0) throw error;
      // Of an engine that fails at once the last events may not have been read; its error holds all that it printed.
      if (seen.errors.join("") === "") seen.errors.push(String(error));
    }
    seen.ran = this.lines() - before;
    return seen;
  }

  private lines(): number {
    return existsSync(this.runs) ? readFileSync(this.runs, "utf8").length : 0;
  }
}

/** The vendor's plugin, when RECOVERY_VENDOR_PLUGINS names a folder with the version that we stand in for. */
function vendors(): { plugin: string; folder: string }[] {
  const folder = process.env["RECOVERY_VENDOR_PLUGINS"];
  if (folder === undefined) return [];
  const path = join(folder, "pulumi-resource-command");
  const { stdout } = spawnSync(enginePath, ["package", "get-schema", path], { encoding: "utf8" });
  const { version } = JSON.parse(stdout || "{}") as { version?: string };
  return version === "1.2.1" ? [{ plugin: "the vendor's", folder }] : [];
}
