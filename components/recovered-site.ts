import type { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { protectionStep } from "../runbook/protection.ts";
import { BackupSchedule } from "./backup-schedule.ts";
import { stepCommands, type StepCommandsArgs } from "./step-commands.ts";

/** A site on its replacement server: each step of the plan as one remote command; that by which it makes its own backups as a BackupSchedule. */
export class RecoveredSite extends pulumi.ComponentResource {
  /** By step id. */
  readonly commands: ReadonlyMap<string, remote.Command>;

  constructor(name: string, args: StepCommandsArgs, options?: pulumi.ComponentResourceOptions) {
    super("recovery-stack:index:RecoveredSite", name, {}, options);
    let backups: BackupSchedule | undefined;
    this.commands = stepCommands(name, args, ({ id }) =>
      id === protectionStep ? (backups ??= new BackupSchedule("backups", undefined, { parent: this })) : this,
    );
    this.registerOutputs({});
  }
}
