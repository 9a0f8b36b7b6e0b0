import { missingMembers } from "../backups/missing-members.ts";
import { contentName, tiers } from "../backups/point-manifest.ts";
import { isGood, isRead, type RestorePoint } from "../backups/restore-point.ts";
import { isYetToCome, type Verdict } from "../backups/verdict.ts";
import { intervalSeconds, storesOf } from "../offsite/shortfalls.ts";
import type { Site } from "../site/schema.ts";
import { duration } from "./report.ts";

type DataClass = keyof Site["objectives"]["rpo"];
type Scenario = keyof Site["objectives"]["rto"];

/** A restore point, as far as it says how old data would be. */
export interface PointAge {
  id: string;
  store: string;
  /** UTC, ISO 8601. */
  dataTime: string;
  ageSeconds: number;
}

/** What would be lost of a class of data if the server were lost now. */
export interface DataClassStatus {
  name: DataClass;
  rpoSeconds: number;
  /** The newest good point that holds it; null when there is none. What came after it would be lost. */
  newest: PointAge | null;
  /** The newest that a verifier read whole, and that a drill restored. */
  readable: PointAge | null;
  proven: PointAge | null;
  /** The newest is not older than the RPO. */
  met: boolean;
}

export interface ScenarioStatus {
  name: Scenario;
  rtoSeconds: number;
  /** The last run that recovered the site from it, as far as this computer has its record. */
  last: { kind: string; at: string; seconds: number } | null;
  /** Whether that took no longer than the RTO; null when nothing was measured. */
  met: boolean | null;
}

export interface Status {
  version: 1;
  site: string;
  /** UTC, ISO 8601. */
  at: string;
  classes: DataClassStatus[];
  scenarios: ScenarioStatus[];
  /** What should have been done, or will be too late soon: a line each. Empty is good. */
  overdue: string[];
}

/** What an earlier run tells of how long a recovery takes. */
export interface MeasuredRun {
  kind: string;
  outcome: string;
  /** What came back alone; all of the site without. */
  only?: string | undefined;
  startedAt: string;
  recoveredAt: string | null;
  baked?: boolean | undefined;
}

const daySeconds = 86_400;
/** A new point is read within a day, and one is proven each month. */
const readWithinSeconds = daySeconds;
const provenWithinSeconds = 31 * daySeconds;
/** The runbook: restore procedures are tested quarterly. */
const drilledWithinSeconds = 92 * daySeconds;
/** A backup is begun a little after its time. A large one is hours on its way, and what is made each hour is not. */
const arrivesWithinSeconds = (interval: number) => Math.max(1.5 * 3600, Math.min(interval, 12 * 3600));

/** How a site stands against its objectives: what would be lost now, how long it took last time, what is overdue. Pure. */
export function judgeStatus({
  site,
  points,
  verdicts,
  runs,
  now,
}: {
  site: Site;
  /** Of all stores, as they are worth with the verdicts. */
  points: readonly RestorePoint[];
  /** Also on points that are no longer kept. */
  verdicts: readonly Verdict[];
  /** Oldest first. */
  runs: readonly MeasuredRun[];
  now: Date;
}): Status {
  const good = points
    .filter((point) => isGood(point) && point.timeOfData !== null)
    .sort((one, other) => timeOf(other) - timeOf(one));
  const classes = classesOf(site).map((name): DataClassStatus => {
    const held = good.filter((point) => holds(point, name, site));
    const newest = (is: (point: RestorePoint) => boolean) => ageOf(held.find(is), now);
    const rpoSeconds = site.objectives.rpo[name];
    const [any, readable, proven] = [
      newest(() => true),
      newest(isRead),
      newest(({ state }) => state === "proven"),
    ];
    return {
      name,
      rpoSeconds,
      newest: any,
      readable,
      proven,
      met: any !== null && any.ageSeconds <= rpoSeconds,
    };
  });
  const proven = verdicts
    .filter(
      (verdict) => verdict.level === "proven" && verdict.result === "passed" && !isYetToCome(verdict, now),
    )
    .map(({ at }) => at)
    .sort()
    .at(-1);
  const scenarios = (Object.keys(site.objectives.rto) as Scenario[]).map((name) => {
    const last = lastRun(runs, name);
    const rtoSeconds = site.objectives.rto[name];
    return { name, rtoSeconds, last, met: last && last.seconds <= rtoSeconds };
  });
  return {
    version: 1,
    site: site.name,
    at: now.toISOString(),
    classes,
    scenarios,
    overdue: [
      ...classes.filter(({ met }) => !met).map(tooOld),
      ...scenarios.flatMap(({ name, met, rtoSeconds, last }) =>
        met === false && last
          ? [
              `${name} took ${duration(last.seconds)} on ${day(last.at)}, and may take ${duration(rtoSeconds)}`,
            ]
          : [],
      ),
      ...unverified(site, good, proven, now),
      ...undrilled(runs, proven, now),
      ...failedDrill(runs, verdicts, now),
      ...notArriving(site, good, now),
      ...expiring(site, good, now),
    ],
  };
}

/** Those that the site has anything of. */
function classesOf(site: Site): DataClass[] {
  const has: Record<DataClass, boolean> = {
    database: site.databases.length > 0,
    configuration: true,
    uploads: site.uploads.length + site.data.length > 0,
    // The runbook's scripts pack neither.
    logs: site.logs.length > 0 && site.backups !== undefined,
    metrics: site.metrics !== undefined && site.backups !== undefined,
  };
  return (Object.keys(has) as DataClass[]).filter((name) => has[name]);
}

/** All that the site has of it: what a recovery would find missing. */
function holds(point: RestorePoint, name: DataClass, site: Site): boolean {
  if (name === "logs" || name === "metrics") {
    const member = { logs: "logs.tar", metrics: "metrics.prom" }[name];
    return point.members.some(({ path }) => contentName(path) === member);
  }
  if (point.format === "archive" && point.kind === "database") return name === "database";
  const kinds = {
    database: ["database"],
    uploads: ["uploads", "data"],
    configuration: ["configuration", "certificate"],
  };
  return !missingMembers(point, site).some(({ of }) => kinds[name].includes(of.split(" ")[0] ?? ""));
}

/** How long a recovery took, of the last that recovered; with the packages baked in it is no measure. */
function lastRun(runs: readonly MeasuredRun[], scenario: Scenario): ScenarioStatus["last"] {
  const parts: Partial<Record<Scenario, string | undefined>> = {
    completeFailure: undefined,
    applicationServerFailure: "application",
    databaseServerFailure: "database",
  };
  if (!(scenario in parts)) return null;
  const last = runs.findLast(
    ({ outcome, only, baked }) => outcome === "recovered" && only === parts[scenario] && baked !== true,
  );
  if (!last?.recoveredAt) return null;
  return {
    kind: last.kind,
    at: last.startedAt,
    seconds: (Date.parse(last.recoveredAt) - Date.parse(last.startedAt)) / 1000,
  };
}

function tooOld({ name, rpoSeconds, newest }: DataClassStatus): string {
  return newest === null
    ? `no good backup holds the ${name}: all of it would be lost`
    : `the ${name} of the newest backup is ${duration(newest.ageSeconds)} old, and may be ${duration(rpoSeconds)}`;
}

function unverified(
  site: Site,
  good: readonly RestorePoint[],
  proven: string | undefined,
  now: Date,
): string[] {
  if (site.verification === undefined) {
    return ["nobody tries the backups: site.yaml has no section verification"];
  }
  const unread = good.filter(
    (point) =>
      point.kind === "full" && !isRead(point) && secondsSince(point.storedAt, now) > readWithinSeconds,
  );
  return [
    ...(unread.length === 0
      ? []
      : [
          `nobody has read ${unread.length} backups that are older than a day, such as ${unread[0]?.id ?? ""}: npx recovery points verify --new --sign`,
        ]),
    ...(proven !== undefined && secondsSince(proven, now) <= provenWithinSeconds
      ? []
      : [
          `no backup ${proven === undefined ? "was ever" : `has been`} proven by a drill${proven === undefined ? "" : ` since ${day(proven)}`}: npx recovery drill --sign`,
        ]),
  ];
}

/** A drill that a verifier signed is recorded where it was. */
function undrilled(runs: readonly MeasuredRun[], proven: string | undefined, now: Date): string[] {
  if (proven !== undefined && secondsSince(proven, now) <= drilledWithinSeconds) return [];
  const last = runs.findLast(({ outcome, only }) => outcome === "recovered" && only === undefined);
  if (last && secondsSince(last.startedAt, now) <= drilledWithinSeconds) return [];
  return [
    last
      ? `the last recovery recorded here was on ${day(last.startedAt)}, and one should be tried each quarter: npx recovery drill`
      : "no recovery is recorded here: npx recovery drill",
  ];
}

/** The last drill, here or where a verifier signed it. Of one that was interrupted nothing is known. */
function failedDrill(runs: readonly MeasuredRun[], verdicts: readonly Verdict[], now: Date): string[] {
  const last = [
    ...runs
      .filter(({ kind, outcome }) => kind === "drill" && outcome !== "interrupted")
      .map(({ outcome, startedAt }) => ({ at: startedAt, passed: outcome === "recovered" })),
    ...verdicts
      .filter(({ level }) => level === "proven")
      .map(({ at, result }) => ({ at, passed: result === "passed" })),
  ]
    .filter((one) => !isYetToCome(one, now))
    .sort((one, other) => Date.parse(other.at) - Date.parse(one.at))[0];
  if (last === undefined || last.passed) return [];
  return [`a drill failed on ${day(last.at)}, and none has passed since: npx recovery drill`];
}

/** Each tier in each store that it is sent to, whatever another one of them holds. */
function notArriving(site: Site, good: readonly RestorePoint[], now: Date): string[] {
  const { backups } = site;
  if (backups === undefined) return [];
  return tiers.flatMap((tier) => {
    if (tier === "manual") return [];
    const interval = intervalSeconds(backups, tier);
    const withinSeconds = interval + arrivesWithinSeconds(interval);
    return storesOf(site, backups, tier).flatMap((name) => {
      const there = good.filter(({ store, format }) => store === name && format === "folder");
      const newest = there.find(({ id }) => id.startsWith(`${tier}/`));
      // Of a tier that has not come yet the time begins with the first of any that has.
      const since = newest ?? there.at(-1);
      if (since === undefined) return [];
      const age = secondsSince(since.timeOfData ?? "", now);
      if (age <= withinSeconds) return [];
      return [
        newest === undefined
          ? `no ${tier} backup has arrived in ${name}`
          : `${tier} backups no longer arrive in ${name}: the newest there is ${duration(Math.round(age))} old`,
      ];
    });
  });
}

/** What is sent elsewhere goes there when its tier says so, and nobody asks whether anything newer has come. */
function expiring(site: Site, good: readonly RestorePoint[], now: Date): string[] {
  const { backups } = site;
  if (backups === undefined) return [];
  return site.stores.flatMap(({ name }) => {
    const ends = good
      .filter(({ store, format, kind }) => store === name && format === "folder" && kind === "full")
      .flatMap(({ id, timeOfData }) => {
        const tier = tiers.find((one) => id.startsWith(`${one}/`));
        if (tier === undefined || tier === "manual") return [];
        const keepSeconds = backups[tier].keep;
        return [{ id, keepSeconds, leftSeconds: keepSeconds - secondsSince(timeOfData ?? "", now) }];
      })
      .sort((one, other) => other.leftSeconds - one.leftSeconds);
    if (!good.some(({ store, kind }) => store === name && kind === "full")) {
      return [`${name} holds no good backup of the whole site`];
    }
    const [last] = ends;
    if (last === undefined || last.leftSeconds > last.keepSeconds / 2) return [];
    return [
      last.leftSeconds > 0
        ? `the last good backup in ${name} that is kept longest, ${last.id}, is kept for ${duration(Math.round(last.leftSeconds))} more`
        : `every good backup in ${name} is older than its tier keeps it: the last is ${last.id}`,
    ];
  });
}

function ageOf(point: RestorePoint | undefined, now: Date): PointAge | null {
  if (point?.timeOfData == null) return null;
  const { id, store, timeOfData } = point;
  return {
    id,
    store,
    dataTime: timeOfData,
    ageSeconds: Math.max(0, Math.round(secondsSince(timeOfData, now))),
  };
}

function timeOf({ timeOfData }: RestorePoint): number {
  return Date.parse(timeOfData ?? "");
}

function secondsSince(time: string, now: Date): number {
  return (now.getTime() - Date.parse(time)) / 1000;
}

function day(time: string): string {
  return time.slice(0, 10);
}
