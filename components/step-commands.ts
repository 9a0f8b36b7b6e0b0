import { remote, types } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { stepCommand } from "../runbook/command.ts";
import { type Step, takesStoredFiles } from "../runbook/step.ts";
import { effectiveTriggers } from "../runbook/triggers.ts";
import type { ReplacementServer } from "./replacement-server.ts";

export interface StepCommandsArgs {
  /** The host that the steps run on. */
  server: ReplacementServer;
  /** The plan; each step comes behind those it waits for. */
  steps: Step[];
  /** Opens the host before each step that really runs, named by its id: an `up` with nothing to do dials nobody. */
  session: { open(step: string): Promise<unknown>; openRelay(): Promise<void>; closeRelay(): Promise<void> };
}

/** Each step of a plan as one remote command, a child of the component that `parentOf` gives for it. By step id. */
export function stepCommands(
  name: string,
  args: StepCommandsArgs,
  parentOf: (step: Step) => pulumi.ComponentResource,
): ReadonlyMap<string, remote.Command> {
  const { server, session } = args;
  const hooks = {
    open: new pulumi.ResourceHook(`${name}-open-host`, async ({ name: step }) => {
      await session.open(step);
    }),
    openRelay: new pulumi.ResourceHook(`${name}-open-relay`, () => session.openRelay()),
    closeRelay: new pulumi.ResourceHook(`${name}-close-relay`, () => session.closeRelay()),
  };
  const connection: types.input.remote.ConnectionArgs = {
    host: server.address,
    port: server.port,
    user: server.user,
    hostKey: server.hostKey,
    dialErrorLimit: 2,
    perDialTimeout: 15,
  };
  const triggers = effectiveTriggers(args.steps);
  const commands = new Map<string, remote.Command>();
  for (const step of args.steps) {
    const { command, stdin } = stepCommand(step, triggers.get(step.id) ?? []);
    const relayed = takesStoredFiles(step);
    commands.set(
      step.id,
      new remote.Command(
        step.id,
        {
          connection,
          create: command,
          stdin,
          triggers: triggers.get(step.id) ?? [],
          addPreviousOutputInEnv: false,
          // The result of a step is a long line for programs; what a failing one says stands in the error.
          logging: remote.Logging.None,
        },
        {
          parent: parentOf(step),
          dependsOn: step.after.map((before) => commands.get(before) ?? unplanned(step.id, before)),
          // Whether a step is done stands in the host's ledger. A rotated key or a new release must dial nobody; when the
          // triggers do change, the replacement uses the values of that day.
          ignoreChanges: ["connection", "stdin", "create", "logging"],
          additionalSecretOutputs: ["stdout", "stderr"],
          hooks: {
            beforeCreate: relayed ? [hooks.open, hooks.openRelay] : [hooks.open],
            ...(relayed ? { afterCreate: [hooks.closeRelay] } : {}),
          },
        },
      ),
    );
  }
  return commands;
}

function unplanned(step: string, before: string): never {
  throw new Error(`${step} comes after ${before}, which is not before it in the plan`);
}
