import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { listMachines } from "../../machines/nspawn.ts";
import { tracesOf } from "./traces.ts";

export const commandLine = fileURLToPath(new URL("../../scripts/recovery.js", import.meta.url));

/** A command of the operator that runs, with all that it printed so far. */
export interface Running {
  child: ChildProcess;
  pid: number;
  stdout(): string;
  stderr(): string;
  /** Exit code, or the signal that ended it. */
  ended: Promise<number | string>;
  /** Resolves when what it prints, on either output, holds this; fails when it ends before. */
  says(text: string | RegExp): Promise<void>;
}

/** Starts a command as a shell does: the leader of a process group of its own, without a terminal to read from. */
export function run(
  command: string,
  args: string[],
  options: { cwd: string; env: NodeJS.ProcessEnv },
): Running {
  const child = spawn(command, args, { ...options, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const printed = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      printed[name] += text;
      child.emit("printed");
    });
  }
  const ended = once(child, "close").then(([code, signal]) => (code ?? signal) as number | string);
  return {
    child,
    pid: child.pid ?? 0,
    stdout: () => printed.stdout,
    stderr: () => printed.stderr,
    ended,
    says: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!new RegExp(text).test(printed.stdout + printed.stderr)) return;
          child.off("printed", look);
          resolve();
        };
        child.on("printed", look);
        look();
        void ended.then((end) => {
          reject(new Error(`it ended (${end}) without saying ${String(text)}:\n${printed.stderr}`));
        });
      }),
  };
}

/** The ids of the machines that a process has made, or has begun to make. */
export async function machinesOf(pid: number): Promise<string[]> {
  return (await listMachines()).filter(({ record }) => record?.owner.pid === pid).map(({ id }) => id);
}

/**
 * Everything that is there of drills whose state and temporary files lie below this folder: processes (engine, plugins,
 * relay, agent, what holds a lock or waits to clean up), temporary files, states of stacks, and all of these machines.
 * Records of runs, and the file of the lock, are meant to stay.
 */
export async function leftOf(folder: string, machines: readonly string[]): Promise<string[]> {
  const processes = readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    const read = (name: string) => {
      try {
        return readFileSync(join("/proc", pid, name), "utf8").replaceAll("\0", " ");
      } catch {
        return "";
      }
    };
    const words = read("cmdline");
    return words !== "" && (words + read("environ")).includes(folder) ? [`process ${pid}: ${words}`] : [];
  });
  const files = ["tmp", "state"]
    .flatMap((name) => filesBelow(join(folder, name)))
    // tsx keeps what it has compiled; a folder of runs without a run is there for the next.
    .filter(
      (file) =>
        !/^\/tmp(\/tsx-\d+\/.*)?$|\/(runs|drill\.lock|run\.(json|html))$/.test(file.slice(folder.length)),
    );
  const traces = await Promise.all(machines.map(tracesOf));
  return [...processes, ...files.map((file) => `file ${file}`), ...traces.flat()];
}

export async function untilNothingIsLeft(folder: string, machines: readonly string[]): Promise<void> {
  await expect.poll(() => leftOf(folder, machines), { timeout: 30_000, interval: 200 }).toEqual([]);
}

/** Paths of files, and of folders that hold none. */
export function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (!entry.isDirectory()) return [path];
    const below = filesBelow(path);
    return below.length === 0 ? [path] : below;
  });
}
