import type { Inspection } from "./inspection.ts";
import { momentsOf } from "./local-time.ts";
import type { RestorePoint } from "./restore-point.ts";
import { type ArchiveName, parseManifest, type RunbookManifest } from "./runbook-archive.ts";

/** What a store tells of a file without opening it. */
export interface FileFacts {
  store: string;
  /** Time zone of the server that made the backups, as an IANA name. */
  timezone: string;
  file: string;
  storedAt: Date;
  storedBytes: number;
  /** The site names who must have signed a point. Nobody signs an archive of the runbook's scripts. */
  mustBeSigned: boolean;
}

type Verdict = Pick<RestorePoint, "state" | "reason" | "timeOfData" | "notes">;

const hourMilliseconds = 3_600_000;
const quarterMilliseconds = hourMilliseconds / 4;
const slackMilliseconds = 120_000;

/** A file that is no restore point, or that cannot be opened: `reason` says why. */
export function unreadPoint(
  facts: FileFacts,
  name: ArchiveName,
  state: "foreign" | "damaged",
  reason: string,
): RestorePoint {
  return {
    ...known(facts, name),
    kind: state === "foreign" ? null : kindOf(name),
    state,
    reason,
    notes: [],
    timeOfData: null,
    sha256: null,
    manifestSha256: null,
    root: null,
    members: [],
    unpackedBytes: 0,
    hostname: null,
  };
}

/** What a file is worth, from its name, what the store tells of it and what was read in it. Pure; `now` is a moment. */
export function judgePoint(
  facts: FileFacts,
  name: ArchiveName,
  inspection: Inspection,
  now: Date,
): RestorePoint {
  const manifest = inspection.manifest === null ? null : parseManifest(inspection.manifest.text);
  const { sha256, root, members, unpackedBytes } = inspection;
  return {
    ...known(facts, name),
    storedBytes: inspection.storedBytes,
    sha256,
    manifestSha256: inspection.manifest?.sha256 ?? (kindOf(name) === "database" ? sha256 : null),
    root,
    members,
    unpackedBytes,
    hostname: manifest?.hostname ?? null,
    ...verdict(facts, name, inspection, manifest, now),
  };
}

function known(facts: FileFacts, name: ArchiveName) {
  return {
    format: "archive" as const,
    id: name.id,
    store: facts.store,
    file: facts.file,
    aliases: [],
    kind: kindOf(name),
    storedAt: facts.storedAt.toISOString(),
    storedBytes: facts.storedBytes,
  };
}

function kindOf({ form }: ArchiveName): RestorePoint["kind"] {
  if (form === "full" || form === "full-alias") return "full";
  return form === "database" || form === "database-alias" ? "database" : null;
}

function verdict(
  facts: FileFacts,
  name: ArchiveName,
  inspection: Inspection,
  manifest: RunbookManifest | null,
  now: Date,
): Verdict {
  const time = timeOfData(facts, name, manifest);
  const untimely = time.fault ?? untimeliness(time.moment, facts.storedAt, now);
  const of = (state: RestorePoint["state"], reason: string | null): Verdict => ({
    state,
    reason,
    timeOfData: untimely === null ? (time.moment?.toISOString() ?? null) : null,
    notes: time.notes,
  });
  if (inspection.damage !== null) return of("damaged", inspection.damage);
  if (manifest !== null) {
    if (manifest.status === "PARTIAL") {
      const errors = manifest.errors.length === 0 ? "" : `: ${manifest.errors.join("; ")}`;
      return of("partial", `its manifest says PARTIAL${errors}`);
    }
    if (manifest.status === null)
      return of("damaged", "its manifest does not say SUCCESS: it was not finished");
    if (manifest.errors.length > 0)
      return of("partial", `its manifest lists errors: ${manifest.errors.join("; ")}`);
    const present = new Set(inspection.members.map(({ path }) => path.split("/").at(-1)));
    const absent = manifest.files.filter((file) => !present.has(file));
    if (absent.length > 0)
      return of("damaged", `its manifest names ${absent.join(", ")}, which it does not hold`);
  }
  if (untimely !== null) return of("damaged", untimely);
  return facts.mustBeSigned
    ? of("damaged", "an archive that nobody signed, and site.yaml names who must (restorePoints.signers)")
    : of("complete", null);
}

/** Why a point cannot be of the time that it says, or null. */
function untimeliness(moment: Date | null, storedAt: Date, now: Date): string | null {
  if (moment === null) return "nothing says which time its data is of";
  const shown = moment.toISOString();
  // An hour for clocks that differ. Only later is wrong: a copy's file is newer than its data by any time.
  if (moment.getTime() > now.getTime() + hourMilliseconds) {
    return `its data is said to be of ${shown}, which is yet to come`;
  }
  if (moment.getTime() > storedAt.getTime() + hourMilliseconds) {
    return `its data is said to be of ${shown}, later than the file itself (${storedAt.toISOString()})`;
  }
  return null;
}

interface TimeOfData {
  moment: Date | null;
  fault: string | null;
  notes: string[];
}

function timeOfData(facts: FileFacts, name: ArchiveName, manifest: RunbookManifest | null): TimeOfData {
  const written = manifest?.createdAt == null ? null : new Date(manifest.createdAt);
  if (name.form !== "full" && name.form !== "database") return { moment: written, fault: null, notes: [] };
  const named = momentsOf(name.localTime, facts.timezone);
  if (written === null) return timeOfName(facts, named, manifest !== null);

  const offsets = named.map((moment) => Math.abs(moment.getTime() - written.getTime()));
  const nearest = Math.min(...offsets);
  if (nearest <= hourMilliseconds && nearest < quarterMilliseconds)
    return { moment: written, fault: null, notes: [] };
  const namedUtc = Date.UTC(
    name.localTime.year,
    name.localTime.month - 1,
    name.localTime.day,
    name.localTime.hour,
    name.localTime.minute,
    name.localTime.second,
  );
  const offset = namedUtc - written.getTime();
  if (couldBeZone(offset)) {
    return {
      moment: written,
      fault: null,
      notes: [
        `its name and its manifest (${written.toISOString()}) fit a server ${zoneText(offset)}, not ${facts.timezone}: look at the store's timezone`,
      ],
    };
  }
  return {
    moment: written,
    fault: `its name and its manifest (${written.toISOString()}) tell different times: renamed, or put together`,
    notes: [],
  };
}

function timeOfName(facts: FileFacts, named: Date[], expectedManifestTime: boolean): TimeOfData {
  const notes = expectedManifestTime
    ? [`its manifest does not say when it was made: the time is that of its name, in ${facts.timezone}`]
    : [];
  const [moment] = named;
  if (moment === undefined) {
    return {
      moment: null,
      fault: `clocks in ${facts.timezone} never showed the time in its name: look at the store's timezone`,
      notes,
    };
  }
  if (named.length > 1) {
    // The earlier, so that nobody believes the data to be fresher than it is.
    notes.push(`clocks in ${facts.timezone} showed the time in its name twice: the earlier is taken`);
  }
  return { moment, fault: null, notes };
}

/** Zones are whole quarters of an hour from UTC, from -12 to +14 hours. */
function couldBeZone(offset: number): boolean {
  const rest = Math.abs(offset - Math.round(offset / quarterMilliseconds) * quarterMilliseconds);
  return (
    rest <= slackMilliseconds &&
    offset >= -12 * hourMilliseconds - slackMilliseconds &&
    offset <= 14 * hourMilliseconds + slackMilliseconds
  );
}

function zoneText(offset: number): string {
  const quarters = Math.round(offset / quarterMilliseconds);
  const minutes = Math.abs(quarters) * 15;
  const clock = `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")} h`;
  return quarters === 0 ? "on UTC" : `${clock} ${quarters > 0 ? "ahead of" : "behind"} UTC`;
}
