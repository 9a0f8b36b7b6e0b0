import type { LocalTime } from "./local-time.ts";

/** What the name of a file among the runbook's backups says. */
export type ArchiveName =
  | { form: "full"; id: string; localTime: LocalTime }
  | { form: "database"; id: string; engine: DatabaseEngine; localTime: LocalTime }
  /** A second name for the newest: nothing says which time it is of. */
  | { form: "full-alias"; id: string }
  | { form: "database-alias"; id: string; engine: DatabaseEngine }
  /** A broken database that the runbook sets aside for a look at it. */
  | { form: "forensic"; id: string }
  | { form: "foreign"; id: string };

export type DatabaseEngine = "sqlite" | "postgres";

const timestamp = /^(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)$/;

/** Reads the name of a file as the runbook's scripts (backup_all.sh, db_backup.sh) give it. Never throws. */
export function parseArchiveName(name: string): ArchiveName {
  if (/^corrupted_./.test(name)) return { form: "forensic", id: name };
  const match =
    /^(?<kind>full_backup)_(?<rest>.+)\.tar\.gz$/.exec(name) ??
    /^admin_(?<kind>sqlite)_(?<rest>.+)\.db\.gz$/.exec(name) ??
    /^admin_(?<kind>postgres)_(?<rest>.+)\.sql\.gz$/.exec(name);
  const { kind, rest } = match?.groups ?? {};
  if (kind === undefined || rest === undefined) return { form: "foreign", id: name };
  const id = name.replace(/\.(tar|db|sql)\.gz$/, "");
  const engine = kind === "sqlite" || kind === "postgres" ? kind : undefined;
  if (/^latest([._-].*)?$/.test(rest)) {
    return engine === undefined ? { form: "full-alias", id } : { form: "database-alias", id, engine };
  }
  const localTime = parseTimestamp(rest);
  if (localTime === undefined) return { form: "foreign", id: name };
  return engine === undefined ? { form: "full", id, localTime } : { form: "database", id, engine, localTime };
}

function parseTimestamp(text: string): LocalTime | undefined {
  const [year, month, day, hour, minute, second] = (timestamp.exec(text) ?? []).slice(1).map(Number);
  if (
    year === undefined ||
    month === undefined ||
    day === undefined ||
    hour === undefined ||
    minute === undefined ||
    second === undefined
  ) {
    return undefined;
  }
  // The 31st of February rolls over into March: such a date is none.
  const shown = new Date(Date.UTC(year, month - 1, day, hour, minute, second)).toISOString();
  return shown.replace(/[-:]/g, "").startsWith(text.replace("_", "T"))
    ? { year, month, day, hour, minute, second }
    : undefined;
}

/** What a MANIFEST.txt says. Fields that it does not say, or not in a form that can be trusted, are null or empty. */
export interface RunbookManifest {
  /** UTC, ISO 8601. */
  createdAt: string | null;
  name: string | null;
  hostname: string | null;
  /** Its list, line by line, such as `Database: SQLite (admin.db.gz)`. */
  components: string[];
  /** The files that the list names, such as `admin.db.gz`. */
  files: string[];
  status: "SUCCESS" | "PARTIAL" | null;
  errors: string[];
}

/** Reads the text of a MANIFEST.txt as the runbook's backup_all.sh writes it. Never throws. */
export function parseManifest(text: string): RunbookManifest {
  const manifest: RunbookManifest = {
    createdAt: null,
    name: null,
    hostname: null,
    components: [],
    files: [],
    status: null,
    errors: [],
  };
  const statuses = new Set<string>();
  let list: string[] | undefined;
  for (const line of text.replace(/^\uFEFF/, "").split(/\r\n|\r|\n/)) {
    const [, key, value] = /^([A-Z][A-Za-z ]*):\s*(.*?)\s*$/.exec(line) ?? [];
    const entry = /^\s*-\s+(.*?)\s*$/.exec(line)?.[1];
    if (entry !== undefined) {
      list?.push(printable(entry));
      continue;
    }
    switch (key?.toLowerCase()) {
      case undefined:
        break;
      case "backup created at":
        manifest.createdAt ??= parseMoment(value ?? "");
        break;
      case "backup name":
        manifest.name ??= said(value);
        break;
      case "hostname":
        manifest.hostname ??= said(value);
        break;
      case "components":
        list = manifest.components;
        break;
      case "errors":
        list = manifest.errors;
        break;
      case "backup status":
        list = undefined;
        statuses.add(value ?? "");
        break;
      default:
        list = undefined;
    }
  }
  // Two that differ are no success.
  if (statuses.has("PARTIAL")) manifest.status = "PARTIAL";
  else if (statuses.size === 1 && statuses.has("SUCCESS")) manifest.status = "SUCCESS";
  manifest.files = manifest.components.flatMap((component) => {
    const file = /\(([^(),/]+\.gz)(,[^()]*)?\)$/.exec(component)?.[1];
    return file === undefined ? [] : [file];
  });
  return manifest;
}

function parseMoment(text: string): string | null {
  const iso = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)$/.exec(text);
  if (iso === null) return null;
  const moment = new Date(text.replace(/([+-]\d\d)(\d\d)$/, "$1:$2"));
  // The parser accepts a 31st of February; the same digits read as UTC must come back as they are.
  const digits = iso[1] ?? "";
  const same = new Date(`${digits}Z`);
  if (Number.isNaN(moment.getTime()) || Number.isNaN(same.getTime())) return null;
  return same.toISOString().startsWith(digits) ? moment.toISOString() : null;
}

function said(value: string | undefined): string | null {
  return value === undefined || value === "" ? null : printable(value);
}

/** Terminals act on control characters, and a manifest may come from anybody. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, "�").slice(0, 500);
}
