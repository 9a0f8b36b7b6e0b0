import { readFileSync } from "node:fs";

/** A process and the time it was started, in clock ticks since boot: process ids alone are reused. */
export interface ProcessIdentity {
  pid: number;
  startTicks: number;
}

/** Start time in a line of /proc/PID/stat; the command's name before it may hold spaces and parentheses. */
export function startTicksOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // Field 22 of proc(5); the first one after the name is field 3.
  return Number(fields[19]);
}

/** The identity of a running process; undefined when there is none, or only its exit code is left. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const state = stat.charAt(stat.lastIndexOf(")") + 2);
    return state === "Z" || state === "X" ? undefined : { pid, startTicks: startTicksOf(stat) };
  } catch {
    return undefined;
  }
}

export function isRunning(identity: ProcessIdentity): boolean {
  return identifyProcess(identity.pid)?.startTicks === identity.startTicks;
}
