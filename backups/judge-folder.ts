import { contentName, isEncrypted, parsePointManifest, type PointManifest } from "./point-manifest.ts";
import type { RestorePoint } from "./restore-point.ts";

/** What is known of a folder TIER/TIME of a store: everything but the content of its members. */
export interface FolderFacts {
  store: string;
  /** Such as `daily`. */
  tier: string;
  /** Such as `20260301T020000Z`. */
  name: string;
  /** When its MANIFEST.json, the last of its files, arrived in the store; of one without, the folder itself. */
  storedAt: Date;
  /** Regular files in it, and when each arrived; with their hashes when they were read to their ends. */
  files: { name: string; bytes: number; arrivedAt: Date; sha256?: string }[];
  /** What else lies in it, with what it is: `{name: "config.tar.zst", reason: "a link"}`. */
  oddities: { name: string; reason: string }[];
  manifest: { text: string; sha256: string } | null;
}

/**
 * Who signed a manifest: one of the site's signers; `fault` says why it counts as nobody; null when the site names no signer,
 * and so nothing was asked.
 */
export type SignatureVerdict = { fault: string | null } | null;

const hourMilliseconds = 3_600_000;
/** Who may add files, and none over what is there, is not to complete what was cut off long ago. */
const mostHoursOnTheWay = 24;

/** The time that a folder's name says, `20260301T020000Z` as 2026-03-01T02:00:00Z; undefined for any other name. */
export function timeOfFolder(name: string): string | undefined {
  const text = name.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z");
  // The parser takes the 31st of February for a day in March.
  return text !== name && new Date(text).toJSON() === text.replace("Z", ".000Z") ? text : undefined;
}

/** What a folder of our own format is worth. Pure; `now` is a moment, `site` the name of the site that asks. */
export function judgeFolder(
  facts: FolderFacts,
  signature: SignatureVerdict,
  site: string,
  now: Date,
): RestorePoint {
  const parsed = facts.manifest === null ? null : parsePointManifest(facts.manifest.text);
  const manifest = parsed === null || "fault" in parsed ? null : parsed;
  const untimely = manifest === null ? null : untimeliness(manifest, facts, now);
  const id = `${facts.tier}/${facts.name}`;
  const members = (manifest?.members ?? []).map(({ name, bytes, unpackedBytes, sha256, path }) => ({
    path: name,
    bytes,
    unpackedBytes,
    sha256,
    ...(path === undefined ? {} : { folder: path }),
  }));
  const of = (state: RestorePoint["state"], reason: string | null): RestorePoint => ({
    format: "folder",
    id,
    store: facts.store,
    file: id,
    aliases: [],
    kind: state === "foreign" ? null : kindOf(manifest?.members ?? facts.files),
    state,
    reason,
    notes: state === "complete" && manifest !== null ? notes(facts, manifest, signature) : [],
    timeOfData: manifest === null || untimely !== null ? null : new Date(manifest.startedAt).toISOString(),
    storedAt: facts.storedAt.toISOString(),
    storedBytes: facts.files.reduce((sum, { bytes }) => sum + bytes, 0),
    sha256: null,
    manifestSha256: facts.manifest?.sha256 ?? null,
    root: null,
    members,
    unpackedBytes: members.reduce((sum, { unpackedBytes }) => sum + unpackedBytes, 0),
    hostname: null,
    ...(manifest?.server ? { server: manifest.server } : {}),
  });

  if (parsed === null) {
    return of(
      "damaged",
      "no MANIFEST.json, which is written last: its backup was cut off, or is still under way",
    );
  }
  if ("fault" in parsed) return of("damaged", parsed.fault);
  if (parsed.site !== site) return of("foreign", `a backup of ${parsed.site}, not of ${site}`);
  if (parsed.tier !== facts.tier || parsed.startedAt !== timeOfFolder(facts.name)) {
    return of(
      "damaged",
      `its manifest is that of ${parsed.tier} at ${parsed.startedAt}: renamed, or put together`,
    );
  }
  if (signature !== null && signature.fault !== null) return of("damaged", signature.fault);
  if (untimely !== null) return of("damaged", untimely);
  const broken = parsed.members.map((member) => brokenness(member, facts)).filter((why) => why !== null);
  if (broken.length > 0) return of("damaged", broken.join("; "));
  if (parsed.errors.length > 0)
    return of("partial", `its manifest lists errors: ${parsed.errors.join("; ")}`);
  return of("complete", null);
}

/** A point holds a whole site unless its members are all databases. */
function kindOf(files: readonly { name: string }[]): RestorePoint["kind"] {
  const contents = files
    .map(({ name }) => contentName(name))
    .filter((name) => !/^(MANIFEST\.json|inventory\.tar)/.test(name));
  return contents.length > 0 && contents.every((name) => name.startsWith("database-")) ? "database" : "full";
}

/** A point dated 2099 must not be the newest for ever, and an old one must not come again as that of today. */
function untimeliness(
  { startedAt, endedAt, members }: PointManifest,
  { storedAt, files }: FolderFacts,
  now: Date,
): string | null {
  const [started, ended] = [Date.parse(startedAt), Date.parse(endedAt)];
  // What else lies there is nobody's, and says nothing of it.
  const own = new Set([...members.map(({ name }) => name), "MANIFEST.json"]);
  const firstAt = files
    .filter(({ name }) => own.has(name))
    .reduce((first, { arrivedAt }) => (arrivedAt < first ? arrivedAt : first), storedAt);
  const [first, arrived] = [firstAt.getTime(), storedAt.getTime()];
  // An hour for clocks that differ. On its way it may be longer: a large one is, over a slow line.
  if (started > now.getTime() + hourMilliseconds)
    return `it says that it is of ${startedAt}, which is yet to come`;
  if (started > arrived + hourMilliseconds) {
    return `it says that it is of ${startedAt}, later than it came into the store (${storedAt.toISOString()})`;
  }
  if (first > ended + hourMilliseconds) {
    return (
      `it says that it ended at ${endedAt}, and it came into the store at ${firstAt.toISOString()}: dated back, or copied ` +
      "without its times (cp -a and rclone copy keep them)"
    );
  }
  if (arrived > first + mostHoursOnTheWay * hourMilliseconds) {
    return `its first file came at ${firstAt.toISOString()}, and its manifest at ${storedAt.toISOString()}: more than a day later`;
  }
  return null;
}

function brokenness(
  { name, bytes, sha256 }: PointManifest["members"][number],
  facts: FolderFacts,
): string | null {
  const file = facts.files.find((one) => one.name === name);
  if (file === undefined) {
    // In a bucket there may be both.
    const odd = facts.oddities.find((oddity) => oddity.name === name);
    return odd === undefined
      ? `its manifest names ${name}, which is not there`
      : `${name} is ${odd.reason}, not a file`;
  }
  if (file.bytes !== bytes) return `${name} has ${file.bytes} bytes, and its manifest says ${bytes}`;
  return file.sha256 === undefined || file.sha256 === sha256
    ? null
    : `${name} is not what its manifest says: its sha256 is ${file.sha256}, and was ${sha256}`;
}

function notes(
  facts: FolderFacts,
  { members, warnings }: PointManifest,
  signature: SignatureVerdict,
): string[] {
  const known = new Set(["MANIFEST.json", "MANIFEST.json.sig", ...members.map(({ name }) => name)]);
  const others = [...facts.files, ...facts.oddities].filter(({ name }) => !known.has(name)).length;
  return [
    ...(signature === null ? ["nobody vouches for it: site.yaml names no signers"] : []),
    ...(members.some(({ name }) => isEncrypted(name)) ? [] : ["it is not encrypted"]),
    ...(warnings.length === 0
      ? []
      : [`${warnings.length} warnings of the server that made it, such as: ${warnings[0] ?? ""}`]),
    ...(others === 0 ? [] : [`${others} other files lie in its folder: they are not restored`]),
  ];
}
