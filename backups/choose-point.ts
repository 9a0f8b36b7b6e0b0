import { formatBytes } from "./format-bytes.ts";
import { isGood, isRead, type Pin, type RestorePoint } from "./restore-point.ts";
import { siteMembers } from "./site-members.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import type { Site } from "../site/schema.ts";

export interface PointWish {
  /** An id, a file name or an alias of it. */
  id?: string | undefined;
  /** Only data of before this moment. */
  before?: Date | undefined;
  /** Nothing but databases is wanted: a point of our own format that holds them alone will do. */
  databaseAlone?: boolean | undefined;
}

/** Verifiers read a point within a day. Where the newest that they read is as much older than the newest, they do not any more. */
const unreadMilliseconds = 2 * 86_400_000;

/** By how much is known of them, the best first. */
const rank = { proven: 0, readable: 1, complete: 2, partial: 3, damaged: 4, foreign: 5 };

/**
 * The point that a site is restored from: the one that is asked for, or else the newest that holds all that is wanted and that a verifier read
 * whole, or the newest good one, where nobody reads them. Points of the same time go by how much is known of them, then by their order.
 *
 * @throws OperatorError (exit code 4) that lists the candidates and why each is not chosen.
 */
export function choosePoint(points: readonly RestorePoint[], wish: PointWish = {}): RestorePoint {
  const { id, before } = wish;
  const named = id === undefined ? points : points.filter((point) => isNamed(point, id));
  const time = (point: RestorePoint) => Date.parse(point.timeOfData ?? "");
  const fit = named
    .filter((point) => objection(point, wish) === null)
    .sort((one, other) => time(other) - time(one) || rank[one.state] - rank[other.state]);
  const read = id === undefined ? fit.find(isRead) : undefined;
  const best = read && fit[0] && time(fit[0]) - time(read) < unreadMilliseconds ? read : fit[0];
  if (best !== undefined) return best;
  throw new OperatorError(
    exitCodes.refused,
    id === undefined
      ? `no restore point can be used${before === undefined ? "" : ` with data of before ${before.toISOString()}`}`
      : named.length === 0
        ? `there is no restore point ${id}`
        : `the restore point ${id} cannot be used`,
    candidates(named.length === 0 ? points : named, wish),
    named.length === 0 || id !== undefined
      ? "name another with --point ID; npx recovery points list shows them all"
      : before === undefined
        ? "bring a good backup into the store; npx recovery points list shows what is there"
        : "give a later time with --before, or leave it out",
  );
}

/**
 * The point that was pinned, if its bytes are still the same. Where several stores hold them, the copy that `choosePoint` takes.
 *
 * @throws OperatorError (exit code 4) when it is gone, has changed, or is no longer good.
 */
export function pinnedPoint(
  points: readonly RestorePoint[],
  pin: Pin,
  unread: readonly string[] = [],
): RestorePoint {
  const [same] = points
    .filter(
      ({ sha256, manifestSha256 }) => sha256 === pin.archiveSha256 && manifestSha256 === pin.manifestSha256,
    )
    .sort((one, other) => rank[one.state] - rank[other.state]);
  if (same !== undefined && isGood(same)) return same;
  const named = points.find(({ id }) => id === pin.id);
  throw new OperatorError(
    exitCodes.refused,
    `the pinned restore point ${pin.id} cannot be used`,
    same !== undefined
      ? describe(same, {})
      : named === undefined
        ? ["no store holds it any more", ...unread].join("; ")
        : `its bytes are others than when it was pinned (sha256 ${shortHash(pin.archiveSha256 ?? pin.manifestSha256)}, now ${shortHash(pin.archiveSha256 === null ? named.manifestSha256 : named.sha256)})`,
    "bring the pinned backup back, or pin another: npx recovery points list",
  );
}

/**
 * The newest good point of our own format that holds all databases of a site, alone, as they were after the point of all of it; undefined
 * when there is none. Between two backups of all of it the databases are backed up more often.
 */
export function newerDatabases(
  point: RestorePoint,
  points: readonly RestorePoint[],
  site: Site,
  before?: Date,
): RestorePoint | undefined {
  const time = ({ timeOfData }: RestorePoint) => Date.parse(timeOfData ?? "");
  if (site.databases.length === 0) return undefined;
  return points
    .filter((one) => one.kind === "database" && objection(one, { before, databaseAlone: true }) === null)
    .filter((one) => time(one) > time(point))
    .filter((one) => siteMembers(one, site).databases.every((members) => members.length > 0))
    .sort((one, other) => time(other) - time(one) || rank[one.state] - rank[other.state])[0];
}

/** Whether an operator who says `id` may mean the point: its id, its file's name or an alias of it. */
export function isNamed(point: RestorePoint, id: string): boolean {
  return [point.id, point.file, ...point.aliases].some((name) => name === id || name === `${id}.tar.gz`);
}

function shortHash(sha256: string | null): string {
  return sha256 === null ? "unread" : `${sha256.slice(0, 12)}…`;
}

/** Whether a point is of a kind that holds what is wanted. */
export function isOfUse({ kind, format }: RestorePoint, { databaseAlone = false }: PointWish): boolean {
  return kind === "full" || (databaseAlone && kind === "database" && format === "folder");
}

/** Why a point is not chosen, or null. */
function objection(point: RestorePoint, wish: PointWish): string | null {
  const { before } = wish;
  if (!isGood(point)) return `${point.state}: ${point.reason ?? "no reason known"}`;
  if (!isOfUse(point, wish)) return "holds a database alone";
  if (point.timeOfData === null) return "nothing says which time its data is of";
  if (before !== undefined && Date.parse(point.timeOfData) >= before.getTime()) return "too new";
  return null;
}

function candidates(points: readonly RestorePoint[], wish: PointWish): string {
  const most = 20;
  if (points.length === 0) return "the store is empty";
  const lines = points.slice(0, most).map((point) => describe(point, wish));
  if (points.length > most) lines.push(`and ${points.length - most} more`);
  return lines.join("\n");
}

function describe(point: RestorePoint, wish: PointWish): string {
  const facts = `${point.id} (${point.timeOfData ?? "no time"}, ${formatBytes(point.storedBytes)})`;
  return `${facts}: ${objection(point, wish) ?? "good"}`;
}
