import * as pulumi from "@pulumi/pulumi";
import { stepCommands, type StepCommandsArgs } from "./step-commands.ts";

/** A server of one's own that keeps the backups of a site. When it is removed here, the server goes on keeping them. */
export class BackupServer extends pulumi.ComponentResource {
  constructor(name: string, args: StepCommandsArgs, options?: pulumi.ComponentResourceOptions) {
    super("recovery-stack:index:BackupServer", name, {}, options);
    stepCommands(name, args, () => this);
    this.registerOutputs({});
  }
}
