import type { Check, Site } from "../site/schema.ts";
import { databaseFacts, databaseFiles, hasDatabaseServer } from "./databases.ts";
import { hostPath } from "./host-path.ts";
import type { Facts } from "./step.ts";

/** How host/check is asked: before there is a certificate any transport will do; at the end the chain must hold. */
export type Transport = "any" | "verified";

export interface CheckOptions {
  transport: Transport;
  /** The host was restored by this run: compare it with the restore point as well. */
  restored: boolean;
  /** The host is a drill's: nothing may be reached from inside, and the authority is the drill's own. */
  isolated: boolean;
  /** Leave out those that write. */
  readOnly?: boolean;
  /**
   * How databases are asked: `server`, by the database server of this host; `connection`, by the way that the site itself takes;
   * `not`, since their own server is asked. By default the first, and the second when they have a server of their own.
   */
  databases?: "server" | "connection" | "not";
  /** What a check that writes puts into what it writes. */
  mark: string;
}

/** One line of a check's outcome, as host/check prints it. */
export interface CheckResult {
  title: string;
  ok: boolean;
  expected: string;
  seen: string;
}

/** Where a drill's host keeps the root certificate of its own authority. */
const drillAuthority = "/var/lib/recovery/acme-root.pem";

/** The request that host/check reads: what is always true of a recovered site, then what site.yaml asks, then what writes. */
export function checkRequest(site: Site, options: CheckOptions): Facts {
  const { owner, group, dataDirectories, dataFiles, configuration } = site.permissions;
  const ownedBy = `${owner}:${group}`;
  const mode = (path: string, expected: string): Facts => ({
    kind: "mode",
    title: `${path}: owner and mode`,
    path: hostPath(site, path),
    owner: ownedBy,
    mode: expected,
  });
  const asked = options.databases ?? (hasDatabaseServer(site) ? "connection" : "server");
  const always: Facts[] = [
    ...(asked === "server" ? databaseUnitChecks(site) : []),
    ...unitChecks(site),
    ...(asked === "server" ? soundness(site) : []),
    ...(options.restored && site.uploads.length > 0
      ? [{ kind: "restored-files", title: "uploads: hashes" }]
      : []),
    mode(site.application.path, site.permissions.directories),
    ...site.configuration.files.map((file) => mode(file, configuration)),
    ...databaseFiles(site).map((file) => mode(file, dataFiles)),
    ...[...site.data, ...site.uploads].map((folder) => mode(folder.path, dataDirectories)),
    {
      kind: "tree",
      title: "application: owner, nothing writable by all",
      path: site.application.path,
      owner,
    },
    ...site.logs.map((log) => ({ kind: "log", title: `${log.path}: writable`, path: log.path })),
    ...metricsChecks(site),
  ];
  const asking = site.checks.filter(({ kind }) => kind !== "rows" || asked !== "not");
  const [reading, writing] = partition(asking, (check) => !writes(check));
  const last: Facts[] = [
    { kind: "no-errors", title: "logs: no fatal error", alone: true },
    ...(options.transport === "verified"
      ? [site.domain, ...site.aliases].map((name) => ({
          kind: "certificate",
          title: `${name}: certificate`,
          domain: name,
        }))
      : []),
    ...(options.isolated ? [{ kind: "isolated", title: "isolation" }] : []),
  ];
  return {
    ...requestHead(site, options),
    checks: [
      ...always,
      ...reading.map((check) => siteCheck(site, check, asked)),
      ...(options.readOnly === true
        ? []
        : writing.map((check) => ({ ...siteCheck(site, check, asked), alone: true }))),
      ...last,
    ],
  };
}

/** The request for a database server that is the site's own: what is asked of databases, and nothing of the site. */
export function databaseServerRequest(site: Site, options: Pick<CheckOptions, "mark">): Facts {
  return {
    ...requestHead(site, { transport: "any", isolated: false, ...options }),
    checks: [
      ...databaseUnitChecks(site),
      ...soundness(site),
      ...site.checks.filter(({ kind }) => kind === "rows").map((check) => siteCheck(site, check, "server")),
    ],
  };
}

/** What must be true of every database, whatever the site. */
function soundness(site: Site): Facts[] {
  return site.databases.flatMap((entry) => {
    const database = databaseFacts(site, entry);
    return [
      { kind: "integrity", title: `database ${entry.name}: integrity`, database },
      { kind: "references", title: `database ${entry.name}: references`, database },
    ];
  });
}

/** The commands that host/check calls and that not every Debian has; their packages have the same names. */
export function checkNeeds(site: Site): string[] {
  const sqlite = site.databases.some(({ kind }) => kind === "sqlite");
  return ["jq", "curl", "openssl", ...(sqlite ? ["sqlite3"] : [])];
}

/** What host/check is asked again and again while a recovered site is watched: nothing that writes or takes long. */
export function watchRequest(
  site: Site,
  { isolated }: Pick<CheckOptions, "isolated">,
): Facts & { checks: TitledCheck[] } {
  return {
    ...requestHead(site, { transport: "verified", isolated, mark: "recovery-check-watch" }),
    checks: [
      ...(hasDatabaseServer(site) ? [] : databaseUnitChecks(site)),
      ...unitChecks(site),
      ...metricsChecks(site),
    ],
  };
}

function requestHead(site: Site, options: Omit<CheckOptions, "restored">): Facts {
  return {
    domain: site.domain,
    mark: options.mark,
    environmentFile: hostPath(site, site.configuration.environmentFile),
    owner: site.permissions.owner,
    authorityFile: options.isolated ? drillAuthority : "",
    transport: options.transport,
  };
}

type TitledCheck = Facts & { title: string };

function unitCheck(unit: string): TitledCheck {
  return { kind: "unit", title: `${unit}: running, enabled at boot`, unit };
}

function unitChecks(site: Site): TitledCheck[] {
  return servingUnits(site).map(unitCheck);
}

function databaseUnitChecks(site: Site): TitledCheck[] {
  return databaseUnits(site).map(unitCheck);
}

function metricsChecks({ metrics }: Site): TitledCheck[] {
  return metrics ? [{ kind: "metrics", title: `${metrics.path}: metrics`, path: metrics.path }] : [];
}

/** The units that make the site serve, in the order in which they start: workers last. */
export function servingUnits(site: Site): string[] {
  return [
    `php${site.php.version}-fpm.service`,
    "nginx.service",
    ...site.workers.map((worker) => worker.unit),
  ];
}

/** The units of database servers: up before anything is loaded, and never stopped by a recovery. */
function databaseUnits(site: Site): string[] {
  return site.databases.some(({ kind }) => kind === "postgresql") ? ["postgresql.service"] : [];
}

function writes(check: Check): boolean {
  return check.kind === "upload" || (check.kind === "http" && check.method === "POST");
}

function siteCheck(site: Site, check: Check, asked: NonNullable<CheckOptions["databases"]>): Facts {
  switch (check.kind) {
    case "http":
      return { ...defined(check), title: check.title ?? `${check.method} ${check.path}` };
    case "upload":
      return { ...defined(check), title: check.title ?? `${check.path}: upload and read back` };
    case "rows": {
      const database = site.databases.find(({ name }) => name === check.database);
      if (!database) throw new Error(`the check of ${check.table} names no database of the site`);
      return {
        ...defined(check),
        title: check.title ?? `${check.table}: at least ${check.minimum} rows`,
        database: {
          ...databaseFacts(site, database),
          ...(asked === "connection" ? { asked } : {}),
        },
      };
    }
  }
}

/** Without the fields that are undefined: what remains is JSON. */
function defined(check: Check): Facts {
  return JSON.parse(JSON.stringify(check)) as Facts;
}

function partition<T>(all: readonly T[], first: (one: T) => boolean): [T[], T[]] {
  return [all.filter(first), all.filter((one) => !first(one))];
}
