import { existsSync, readdirSync, readFileSync } from "node:fs";

/**
 * The engine and its plugins are found by two variables that all of them inherit, since a process id alone may by now
 * be somebody else's, and since each plugin has a process group of its own. Linux only: elsewhere nothing is found.
 */
export interface Mark {
  /** Which stack: `<backend directory>#<stack>`. */
  stack: string;
  /** Which process drives it: `<pid>.<its start in clock ticks since boot>`. */
  operator: string;
}

const hasProc = existsSync("/proc/self/environ");

export function markEnvironment(mark: Mark): Record<string, string> {
  return { RECOVERY_STACK: mark.stack, RECOVERY_OPERATOR: mark.operator };
}

/** This process, as it stands in {@link Mark.operator}. */
export function thisOperator(): string {
  return `${process.pid}.${startTicks(process.pid) ?? 0}`;
}

/** Whether the process that an operator mark names still runs. */
export function operatorRuns(operator: string): boolean {
  const [pid, ticks] = operator.split(".").map(Number);
  return pid !== undefined && startTicks(pid) === ticks;
}

/** Field 22 of /proc/PID/stat; undefined when there is no such process. The name in field 2 may hold anything. */
function startTicks(pid: number): number | undefined {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? [];
  // Nobody may collect the dead: the first process of a container often does not.
  return fields[0] === undefined || "ZX".includes(fields[0]) ? undefined : Number(fields[19]);
}

/** When a process started, to a second; undefined when it does not run. */
export function startedAt(pid: number): Date | undefined {
  if (!hasProc) return signalable(pid) ? new Date(0) : undefined;
  const ticks = startTicks(pid);
  const boot = /^btime (\d+)$/m.exec(read("/proc/stat") ?? "")?.[1];
  // USER_HZ is 100 on every Linux architecture that node runs on.
  return ticks === undefined ? undefined : new Date((Number(boot) + ticks / 100) * 1000);
}

/** Engine, plugins and keepers of a stack, with the operator that each belongs to. */
export function processesOf(stack: string): { pid: number; operator: string }[] {
  if (!hasProc) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const variables = (read(`/proc/${name}/environ`) ?? "").split("\0");
      if (!variables.includes(`RECOVERY_STACK=${stack}`)) return [];
      const operator = variables.find((variable) => variable.startsWith("RECOVERY_OPERATOR="));
      return [{ pid: Number(name), operator: operator?.slice("RECOVERY_OPERATOR=".length) ?? "" }];
    });
}

/** Ends processes at once; returns how many there were. What is started meanwhile is found in the next round. */
export async function endProcesses(find: () => { pid: number }[]): Promise<number> {
  const ended = new Set<number>();
  for (let round = 0; round < 100; round++) {
    const found = find();
    if (found.length === 0) break;
    for (const { pid } of found) {
      ended.add(pid);
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // Gone between the look and the signal.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return ended.size;
}

function signalable(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
