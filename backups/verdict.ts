import { z } from "zod";
import { isGood, type Pin, pinOf, type RestorePoint } from "./restore-point.ts";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
// Shown to the operator: a terminal acts on control characters.
const printable = z
  .string()
  .max(1000)
  .regex(/^\P{Cc}*$/u);

export const verdictSchema = z.strictObject({
  version: z.literal(1),
  /** Name of the site. */
  site: z.string(),
  /** Name of the store whose copy was looked at. */
  store: z.string(),
  /** What exactly was looked at. */
  pin: z.strictObject({ id: printable, manifestSha256: sha256, archiveSha256: sha256.nullable() }),
  /** `readable`: all of it was unpacked and hashed; `proven`: a machine restored it and the checks passed. */
  level: z.enum(["readable", "proven"]),
  result: z.enum(["passed", "failed"]),
  /** Why it failed; null when it passed. */
  why: printable.nullable(),
  /** UTC, ISO 8601. */
  at: z.iso.datetime(),
  /** Name and version of the program. */
  tool: printable,
});

/** What a verifier found of a restore point. */
export type Verdict = z.infer<typeof verdictSchema>;

/** For clocks that differ. */
const hourMilliseconds = 3_600_000;

/**
 * The points as they are worth with what verifiers found of them, who are trusted. A verdict is of one store's copy with exactly these
 * bytes, the newest of a level counts, and one of a time that is yet to come is none. Pure.
 */
export function withVerdicts(
  points: readonly RestorePoint[],
  verdicts: readonly Verdict[],
  now: Date,
): RestorePoint[] {
  return points.map((point) => {
    const pin = pinOf(point);
    if (pin === null || !isGood(point)) return point;
    const of = verdicts.filter(
      (verdict) => verdict.store === point.store && isSame(pin, verdict.pin) && !isYetToCome(verdict, now),
    );
    const [readable, proven] = [newest(of, "readable"), newest(of, "proven")];
    if (readable?.result === "failed") {
      return {
        ...point,
        state: "damaged",
        reason: `it could not be read on ${readable.at}: ${readable.why ?? "no reason known"}`,
      };
    }
    const passed = [readable, proven].filter((verdict) => verdict?.result === "passed");
    return {
      ...point,
      state:
        passed.includes(proven) && proven !== undefined
          ? "proven"
          : passed.length > 0
            ? "readable"
            : point.state,
      notes: [
        ...point.notes,
        ...(readable === undefined ? [] : [`all of it was read on ${readable.at}`]),
        ...(proven === undefined
          ? []
          : [
              proven.result === "passed"
                ? `a machine restored it on ${proven.at}, and the checks passed`
                : `a drill of it failed on ${proven.at}: ${proven.why ?? "no reason known"}`,
            ]),
      ],
    };
  });
}

/** A clock that was ahead speaks of nothing that was seen. */
export function isYetToCome({ at }: Pick<Verdict, "at">, now: Date): boolean {
  return Date.parse(at) > now.getTime() + hourMilliseconds;
}

function newest(verdicts: readonly Verdict[], level: Verdict["level"]): Verdict | undefined {
  return verdicts
    .filter((verdict) => verdict.level === level)
    .sort((one, other) => Date.parse(other.at) - Date.parse(one.at))[0];
}

function isSame(one: Pin, other: Pin): boolean {
  return (
    one.id === other.id &&
    one.manifestSha256 === other.manifestSha256 &&
    one.archiveSha256 === other.archiveSha256
  );
}
