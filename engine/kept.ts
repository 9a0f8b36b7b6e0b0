import { fileURLToPath } from "node:url";
import type { PulumiCommand } from "@pulumi/pulumi/automation/index.js";

/** Runs a program so that it cannot outlive this process; says how in its head. */
export const keeperPath = fileURLToPath(new URL("keeper.sh", import.meta.url));

/** What keeper.sh must find in its environment to run this program (an absolute path). */
export function keptEnvironment(program: string): Record<string, string> {
  return { RECOVERY_KEPT: program };
}

/**
 * The same engine, started through the keeper. PulumiCommand runs whatever its public field `command` names, with
 * stdin as an open pipe (automation/cmd.js, execa 5), which is what the keeper watches. The environment must hold
 * {@link keptEnvironment}.
 */
export function keptCommand(command: PulumiCommand): PulumiCommand {
  return Object.create(command, { command: { value: keeperPath, enumerable: true } }) as PulumiCommand;
}
