/** A time as a clock on the wall shows it, without its zone. Months and days count from 1. */
export interface LocalTime {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
}

/**
 * The moments at which clocks in `zone` (IANA name) show `local`, earliest first: one, as a rule; two in the hour that
 * the end of summer time repeats; none in the hour that its start leaves out.
 */
export function momentsOf(local: LocalTime, zone: string): Date[] {
  const asIfUtc = Date.UTC(local.year, local.month - 1, local.day, local.hour, local.minute, local.second);
  const dayMilliseconds = 86_400_000;
  // Whatever offset holds then also holds a day earlier or a day later, on one side of a change.
  const offsets = [asIfUtc - dayMilliseconds, asIfUtc + dayMilliseconds].map((moment) =>
    offsetAt(moment, zone),
  );
  return [...new Set(offsets)]
    .map((offset) => asIfUtc - offset)
    .filter((moment) => moment + offsetAt(moment, zone) === asIfUtc)
    .sort((one, other) => one - other)
    .map((moment) => new Date(moment));
}

/** Milliseconds that clocks in the zone are ahead of UTC at a moment. */
function offsetAt(moment: number, zone: string): number {
  const whole = Math.floor(moment / 1000) * 1000;
  const parts = Object.fromEntries(
    new Intl.DateTimeFormat("en-u-ca-gregory-nu-latn", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    })
      .formatToParts(whole)
      .map(({ type, value }) => [type, Number(value)]),
  );
  const part = (name: string) => parts[name] ?? Number.NaN;
  const shown = Date.UTC(
    part("year"),
    part("month") - 1,
    part("day"),
    part("hour"),
    part("minute"),
    part("second"),
  );
  return shown - whole;
}
