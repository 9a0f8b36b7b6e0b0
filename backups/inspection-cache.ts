import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { z } from "zod";
import type { Inspection } from "./inspection.ts";

const cachedSchema = z.strictObject({
  /** Raised whenever an inspection finds other things in the same bytes. */
  version: z.literal(2),
  identity: z.string(),
  inspection: z.strictObject({
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    storedBytes: z.int(),
    damage: z.string().nullable(),
    root: z.string().nullable(),
    members: z.array(
      z.strictObject({
        path: z.string(),
        bytes: z.int(),
        unpackedBytes: z.int(),
        dumped: z.strictObject({ server: z.int(), pgDump: z.int() }).optional(),
      }),
    ),
    unpackedBytes: z.int(),
    manifest: z.strictObject({ text: z.string(), sha256: z.string() }).nullable(),
  }),
});

/**
 * What was read in archives, kept under the XDG cache directory so that a second listing need not read them again.
 * A cache that cannot be read or written is as good as none: nothing here fails.
 */
export class InspectionCache {
  private readonly directory = join(cacheHome(), "recovery-stack", "catalogue");

  async get(identity: string): Promise<Inspection | undefined> {
    try {
      const cached = cachedSchema.parse(JSON.parse(await readFile(this.file(identity), "utf8")));
      return cached.identity === identity ? cached.inspection : undefined;
    } catch {
      return undefined;
    }
  }

  async put(identity: string, inspection: Inspection): Promise<void> {
    const file = this.file(identity);
    const draft = `${file}.${randomUUID()}`;
    try {
      await mkdir(this.directory, { recursive: true, mode: 0o700 });
      await writeFile(draft, JSON.stringify({ version: 2, identity, inspection }), { mode: 0o600 });
      await rename(draft, file);
    } catch {
      await rm(draft, { force: true }).catch(() => undefined);
    }
  }

  private file(identity: string): string {
    return join(this.directory, `${createHash("sha256").update(identity).digest("hex")}.json`);
  }
}

/** https://specifications.freedesktop.org/basedir-spec: a relative path in the variable is to be ignored. */
export function cacheHome(): string {
  const set = process.env["XDG_CACHE_HOME"];
  return set !== undefined && isAbsolute(set) ? set : join(homedir(), ".cache");
}
