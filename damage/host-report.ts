/** What host/look saw. A host that is broken, or not ours any more, printed it: nothing in it is believed to be well-formed. */
export interface HostReport {
  /** Everything was looked for; else the host took too long, or the text was cut off. */
  complete: boolean;
  /** Seconds since 1970, by the host's clock. */
  clockSeconds: number | null;
  uptimeSeconds: number | null;
  /** Such as "Debian GNU/Linux 12 (bookworm)". */
  system: string | null;
  load: { oneMinute: number; cores: number } | null;
  memory: { totalBytes: number; availableBytes: number } | null;
  /** Processes that the kernel ended in the last day, for want of memory. */
  memoryKills: number;
  /** Units of a recovery that is under way. */
  recovering: string;
  /** `said`: of what is not running, the line of its log that says most. */
  units: { unit: string; active: string; enabled: string; said: string }[];
  disks: { mount: string; bytes: number; freeBytes: number; inodes: number; freeInodes: number }[];
  /** A disk does not answer. */
  diskSilent: boolean;
  /** Folders of the site that are not there. */
  missing: string[];
  databases: { name: string; state: string; said: string }[];
  /** `count` is null when the table could not be counted, and `said` is why; `restored`: rows that it had when it was restored. */
  rows: { database: string; table: string; count: number | null; said: string; restored: number | null }[];
  /** What the audit log holds of the last day. */
  deletions: { database: string; count: number; latest: string }[];
  application: { state: string; commit: string; tags: string[]; changes: number } | null;
  /** As `git status --porcelain` says it; not more than the first of them. */
  changed: { status: string; path: string }[];
  /** Files among the uploads that PHP or the web server would act on. */
  planted: string[];
  environment: string | null;
  /** Required variables that are not there, or empty. */
  lacks: string[];
  /** Whether PHP can parse the configuration. */
  loads: { state: string; said: string } | null;
  /** The last error of the last hour, of each log. */
  errors: { place: string; line: string }[];
}

const mostLines = 1000;
const mostCharacters = 400;

/** Reads what host/look printed. Never throws; what is not understood is left out. */
export function parseHostReport(text: string): HostReport {
  const report: HostReport = {
    complete: false,
    clockSeconds: null,
    uptimeSeconds: null,
    system: null,
    load: null,
    memory: null,
    memoryKills: 0,
    recovering: "",
    units: [],
    disks: [],
    diskSilent: false,
    missing: [],
    databases: [],
    rows: [],
    deletions: [],
    application: null,
    changed: [],
    planted: [],
    environment: null,
    lacks: [],
    loads: null,
    errors: [],
  };
  for (const line of text.split("\n", mostLines)) {
    const [fact, a = "", b = "", c = "", d = "", e = ""] = line.split("\t").map(printable);
    switch (fact) {
      case "end":
        report.complete = true;
        break;
      case "clock":
        report.clockSeconds = number(a);
        break;
      case "uptime":
        report.uptimeSeconds = number(a);
        break;
      case "system":
        report.system = a || null;
        break;
      case "load": {
        const [oneMinute, cores] = [number(a.split(" ")[0]), number(b)];
        if (oneMinute !== null && cores !== null && cores > 0) report.load = { oneMinute, cores };
        break;
      }
      case "memory": {
        const [totalBytes, availableBytes] = a.split(" ").map(number);
        if (totalBytes && typeof availableBytes === "number") report.memory = { totalBytes, availableBytes };
        break;
      }
      case "memory-killed":
        report.memoryKills = number(a) ?? 0;
        break;
      case "recovering":
        report.recovering = a.trim();
        break;
      case "unit":
        report.units.push({ unit: a, active: b, enabled: c, said: d });
        break;
      case "disk": {
        const [bytes, freeBytes] = [number(b), number(c)];
        // A file system without inodes of its own, such as btrfs, has none of them.
        const [inodes, freeInodes] = [number(d) ?? 0, number(e) ?? 0];
        if (bytes !== null && freeBytes !== null && bytes > 0)
          report.disks.push({ mount: a, bytes, freeBytes, inodes, freeInodes });
        break;
      }
      case "disk-silent":
        report.diskSilent = true;
        break;
      case "missing":
        report.missing.push(a);
        break;
      case "database":
        report.databases.push({ name: a, state: b, said: c });
        break;
      case "rows":
        report.rows.push({ database: a, table: b, count: number(c), said: c, restored: number(d) });
        break;
      case "deletions": {
        const [count, latest = ""] = b.split("|");
        report.deletions.push({ database: a, count: number(count) ?? 0, latest });
        break;
      }
      case "application":
        report.application = {
          state: a,
          commit: b,
          tags: c.split(" ").filter(Boolean),
          changes: number(d) ?? 0,
        };
        break;
      case "changed":
        report.changed.push({ status: a, path: b });
        break;
      case "planted":
        report.planted.push(a);
        break;
      case "environment":
        report.environment = a;
        break;
      case "lacks":
        report.lacks.push(a);
        break;
      case "loads":
        report.loads = { state: a, said: b };
        break;
      case "error":
        report.errors.push({ place: a, line: b });
        break;
    }
  }
  return report;
}

/** A number as host/look writes one; null for anything else. */
function number(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,18}(\.\d{1,9})?$/.test(text) ? Number(text) : null;
}

/** Terminals act on control characters. */
function printable(text: string): string {
  return text.slice(0, mostCharacters).replaceAll(/[\p{Cc}\p{Cf}]/gu, "�");
}
