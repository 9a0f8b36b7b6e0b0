import * as pulumi from "@pulumi/pulumi";
import { stepCommands, type StepCommandsArgs } from "./step-commands.ts";

/**
 * A living server that makes its own backups. When it is removed here, the server goes on making them: `recovery protect --remove`.
 * Without `args` its step is one of the plan of a recovery, which declares it as a child of this.
 */
export class BackupSchedule extends pulumi.ComponentResource {
  constructor(name: string, args: StepCommandsArgs | undefined, options?: pulumi.ComponentResourceOptions) {
    super("recovery-stack:index:BackupSchedule", name, {}, options);
    if (args) stepCommands(name, args, () => this);
    this.registerOutputs({});
  }
}
