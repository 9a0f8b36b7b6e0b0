import { age } from "../backups/age.ts";
import type { Assessment } from "../damage/assessment.ts";
import { duration } from "./report.ts";

const order = ["bad", "warn", "unknown", "ok"] as const;

/** An assessment as an operator reads it: the verdict first, on one screen. Plain text, no colours. */
export function assessmentReport({ site, at, verdict, findings, points, next }: Assessment): string {
  const width = Math.min(40, Math.max(...findings.map(({ subject }) => subject.length)));
  const within =
    verdict.rtoSeconds === null ? "" : `, to be recovered within ${duration(verdict.rtoSeconds)}`;
  const urgency = verdict.priority === null ? "" : ` (${verdict.priority}${within})`;
  const sorted = order.flatMap((level) => findings.filter((finding) => finding.level === level));
  return [
    `${site}: ${verdict.title}${urgency}`,
    ...verdict.reasons.map((reason) => `  ${reason}`),
    "",
    ...sorted.map(({ level, subject, seen }) => `${level.padEnd(7)}  ${subject.padEnd(width)}  ${seen}`),
    "",
    ...points.map(({ id, store, state, reason, timeOfData }) => {
      const time = timeOfData === null ? "of an unknown time" : `${age(timeOfData, new Date(at))} old`;
      return `${state.padEnd(8)}  ${id} in ${store}, ${time}${reason === null ? "" : `: ${reason}`}`;
    }),
    ...(points.length === 0 ? ["no restore point"] : []),
    "",
    "now:",
    ...next.flatMap(({ what, command }) => [`  ${what}`, ...(command === null ? [] : [`    ${command}`])]),
  ].join("\n");
}
