import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { z } from "zod";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { keeperPath } from "./kept.ts";
import { endProcesses, operatorRuns, processesOf, startedAt } from "./marked-processes.ts";
import { parseLock, whyLockHolds } from "./stack-lock.ts";

/** A stack as the command line of the engine needs it. */
export interface StackPlace {
  stackName: string;
  projectName: string;
  /** Working directory of the engine: the folder of Pulumi.yaml. */
  projectDirectory: string;
  /** Folder of the file backend. */
  stateDirectory: string;
  /** As in Mark.stack. */
  mark: string;
  environment: Record<string, string | undefined>;
}

/** A step's resource. Whether a step was done stands in the ledger on its host, whatever Pulumi's state believes. */
const stepType = "command:remote:Command";

/**
 * Ends engines and plugins of this stack whose operator is gone: the keeper does so within a moment, unless it was
 * killed too.
 */
export async function endOrphans(mark: string, say: (line: string) => void): Promise<void> {
  const ended = await endProcesses(() => processesOf(mark).filter(({ operator }) => !operatorRuns(operator)));
  if (ended > 0) say(`ended an engine that was left behind (processes: ${ended})`);
}

/**
 * Removes what a killed run left in a stack: its lock and its pending operations.
 *
 * @throws OperatorError(refused) when the lock may still be in use
 */
export async function clearStale(place: StackPlace, say: (line: string) => void): Promise<void> {
  await clearLocks(place, say);
  await clearPendingSteps(place, say);
}

async function clearLocks(place: StackPlace, say: (line: string) => void): Promise<void> {
  const { stackName, projectName, stateDirectory } = place;
  const directory = join(stateDirectory, ".pulumi", "locks", "organization", projectName, stackName);
  const names = await readdir(directory).catch(() => []);
  const files = names.filter((name) => name.endsWith(".json")).map((name) => join(directory, name));
  for (const file of files) {
    const lock = parseLock(await readFile(file, "utf8"));
    const holds = lock
      ? whyLockHolds(lock, { hostname: hostname(), startedAt })
      : `its lock cannot be read: ${file}`;
    if (holds !== undefined) {
      throw new OperatorError(
        exitCodes.refused,
        `another run may be changing the stack ${stackName}`,
        holds,
        `wait for its end; if you know that it ended, remove ${file} and run again`,
      );
    }
    say(`removed the lock of an engine that is gone (process ${lock?.pid ?? 0})`);
  }
  if (files.length > 0) await engine(place, ["cancel", "--yes", "--stack", stackName]);
}

/** The part of a checkpoint (.pulumi/stacks/PROJECT/STACK.json) that is read here. */
const checkpointSchema = z.object({
  checkpoint: z.object({
    latest: z
      .object({
        pending_operations: z
          .array(z.object({ type: z.string(), resource: z.object({ urn: z.string(), type: z.string() }) }))
          .nullish(),
      })
      .nullish(),
  }),
});

/**
 * Forgets steps that were being carried out when the engine was killed: that is no loss, since the next `up` declares
 * them again and run-step finds in the ledger, or in a unit that still runs, how far each came. Of any other resource
 * nobody knows whether it was made: then all stay, and the engine warns of them until the owner has looked.
 *
 * Not by `pulumi refresh --clear-pending-creates`: that starts every provider. Not by exportStack and importStack of
 * the Automation API: they write the state with its secrets in clear into /tmp.
 */
async function clearPendingSteps(place: StackPlace, say: (line: string) => void): Promise<void> {
  const { stackName, projectName, stateDirectory } = place;
  const checkpoint = join(stateDirectory, ".pulumi", "stacks", projectName, `${stackName}.json`);
  const { latest } = checkpointSchema.parse(JSON.parse(await readFile(checkpoint, "utf8"))).checkpoint;
  const pending = latest?.pending_operations ?? [];
  if (pending.length === 0) return;
  const others = pending.filter(({ resource }) => resource.type !== stepType);
  if (others.length > 0) {
    const list = others.map(({ type, resource }) => `${type} ${resource.urn}`).join(", ");
    say(`it is unknown whether these were done when the engine was killed: ${list}`);
    return;
  }
  const file = join(stateDirectory, "without-pending-steps.json");
  try {
    await writeFile(file, await engine(place, ["stack", "export", "--stack", stackName]), { mode: 0o600 });
    // An import leaves out every pending operation (pkg/cmd/pulumi/stack/io.go, SaveSnapshot).
    await engine(place, ["stack", "import", "--stack", stackName, "--file", file]);
  } finally {
    await rm(file, { force: true });
  }
  const names = pending.map(({ resource }) => resource.urn.split("::").at(-1)).join(", ");
  say(`forgot that ${names} was cut short: the host knows how far it came`);
}

async function engine(place: StackPlace, args: string[]): Promise<string> {
  const { stdout } = await execa(keeperPath, [...args, "--non-interactive"], {
    cwd: place.projectDirectory,
    env: place.environment,
    stdio: ["pipe", "pipe", "pipe"],
  });
  return stdout;
}
