import { choosePoint, type PointWish } from "../backups/choose-point.ts";
import { isGood, pinOf, type Pin, type RestorePoint } from "../backups/restore-point.ts";
import { age } from "../backups/age.ts";

export interface Choice {
  point: RestorePoint;
  pin: Pin;
  /** Newer points of whole sites that were passed over because something is wrong with them: a line each. */
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
  const passedOver = wish.id === undefined ? newerThan(point, points, wish.before) : [];
  for (const line of passedOver) say(line);
  const dataTime = point.timeOfData ?? "unknown";
  say(
    `restore point ${point.id} in ${point.store}, ${point.state}; data of ${dataTime} (${age(dataTime, new Date())} old)`,
  );
  return { point, pin, passedOver };
}

/** A damaged file often does not tell the time of its data; its name and the time of its arrival then speak for it. */
function newerThan(
  chosen: RestorePoint,
  points: readonly RestorePoint[],
  before: Date | undefined,
): string[] {
  const time = (point: RestorePoint) => Date.parse(point.timeOfData ?? point.storedAt);
  return points
    .filter((point) => point.kind === "full" && !isGood(point))
    .filter((point) => time(point) > time(chosen) && (before === undefined || time(point) < before.getTime()))
    .map(
      (point) =>
        `passed over ${point.id} in ${point.store}: ${point.state}, ${point.reason ?? "no reason known"}`,
    );
}
