import { readFile, rename, writeFile } from "node:fs/promises";
import { z } from "zod";
import type { Pin } from "../backups/restore-point.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { runId } from "./run-id.ts";

/** What the last rebuild of a host is held to: its exact point until it ends well, and after that what serves there. */
const begunSchema = z.strictObject({
  hostKey: z.string(),
  pin: z.strictObject({ id: z.string(), manifestSha256: z.string(), archiveSha256: z.string().nullable() }),
  attempt: z.int().min(1),
  run: z.string(),
  startedAt: z.iso.datetime(),
  /** When it ended well. */
  recoveredAt: z.iso.datetime().optional(),
});

export type BegunRebuild = z.infer<typeof begunSchema>;

/**
 * The rebuild that follows: the one before goes on when it was cut short, and is a new run with nothing to do when it had
 * ended well. Pure.
 *
 * @throws OperatorError (refused) when another point would replace what a recovered site holds by now, and nobody said so
 */
export function nextRebuild(
  before: BegunRebuild | undefined,
  wish: { hostKey: string; pin: Pin; again: boolean; now: Date },
): BegunRebuild {
  const { hostKey, pin, again, now } = wish;
  const fresh = { hostKey, pin, attempt: 1, run: runId("rebuild", now), startedAt: now.toISOString() };
  if (before?.hostKey !== hostKey) return fresh;
  const { attempt } = before;
  const same =
    before.pin.manifestSha256 === pin.manifestSha256 && before.pin.archiveSha256 === pin.archiveSha256;
  if (again) return { ...fresh, attempt: same ? attempt + 1 : attempt };
  if (same) {
    const { recoveredAt } = before;
    // A run with nothing to do must not forget that the host serves, however it ends.
    return recoveredAt === undefined ? before : { ...fresh, attempt, recoveredAt };
  }
  if (before.recoveredAt === undefined) return { ...fresh, attempt };
  throw new OperatorError(
    exitCodes.refused,
    `this host was recovered from ${before.pin.id} at ${before.recoveredAt}, and has served since`,
    `${pin.id} would replace what its users have done there`,
    "to restore it all the same, name the host a second time: --again ADDRESS",
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
