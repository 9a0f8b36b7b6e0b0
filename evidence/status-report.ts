import { duration, table } from "./report.ts";
import type { PointAge, Status } from "./status.ts";

/** How a site stands, on one screen. Plain text, no colours. */
export function statusReport({ site, at, classes, scenarios, overdue }: Status): string {
  const old = (one: PointAge | null) => (one === null ? "none" : `${duration(one.ageSeconds)} old`);
  return [
    `${site}, at ${at}`,
    "",
    ...table([
      ["DATA", "LOST NOW", "ALLOWED", "", "READ WHOLE", "PROVEN"],
      ...classes.map(({ name, newest, rpoSeconds, met, readable, proven }) => [
        name,
        newest === null ? "all" : duration(newest.ageSeconds),
        duration(rpoSeconds),
        met ? "met" : "MISSED",
        old(readable),
        old(proven),
      ]),
    ]),
    "",
    ...table([
      ["RECOVERY", "LAST TIME", "ALLOWED", ""],
      ...scenarios.map(({ name, last, rtoSeconds, met }) => [
        name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`),
        last === null
          ? "not measured here"
          : `${duration(last.seconds)}, ${last.kind} of ${last.at.slice(0, 10)}`,
        duration(rtoSeconds),
        met === null ? "" : met ? "met" : "MISSED",
      ]),
    ]),
    "",
    ...(overdue.length === 0 ? ["nothing is overdue"] : overdue.map((line) => `OVERDUE: ${line}`)),
  ].join("\n");
}

/** The same for Prometheus, in its text format. */
export function statusMetrics({ site, at, classes, scenarios, overdue }: Status): string {
  type Sample = [labels: Record<string, string>, value: number];
  const metric = (name: string, help: string, samples: Sample[]) => [
    `# HELP recovery_${name} ${help}`,
    `# TYPE recovery_${name} gauge`,
    ...samples.map(([labels, value]) => {
      const all = Object.entries({ site, ...labels }).map(([label, text]) => `${label}="${text}"`);
      return `recovery_${name}{${all.join(",")}} ${value}`;
    }),
  ];
  const ages = classes.flatMap(({ name, newest, readable, proven }) =>
    Object.entries({ newest, readable, proven }).flatMap(([level, one]): Sample[] =>
      one === null ? [] : [[{ class: name, level }, Date.parse(one.dataTime) / 1000]],
    ),
  );
  return [
    ...metric(
      "data_timestamp_seconds",
      "When the data of the newest restore point is of: any good one, one that was read whole, one that a drill restored.",
      ages,
    ),
    ...metric(
      "rpo_seconds",
      "How old restored data may be.",
      classes.map(({ name, rpoSeconds }): Sample => [{ class: name }, rpoSeconds]),
    ),
    ...metric(
      "rto_seconds",
      "How long a recovery may take.",
      scenarios.map(({ name, rtoSeconds }): Sample => [{ scenario: name }, rtoSeconds]),
    ),
    ...metric(
      "measured_recovery_seconds",
      "How long the last recovery took.",
      scenarios.flatMap(({ name, last }): Sample[] =>
        last === null ? [] : [[{ scenario: name }, last.seconds]],
      ),
    ),
    ...metric("overdue", "How many things are overdue; recovery status names them.", [[{}, overdue.length]]),
    ...metric("status_timestamp_seconds", "When all this was looked at.", [[{}, Date.parse(at) / 1000]]),
  ].join("\n");
}
