import { randomInt } from "node:crypto";
import { choosePoint, isOfUse, type PointWish } from "../backups/choose-point.ts";
import { isGood, isRead, pinOf, type Pin, type RestorePoint } from "../backups/restore-point.ts";
import { age } from "../backups/age.ts";

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

/**
 * A line for the databases alone that a newer good point holds than the one of a whole site that is restored, with the command that brings
 * them; none where there is no such point. Between two backups of all of it the databases are backed up more often.
 */
export function newerDatabases(
  chosen: RestorePoint,
  points: readonly RestorePoint[],
  { before }: Pick<PointWish, "before">,
): string[] {
  const databases = points.filter(
    (point) => isGood(point) && point.kind === "database" && isOfUse(point, { databaseAlone: true }),
  );
  const [newest] = databases
    .filter(
      ({ timeOfData }) =>
        timeOfData !== null && (before === undefined || Date.parse(timeOfData) < before.getTime()),
    )
    .sort((one, other) => Date.parse(other.timeOfData ?? "") - Date.parse(one.timeOfData ?? ""));
  if (newest === undefined || Date.parse(newest.timeOfData ?? "") <= Date.parse(chosen.timeOfData ?? ""))
    return [];
  return [
    `the databases alone are newer in ${newest.id} in ${newest.store}, with data of ${newest.timeOfData ?? "unknown"}: when this is done, the same command with --again HOST --only database --point ${newest.id} brings them`,
  ];
}
