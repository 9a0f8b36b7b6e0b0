import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { RunError } from "@pulumi/pulumi";
import {
  ConcurrentUpdateError,
  LocalWorkspace,
  Stack,
  type EngineEvent,
  type OpMap,
  type OutputMap,
  type ProjectSettings,
  type PulumiFn,
} from "@pulumi/pulumi/automation/index.js";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { clearStale, endOrphans } from "./clear-stale.ts";
import type { CommandPlugin } from "./command-plugin.ts";
import type { Engine } from "./find.ts";
import { mendCheckpoint } from "./mend-checkpoint.ts";
import { keptCommand, keptEnvironment } from "./kept.ts";
import { endProcesses, markEnvironment, processesOf, thisOperator } from "./marked-processes.ts";

export interface StackOptions {
  engine: Engine;
  plugin: CommandPlugin;
  /** Such as "chatbot.recovery". */
  stackName: string;
  /**
   * Folder that is this stack's alone: its project, its state, its passphrase and the engine's home lie there, and
   * nothing of it anywhere else. Made when it is not there.
   */
  directory: string;
  /** What a stack's program declares; runs in this process. */
  program: PulumiFn;
  /** Stack config in clear, by name in the project's namespace. */
  config?: Record<string, string>;
  /** Further variables for the engine and its plugins, beside those of this process that are not the engine's own. */
  environment?: Record<string, string>;
  /** Told what was cleared away after a run that was killed. */
  say: (line: string) => void;
}

interface RunOptions {
  onEvent?: (event: EngineEvent) => void;
  /** Lets the resources that are being worked on finish, starts no other, and fails. {@link OpenStack.kill} waits for nothing. */
  signal?: AbortSignal;
}

/** One stack, with an engine to drive it. */
export interface OpenStack {
  up(options?: RunOptions): Promise<void>;
  preview(options?: RunOptions): Promise<{ changes: OpMap }>;
  destroy(options?: RunOptions): Promise<void>;
  outputs(): Promise<OutputMap>;
  /** How many resources the last update created, updated, left alone. */
  changes(): Promise<OpMap>;
  /** Ends the engine and its plugins at once; what was running then fails. The next openStack clears up. */
  kill(): Promise<void>;
}

const projectName = "recovery-stack";

/**
 * Opens a stack, and first clears away what a killed run left of it.
 *
 * The engine runs in a session of its own, which ends with this process whatever ends that (keeper.sh). No PULUMI_
 * variable of this process reaches it: a PULUMI_BACKEND_URL would beat our own backend, and with an access token a
 * drill could land in the owner's production state.
 *
 * @throws OperatorError(refused) when another run may be changing the stack
 */
export async function openStack(options: StackOptions): Promise<OpenStack> {
  const { engine, stackName, directory, say } = options;
  const place = {
    stackName,
    projectName,
    projectDirectory: join(directory, "project"),
    stateDirectory: join(directory, "state"),
    mark: `${directory}#${stackName}`,
    environment: engineEnvironment(options),
  };
  await mkdir(place.projectDirectory, { recursive: true, mode: 0o700 });
  await mkdir(place.stateDirectory, { recursive: true, mode: 0o700 });
  await writePassphrase(join(directory, "passphrase"));
  await endOrphans(place.mark, say);
  await mendCheckpoint(place, say);

  const program = watch(options.program);
  const workspace = await LocalWorkspace.create({
    // Project settings are written to this folder: it must not be one that holds a Pulumi.yaml of the owner's.
    workDir: place.projectDirectory,
    projectSettings: projectSettings(),
    program: program.run,
    pulumiCommand: keptCommand(engine.command),
    // A variable that is undefined is left out by child_process, also when this process has it.
    envVars: place.environment as Record<string, string>,
  });
  const stack = await Stack.createOrSelect(stackName, workspace);
  await clearStale(place, say);
  const config = Object.entries(options.config ?? {});
  if (config.length > 0) {
    await stack.setAllConfig(Object.fromEntries(config.map(([name, value]) => [name, { value }])));
  }
  return drive(stack, place.mark, program);
}

/** With the resources of our own by path, as in Pulumi.yaml: the SDK's type does not know of it, the engine does. */
function projectSettings(): ProjectSettings {
  const path = fileURLToPath(new URL("../providers", import.meta.url));
  const plugins = { providers: [{ name: "recovery", path, version: "0.1.0" }] };
  return Object.assign({ name: projectName, runtime: "nodejs" as const }, { plugins });
}

function engineEnvironment(options: StackOptions): Record<string, string | undefined> {
  const { engine, stackName, directory } = options;
  const ofThisProcess = Object.keys(process.env).filter((name) => name.startsWith("PULUMI_"));
  return {
    ...Object.fromEntries(ofThisProcess.map((name) => [name, undefined])),
    ...options.plugin.environment,
    ...options.environment,
    ...keptEnvironment(engine.path),
    ...markEnvironment({ stack: `${directory}#${stackName}`, operator: thisOperator() }),
    // Of its own: it holds credentials, the selected stack, and a debug log of each command.
    PULUMI_HOME: join(directory, "home"),
    PULUMI_BACKEND_URL: pathToFileURL(join(directory, "state")).href,
    PULUMI_CONFIG_PASSPHRASE_FILE: join(directory, "passphrase"),
    PULUMI_SKIP_UPDATE_CHECK: "true",
  };
}

/** A run that is taken up again must find the same passphrase, so one that is there stays. */
async function writePassphrase(file: string): Promise<void> {
  try {
    await writeFile(file, randomBytes(32).toString("base64url"), { mode: 0o600, flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/** A program whose last failure is kept, since the engine gives back no more than its text. */
interface WatchedProgram {
  run: PulumiFn;
  failure: unknown;
}

function watch(program: PulumiFn): WatchedProgram {
  const watched: WatchedProgram = {
    failure: undefined,
    run: async () => {
      try {
        return (await program()) as Record<string, unknown> | undefined;
      } catch (error) {
        watched.failure = error;
        // The engine shows the stack trace of any other error.
        throw new RunError(error instanceof Error ? error.message : String(error));
      }
    },
  };
  return watched;
}

function drive(stack: Stack, mark: string, program: WatchedProgram): OpenStack {
  const operator = thisOperator();
  const [outputs, info] = [stack.outputs.bind(stack), stack.info.bind(stack)];
  let killed = false;
  // After each update the Automation API starts the engine three times more, for outputs and changes that few want to know then.
  stack.outputs = () => Promise.resolve({});
  stack.info = () => Promise.resolve(undefined);

  /** Gives the engine's own words to the operator instead of its exit code. */
  const run = async <Result>(
    what: string,
    options: RunOptions,
    act: (onEvent: (event: EngineEvent) => void) => Promise<Result>,
  ): Promise<Result> => {
    options.signal?.throwIfAborted();
    program.failure = undefined;
    const complaints = new Set<string>();
    try {
      return await act((event) => {
        if (isAboutPathOnly(event)) return;
        const complaint = complaintOf(event);
        if (complaint !== undefined) complaints.add(complaint);
        options.onEvent?.(event);
      });
    } catch (error) {
      const interrupted = killed || options.signal?.aborted === true;
      if (!interrupted && program.failure instanceof OperatorError) throw program.failure;
      throw operatorsError(`${what} of the stack ${stack.name}`, error, [...complaints], interrupted);
    }
  };

  return {
    up: (options = {}) =>
      run("up", options, async (onEvent) => {
        await stack.up({ ...common(options), onEvent });
      }),
    preview: (options = {}) =>
      run("preview", options, async (onEvent) => {
        const { changeSummary } = await stack.preview({ ...common(options), onEvent });
        return { changes: changeSummary };
      }),
    destroy: (options = {}) =>
      run("destroy", options, async (onEvent) => {
        await stack.destroy({ ...common(options), onEvent });
      }),
    outputs,
    changes: async () => (await info())?.resourceChanges ?? {},
    kill: async () => {
      killed = true;
      await endProcesses(() => processesOf(mark).filter((each) => each.operator === operator));
    },
  };
}

function common({ signal }: RunOptions) {
  return {
    color: "never" as const,
    suppressOutputs: true,
    // Steps wait for their host, not for this computer: the default of 4 a core would hold them up on a small one.
    parallel: 16,
    ...(signal && { signal }),
  };
}

/** `using pulumi-resource-command from $PATH`: so prepareCommandPlugin means it, and said so. */
function isAboutPathOnly(event: EngineEvent): boolean {
  return (event.diagnosticEvent?.message ?? "").includes("using pulumi-resource-command from $PATH");
}

/** What an error says, with the name of the step it is about. */
function complaintOf({ diagnosticEvent }: EngineEvent): string | undefined {
  if (diagnosticEvent?.severity !== "error") return undefined;
  const { message, urn } = diagnosticEvent;
  // Said of the stack after every failure.
  if (/^(update|preview|destroy) failed\s*$/.test(message)) return undefined;
  const [type, name] = urn?.split("::").slice(-2) ?? [];
  // Without the stack trace of an error that was thrown in an apply.
  const text = message.replaceAll(/\n\s+at .*/g, "").trim();
  return name === undefined || type === "pulumi:pulumi:Stack" ? text : `${name}: ${text}`;
}

function operatorsError(
  what: string,
  error: unknown,
  complaints: string[],
  interrupted: boolean,
): OperatorError {
  if (interrupted) {
    return new OperatorError(
      exitCodes.interrupted,
      `${what} was interrupted`,
      "it was asked to stop",
      "run the same command again: steps that are done are not done again",
      { cause: error },
    );
  }
  if (error instanceof ConcurrentUpdateError) {
    return new OperatorError(
      exitCodes.refused,
      `${what} did not start`,
      "another run is changing the same stack",
      "wait for its end, then run again",
      { cause: error },
    );
  }
  const why = complaints.join("; ") || (error instanceof Error ? error.message : String(error));
  return new OperatorError(
    exitCodes.failed,
    `${what} failed`,
    why,
    "repair what it says and run the same command again: steps that are done are not done again",
    { cause: error },
  );
}
