import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { Pin } from "../backups/restore-point.ts";
import { duration } from "../evidence/report.ts";
import { parts, type Part } from "../runbook/server-failure.ts";
import { connect, type SshTarget } from "../ssh/connection.ts";
import { readLedger, type Attempt } from "./ledger.ts";

/** What stands on a host before anything is done to it. */
export interface HostBeforeRebuild {
  /** "Debian GNU/Linux 12 (bookworm)". */
  system: string;
  name: string;
  machine: string;
  cores: number;
  memoryBytes: number;
  /** On /var. */
  freeDiskBytes: number;
  upSeconds: number;
  /** Of this computer's clock; negative when it is behind. */
  clockAheadSeconds: number;
  /** Its own addresses that others can reach. */
  addresses: string[];
  /** Programs that others can reach, and their ports: "nginx 80". */
  listening: string[];
  /** Something is at the application's place. */
  stands: boolean;
  /** Whose run it is, when one is recorded; `busy` are the steps under way. */
  lock?: { id: string; who: string; why: string; since: string; busy: string[] };
  /** The last restore that this machine did. */
  restored?: Restored;
  /** A recovery came to its end here. */
  finished: boolean;
  /** The first sign of somebody else than a recovery since that restore. */
  servedSince?: string;
  /** Raised by each restore of the same point over the same host; 0 when no step was ever tried. */
  attempt: number;
}

export interface Restored {
  pin: Pin;
  /** That of the databases, where they are of a newer point. */
  databases?: Pin;
  attempt: number;
  /** What of the site alone; all of it without. */
  only?: Part;
  /** UTC; names this restore when another is to be made over it. */
  at: string;
}

const hostFile = (name: string) => readFile(new URL(`../host/${name}`, import.meta.url), "utf8");

/**
 * One bounded, read-only session: would a rebuild land on the right host, and on whom? Whether a site is well is another
 * question: look-at-host.ts. Throws OperatorError when the host cannot be looked at.
 */
export async function lookBeforeRebuild(
  target: SshTarget,
  applicationPath: string,
  signal: AbortSignal,
): Promise<HostBeforeRebuild> {
  const script = (await Promise.all(["paths.sh", "served.sh", "before-rebuild"].map(hostFile))).join("\n");
  const connection = await connect(target, { signal });
  try {
    const askedAt = new Date();
    const path = `'${applicationPath.replaceAll("'", String.raw`'\''`)}'`;
    const { stdout } = await connection.run(`bash -c "$(cat)" before-rebuild ${path}`, {
      stdin: script,
      timeoutSeconds: 60,
      signal,
    });
    return understand(stdout, await readLedger(connection, signal), askedAt);
  } finally {
    await connection.close();
  }
}

const lockSchema = z.object({
  run: z.object({ id: z.string(), who: z.string(), why: z.string() }),
  since: z.string(),
});

/** What host/before-rebuild printed, and the ledger, as one look; pure. */
export function understand(printed: string, attempts: readonly Attempt[], askedAt: Date): HostBeforeRebuild {
  const lines = printed
    .split("\n")
    .filter((line) => line.includes("\t"))
    .map((line) => [line.slice(0, line.indexOf("\t")), line.slice(line.indexOf("\t") + 1)] as const);
  const all = (name: string) => lines.filter(([key]) => key === name).map(([, value]) => value);
  const one = (name: string) => all(name)[0] ?? "";
  const restored = attempts.findLast(({ result }) => result.step === "restore" && result.outcome === "done");
  const last = attempts.findLast((attempt) => trigger(attempt, "attempt") !== "");
  const lock = one("lock") === "" ? undefined : lockSchema.safeParse(parsed(one("lock"))).data;
  return {
    system: one("system"),
    name: one("name"),
    machine: one("machine"),
    cores: Number(one("cores")),
    memoryBytes: Number(one("memoryBytes")),
    freeDiskBytes: Number(one("freeDiskBytes")),
    upSeconds: Number(one("upSeconds")),
    clockAheadSeconds: Number(one("clock")) - Math.floor(askedAt.getTime() / 1000),
    addresses: all("address"),
    listening: all("listening"),
    stands: one("stands") !== "",
    ...(lock
      ? { lock: { ...lock.run, since: lock.since, busy: one("busy").split(" ").filter(Boolean) } }
      : {}),
    ...(restored ? { restored: restoredOf(restored) } : {}),
    finished: attempts.some(({ result }) => result.step === "finish" && result.outcome === "done"),
    ...(one("served") === "" ? {} : { servedSince: one("served") }),
    attempt: last ? attemptOf(last) : 0,
  };
}

/** How a host's clock differs from this computer's, when by more than an answer takes to come; pure. */
export function clockDiffers({
  clockAheadSeconds,
}: Pick<HostBeforeRebuild, "clockAheadSeconds">): string | undefined {
  const seconds = Math.abs(clockAheadSeconds);
  if (seconds <= 60) return undefined;
  return `${duration(seconds)} ${clockAheadSeconds > 0 ? "ahead of" : "behind"} this computer's`;
}

function restoredOf(attempt: Attempt): Restored {
  const databases = trigger(attempt, "databases");
  const only = parts.find((part) => trigger(attempt, "attempt").endsWith(` of the ${part}`));
  return {
    ...(only ? { only } : {}),
    pin: {
      id: trigger(attempt, "point"),
      manifestSha256: trigger(attempt, "manifest"),
      archiveSha256: trigger(attempt, "archive") || null,
    },
    ...(databases === ""
      ? {}
      : {
          databases: {
            id: databases,
            manifestSha256: trigger(attempt, "databases-manifest"),
            archiveSha256: null,
          },
        }),
    attempt: attemptOf(attempt),
    at: attempt.result.startedAt,
  };
}

/** `2`, or `2 of the database`: see server-failure.ts. */
function attemptOf(attempt: Attempt): number {
  return Number.parseInt(trigger(attempt, "attempt"), 10);
}

/** Triggers are written `NAME VALUE`, see complete-failure.ts. */
function trigger({ triggers }: Attempt, name: string): string {
  return triggers.find((one) => one.startsWith(`${name} `))?.slice(name.length + 1) ?? "";
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
