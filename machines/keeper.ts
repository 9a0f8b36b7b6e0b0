import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { OperatorError, exitCodes } from "../site/operator-error.ts";
import { pathWithSystemFolders } from "./debian-packages.ts";

const script = fileURLToPath(new URL("keeper.sh", import.meta.url));

/** The process that makes and removes all of a machine, and outlives its owner to do the latter (keeper.sh). */
export interface Keeper {
  pid: number;
  /** Sends one command and gives the rest of the answer; @throws Error with the answer when it is not `ok`. */
  ask(command: string): Promise<string>;
  /** What it and its commands wrote to stderr: the reason of an error. */
  complaints(): string;
  /** Resolves when it has ended. */
  ended: Promise<void>;
}

/** Starts the keeper of a machine. From then on the end of this process, however it comes, removes the machine. */
export async function startKeeper(id: string): Promise<Keeper> {
  // Where systemd runs the computer, stopping the service or session that a run belongs to would end the keeper with it.
  const scope = existsSync("/run/systemd/system")
    ? [
        "systemd-run",
        "--scope",
        "--quiet",
        "--collect",
        `--unit=recovery-keeper-${id}`,
        "--property=Delegate=yes",
      ]
    : [];
  const line = [...scope, "bash", script, "keep", id];
  // Node gives the pipes close-on-exec: no other child of this process holds the end whose closing tells of our death.
  const child: ChildProcessWithoutNullStreams = spawn(line[0] ?? "bash", line.slice(1), {
    cwd: "/",
    detached: true,
    env: { PATH: pathWithSystemFolders(), LC_ALL: "C.UTF-8" },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let complaints = "";
  child.stderr
    .setEncoding("utf8")
    .on("data", (text: string) => (complaints = (complaints + text).slice(-4000)));
  child.stdin.on("error", () => undefined); // its end is seen in `ended` and in unanswered questions
  const ended = new Promise<void>((resolve) => {
    child.once("close", () => {
      resolve();
    });
    child.once("error", (error) => {
      complaints += error.message;
      resolve();
    });
  });
  const waiting: ((answer: string) => void)[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => waiting.shift()?.(line));
  void ended.then(() => {
    for (const answer of waiting.splice(0)) answer("error the keeper has ended");
  });
  const next = () => new Promise<string>((resolve) => waiting.push(resolve));

  const keeper: Keeper = {
    pid: child.pid ?? 0,
    ended,
    complaints: () => complaints.trim(),
    async ask(line) {
      const answer = next();
      if (child.exitCode !== null || child.signalCode !== null) throw new Error("the keeper has ended");
      child.stdin.write(`${line}\n`);
      const [state, ...rest] = (await answer).split(" ");
      if (state !== "ok") throw new Error(rest.join(" "));
      return rest.join(" ");
    },
  };
  const first = await next();
  if (!first.startsWith("ok ")) {
    throw new OperatorError(
      exitCodes.missingHere,
      "a local machine could not be started",
      `its keeper did not start: ${keeper.complaints() || first}`,
      "see that systemd-container, iptables and iproute2 are installed and that this is no container without their rights; then run the same command again",
    );
  }
  return { ...keeper, pid: Number(first.slice(3)) };
}

/** Removes all of a machine without its keeper. @returns whether nothing of it is left */
export async function removeWithoutKeeper(id: string): Promise<boolean> {
  const result = await execa("bash", [script, "destroy", id], {
    env: { PATH: pathWithSystemFolders() },
    stdin: "ignore",
    reject: false,
  });
  return result.exitCode === 0;
}

/** Waits for a keeper to end, at most so long. */
export async function endOf(keeper: Keeper, withinSeconds: number): Promise<boolean> {
  const timeout = AbortSignal.timeout(withinSeconds * 1000);
  return Promise.race([keeper.ended.then(() => true), once(timeout, "abort").then(() => false)]);
}
