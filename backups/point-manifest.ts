import { z } from "zod";

/** The tiers of backups: the first part of a restore point's id. */
export const tiers = ["hourly", "daily", "weekly", "monthly", "manual"] as const;

const moment = z.iso.datetime({ precision: 0 });
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const bytes = z.int().min(0);
// Shown to the operator: a terminal acts on control characters.
const printable = z
  .string()
  .max(500)
  .regex(/^\P{Cc}*$/u);

/** The only names that a member may have: none leads anywhere. */
const memberName =
  /^(database-[a-z][a-z0-9-]{0,62}\.(db|dump)|(uploads|data)-[1-9][0-9]{0,3}\.tar|config\.tar|logs\.tar|metrics\.prom|application\.bundle|inventory\.tar)\.zst(\.age)?$/;

const memberSchema = z
  .strictObject({
    name: z.string().regex(memberName),
    /** Of uploads and data: what site.yaml calls the folder. */
    path: printable.min(1).optional(),
    /** As it is stored. */
    bytes: bytes.min(1),
    /** Decrypted and decompressed. */
    unpackedBytes: bytes,
    /** Of the stored bytes. */
    sha256,
  })
  .refine(
    ({ name, path }) => /^(uploads|data)-/.test(name) === (path !== undefined),
    "uploads and data have a path, and nothing else has",
  );

const manifestSchema = z.strictObject({
  version: z.literal(1),
  /** Name of the site. */
  site: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/),
  tier: z.enum(tiers),
  startedAt: moment,
  endedAt: moment,
  /** Commit of the application that ran. */
  revision: z.string().regex(/^[0-9a-f]{40}$/),
  /** Versions of what made it, by name. */
  tools: z.record(z.string().regex(/^[a-z0-9_-]{1,40}$/), printable),
  /** The server that it was made on: another that takes its place is to be no smaller. Points of before have none. */
  server: z.strictObject({ cores: z.int().min(1), memoryBytes: bytes.min(1) }).optional(),
  /** What could not be backed up, a line each. */
  errors: z.array(printable).max(100),
  /** What changed or vanished while it was read, and the like, a line each: the point is whole all the same. */
  warnings: z.array(printable).max(100).default([]),
  members: z.array(memberSchema).min(1).max(1000),
});

/** The MANIFEST.json of a restore point of our own format, as docs/format.md describes it. */
export type PointManifest = z.infer<typeof manifestSchema>;

/** More than this is not read. */
export const manifestBytes = 1024 ** 2;

/** What a MANIFEST.json says, or why it cannot be relied on. Never throws, and what it says can be shown on a terminal. */
export function parsePointManifest(text: string): PointManifest | { fault: string } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { fault: "its MANIFEST.json is not JSON: cut short, or damaged" };
  }
  const { version } = { version: undefined, ...(json as object | null) } as { version: unknown };
  if (typeof version === "number" && Number.isInteger(version) && version > 1) {
    return { fault: `its format has version ${version}: a newer recovery-stack made it` };
  }
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const place = (issue?.path ?? []).filter((part) => /^[\w-]{1,40}$/.test(String(part))).join(".");
    return {
      fault: `its MANIFEST.json is not one${place === "" ? "" : `: ${place} is not as it should be`}`,
    };
  }
  const fault = contradiction(parsed.data);
  return fault === null ? parsed.data : { fault: `its MANIFEST.json contradicts itself: ${fault}` };
}

function contradiction({ startedAt, endedAt, members }: PointManifest): string | null {
  if (endedAt < startedAt) return "it ended before it began";
  const contents = members.map(({ name }) => contentName(name));
  const twice = contents.find((content, index) => contents.indexOf(content) !== index);
  if (twice !== undefined) return `${twice} is in it twice`;
  if (!contents.includes("inventory.tar")) return "it has no inventory.tar";
  const encrypted = members.filter(({ name }) => isEncrypted(name)).length;
  if (encrypted > 0 && encrypted < members.length) return "some members are encrypted and some are not";
  return null;
}

/** What a member is once it is decrypted and decompressed: `database-admin.db` of `database-admin.db.zst.age`. */
export function contentName(stored: string): string {
  return stored.replace(/\.zst(\.age)?$/, "");
}

/** Whether a stored member wants a key. */
export function isEncrypted(stored: string): boolean {
  return stored.endsWith(".age");
}
