import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { stepCommands, type StepCommandsArgs } from "./step-commands.ts";

/** A site on its replacement server: each step of the plan as one remote command. */
export class RecoveredSite extends pulumi.ComponentResource {
  /** By step id. */
  readonly commands: ReadonlyMap<string, remote.Command>;

  constructor(name: string, args: StepCommandsArgs, options?: pulumi.ComponentResourceOptions) {
    super("recovery-stack:index:RecoveredSite", name, {}, options);
    this.commands = stepCommands(name, args, this);
    this.registerOutputs({});
  }
}
