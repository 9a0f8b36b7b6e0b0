import * as pulumi from "@pulumi/pulumi";
import { stepCommands, type StepCommandsArgs } from "./step-commands.ts";

/** A living server that makes its own backups. When it is removed here, the server goes on making them: `recovery protect --remove`. */
export class BackupSchedule extends pulumi.ComponentResource {
  constructor(name: string, args: StepCommandsArgs, options?: pulumi.ComponentResourceOptions) {
    super("recovery-stack:index:BackupSchedule", name, {}, options);
    stepCommands(name, args, this);
    this.registerOutputs({});
  }
}
