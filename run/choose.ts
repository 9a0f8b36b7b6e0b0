import { randomInt } from "node:crypto";
import { choosePoint, isOfUse, newerDatabases, type PointWish } from "../backups/choose-point.ts";
import { isGood, isRead, pinOf, type Pin, type RestorePoint } from "../backups/restore-point.ts";
import { age } from "../backups/age.ts";
import type { Site } from "../site/schema.ts";

export interface Choice {
  point: RestorePoint;
  pin: Pin;
  /** Newer points that would have done and were passed over, and why; and which was proven last, where that is another: a line each. */
  passedOver: string[];
}

/**
 * The point that a run restores, said to the operator together with what is wrong with newer ones: who restores an older
 * point must know that a newer one was meant to be there.
 *
 * @throws OperatorError (exit code 4) with the candidates
 */
export function choose(
  points: readonly RestorePoint[],
  wish: PointWish,
  say: (line: string) => void,
): Choice {
  const point = choosePoint(points, wish);
  const pin = pinOf(point);
  if (!pin) throw new Error("a good point was not read to its end");
  const passedOver = [
    ...(wish.id === undefined ? newerThan(point, points, wish) : []),
    ...provenLast(point, points),
  ];
  for (const line of passedOver) say(line);
  const dataTime = point.timeOfData ?? "unknown";
  say(
    `restore point ${point.id} in ${point.store}, ${point.state}; data of ${dataTime} (${age(dataTime, new Date())} old)`,
  );
  return { point, pin, passedOver };
}

/** The id of a point of a whole site that is drawn among all good ones, however old: so that each can be the one that is tried. */
export function draw(points: readonly RestorePoint[]): string | undefined {
  const good = points.filter((point) => point.kind === "full" && isGood(point));
  return good.length === 0 ? undefined : good[randomInt(good.length)]?.id;
}

/** A damaged file often does not tell the time of its data; its name and the time of its arrival then speak for it. */
function newerThan(chosen: RestorePoint, points: readonly RestorePoint[], wish: PointWish): string[] {
  const { before } = wish;
  const time = (point: RestorePoint) => Date.parse(point.timeOfData ?? point.storedAt);
  return points
    .filter((point) => isOfUse(point, wish) && (!isGood(point) || !isRead(point)))
    .filter((point) => time(point) > time(chosen) && (before === undefined || time(point) < before.getTime()))
    .map((point) =>
      isGood(point)
        ? `passed over ${point.id} in ${point.store}: no verifier has read it yet; --point ${point.id} takes it`
        : `passed over ${point.id} in ${point.store}: ${point.state}, ${point.reason ?? "no reason known"}`,
    );
}

/** A restore that was seen to work, where verifiers do such: beside the one that is chosen, if it is another. */
function provenLast(chosen: RestorePoint, points: readonly RestorePoint[]): string[] {
  if (!points.some(isRead) || chosen.state === "proven") return [];
  const [proven] = points
    .filter(({ kind, state }) => kind === "full" && state === "proven")
    .sort((one, other) => Date.parse(other.timeOfData ?? "") - Date.parse(one.timeOfData ?? ""));
  return [
    proven === undefined
      ? "no point was ever proven by a drill"
      : `the newest that a drill proved is ${proven.id} in ${proven.store}, with data of ${proven.timeOfData ?? "unknown"}`,
  ];
}

/** Which databases go with the restore point of all of a site. */
interface DatabasesWish {
  site: Site;
  /** Only data of before this moment. */
  before?: Date | undefined;
  /** What else is asked for than the newest: those of the point itself, or of another that they were taken from before, by its id. */
  from: "newest" | "point" | { id: string };
}

/**
 * The point that the databases are restored from, where that is a newer one than of all else: so that what is lost of them is what they are
 * backed up for so often. Said to the operator, as is a newer one that is not taken, with the command that brings it.
 *
 * @throws OperatorError (exit code 4) when the one that is named cannot be used
 */
export function chooseDatabases(
  chosen: RestorePoint,
  points: readonly RestorePoint[],
  { site, before, from }: DatabasesWish,
  say: (line: string) => void,
): { databases?: { point: RestorePoint; pin: Pin }; passedOver: string[] } {
  const newest = newerDatabases(chosen, points, site, before);
  const point =
    from === "point" || chosen.format === "archive"
      ? undefined
      : from === "newest"
        ? newest
        : choosePoint(points, { id: from.id, databaseAlone: true });
  const pin = point && pinOf(point);
  if (point && !pin) throw new Error("a good point was not read to its end");
  const passedOver =
    newest === undefined || newest.id === point?.id
      ? []
      : [
          `the databases alone are newer in ${newest.id} in ${newest.store}, with data of ${newest.timeOfData ?? "unknown"}: when this is done, the same command with --again HOST --only database --point ${newest.id} brings them`,
        ];
  if (point) {
    const dataTime = point.timeOfData ?? "unknown";
    say(
      `its databases from ${point.id} in ${point.store}, ${point.state}; data of ${dataTime} (${age(dataTime, new Date())} old); with --point ${chosen.id} all of it is from that one`,
    );
  }
  for (const line of passedOver) say(line);
  return { ...(point && pin ? { databases: { point, pin } } : {}), passedOver };
}
