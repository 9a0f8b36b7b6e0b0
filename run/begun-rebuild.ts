import { readFile, rename, writeFile } from "node:fs/promises";
import { z } from "zod";
import type { Pin } from "../backups/restore-point.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import type { HostBeforeRebuild } from "./before-rebuild.ts";
import { parts, type Part } from "../runbook/server-failure.ts";
import { runId } from "./run-id.ts";

const pinSchema = z.strictObject({
  id: z.string(),
  manifestSha256: z.string(),
  archiveSha256: z.string().nullable(),
});

/**
 * The last rebuild of a host that this computer began: one that was cut short keeps its point, its clock, and what it was
 * told to replace. What the host holds, the host alone knows.
 */
const begunSchema = z.strictObject({
  hostKey: z.string(),
  pin: pinSchema,
  /** That of the databases, where they are of a newer point. */
  databases: pinSchema.optional(),
  attempt: z.int().min(1),
  run: z.string(),
  startedAt: z.iso.datetime(),
  /** What of the site it brings back alone. */
  only: z.enum(parts).optional(),
  /** The restore that it was told to replace, by its time; `unrecovered` for a site that no recovery put there. */
  over: z.string().optional(),
  /** When it ended well. */
  recoveredAt: z.iso.datetime().optional(),
});

export type BegunRebuild = z.infer<typeof begunSchema>;

/** What is asked for. */
interface Wish {
  hostKey: string;
  pin: Pin;
  /** That of the databases, where they are of a newer point. */
  databases?: Pin | undefined;
  /** What of the site is brought back alone. */
  only?: Part | undefined;
  /** The host was named twice. */
  again: boolean;
  now: Date;
}

/** What is restored. */
type Pins = Pick<Wish, "pin" | "databases">;

/** What the host says of itself. */
type Known = Pick<HostBeforeRebuild, "restored" | "servedSince" | "attempt" | "lock" | "stands">;

/**
 * The rebuild that follows: one that was cut short here goes on; otherwise it is a new run, with nothing to do when the host
 * holds what is asked for. Pure.
 *
 * @throws OperatorError (refused) when a site that has served would be replaced, and nobody named its host twice
 */
export function nextRebuild(before: BegunRebuild | undefined, wish: Wish, host: Known): BegunRebuild {
  const { hostKey, pin, databases, only, again, now } = wish;
  const { restored } = host;
  const known = before?.hostKey === hostKey ? before : undefined;
  const knownWish = known !== undefined && sameBytes(known, wish) && known.only === only;
  // The same command once more, after it failed: what it was told to replace still stands. To do everything again would move
  // a site aside that may serve, before it is known whether the point is any better this time.
  const repeated = known?.over !== undefined && known.over === restored?.at;
  const goesOn =
    knownWish && (!again || repeated) && known.recoveredAt === undefined && known.attempt >= host.attempt;
  if (goesOn) return known;
  // An attempt that reached no step is not in the host's ledger.
  const last = Math.max(1, host.attempt, known?.attempt ?? 0);
  const holds = restored !== undefined && sameBytes(restored, wish) && restored.only === only;
  const next: BegunRebuild = {
    hostKey,
    pin,
    ...(databases ? { databases } : {}),
    attempt: again && (holds || knownWish) ? last + 1 : last,
    run: runId("rebuild", now),
    startedAt: now.toISOString(),
    ...(only ? { only } : {}),
    ...(again && restored ? { over: restored.at } : {}),
    // A part is mended where the rest stands, whoever put it there.
    ...(again && !restored && only && host.stands ? { over: "unrecovered" } : {}),
  };
  const replaces = restored !== undefined && !(holds && restored.attempt === next.attempt);
  // Another run has the host: it is refused when it is opened, with the reason that the operator must hear first.
  // What a restore of a part left alone has been there for longer.
  const sign =
    host.servedSince ??
    (restored?.only !== undefined && restored.only !== only
      ? `only its ${restored.only} was restored then`
      : undefined);
  if (replaces && !again && sign !== undefined && !host.lock?.busy.length) {
    throw new OperatorError(
      exitCodes.refused,
      `this site was restored here from ${restored.pin.id} at ${restored.at}, and has served since`,
      `${sign}: ${pin.id} would replace what its users have done there`,
      "to restore it all the same, name the host a second time: --again ADDRESS",
    );
  }
  return next;
}

/** The id is only a name: what was restored is told by the hashes. */
function sameBytes(one: Pins, other: Pins): boolean {
  return (
    one.pin.manifestSha256 === other.pin.manifestSha256 &&
    one.pin.archiveSha256 === other.pin.archiveSha256 &&
    one.databases?.manifestSha256 === other.databases?.manifestSha256
  );
}

/** What is known of the rebuild before; undefined when there was none. */
export async function readBegun(file: string): Promise<BegunRebuild | undefined> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  });
  return text === undefined ? undefined : begunSchema.parse(JSON.parse(text));
}

export async function writeBegun(file: string, content: BegunRebuild): Promise<void> {
  await writeFile(`${file}.new`, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
}
