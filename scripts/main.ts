import { existsSync } from "node:fs";
import { Command } from "commander";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { alertCommand } from "./alert.ts";
import { programVersion } from "../run/program-version.ts";
import { assessCommand } from "./assess.ts";
import { backupServerCommand } from "./backup-server.ts";
import { backupCommand } from "./backup.ts";
import { checkCommand } from "./check.ts";
import { completionCommand } from "./completion.ts";
import { configCommand } from "./config.ts";
import { doctorCommand } from "./doctor.ts";
import { drillCommand } from "./drill.ts";
import { keysCommand } from "./keys.ts";
import { machineCommand } from "./machine.ts";
import { pointsCommand } from "./points.ts";
import { protectCommand } from "./protect.ts";
import { rebuildCommand } from "./rebuild.ts";
import { serverImageCommand } from "./server-image.ts";
import { statusCommand } from "./status.ts";

const program = new Command("recovery")
  .description(
    "Brings a lost PHP site back on a blank Debian host, proves that it serves, and shows the time.",
  )
  .version(programVersion)
  .showHelpAfterError()
  .exitOverride()
  .addHelpText(
    "after",
    `
Without a command it looks at the site.yaml of this folder: recovery assess.

Exit codes:
  ${exitCodes.done}    done
  ${exitCodes.failed}    the run failed, or a check or an objective was missed
  ${exitCodes.usage}    wrong usage or configuration
  ${exitCodes.missingHere}    something it needs is missing here
  ${exitCodes.refused}    refused for safety
  ${exitCodes.interrupted}  interrupted, cleaned up`,
  );
for (const command of [
  alertCommand,
  assessCommand,
  backupCommand,
  backupServerCommand,
  checkCommand,
  () => completionCommand(program),
  configCommand,
  doctorCommand,
  drillCommand,
  keysCommand,
  machineCommand,
  pointsCommand,
  protectCommand,
  rebuildCommand,
  serverImageCommand,
  statusCommand,
]) {
  program.addCommand(command());
}

// What AWS' SDK will want of node one day is for who maintains this, and not for its operator.
process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";

handOn(program);

// Who read along may go, with a closed terminal or `| head`. A run goes on, and its record tells how it ended; to Pulumi's library a
// failed write is an error to be written, again and again without end.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

try {
  // Alone, at 3 in the morning: what is wrong?
  const alone = process.argv.length === 2 && existsSync("site.yaml");
  await program.parseAsync(alone ? [...process.argv, "assess"] : process.argv);
} catch (error) {
  process.exitCode = tell(error);
}

/** A command that was made elsewhere takes over nothing by itself, and would end the process with a code of its own. */
function handOn(command: Command): void {
  for (const part of command.commands) {
    part.copyInheritedSettings(command);
    handOn(part);
  }
}

/** An error as the operator reads it; the stack only with --debug. Returns the exit code. */
function tell(error: unknown): number {
  if (isUsageError(error)) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  if (process.argv.includes("--debug")) console.error(error);
  if (error instanceof OperatorError) {
    console.error(error.message);
    return error.exitCode;
  }
  const what = error instanceof Error ? error.message : String(error);
  console.error(
    `${what}\nthis is a fault of the tool, not of your site\nrun the same with --debug and report what it prints`,
  );
  return exitCodes.failed;
}

/** What commander throws instead of ending the process; it has printed its text already. */
function isUsageError(error: unknown): error is { exitCode: number } {
  return error instanceof Error && "code" in error && String(error.code).startsWith("commander.");
}
