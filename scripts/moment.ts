import { InvalidArgumentError } from "commander";

/** A moment on the command line: `2026-03-01`, or with a time and its zone. A time without a zone could mean two moments. */
export function moment(text: string): Date {
  const time = new Date(text);
  const form = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/;
  // Date takes 30 February for 2 March.
  const day = new Date(text.slice(0, 10));
  const isDay = !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text.slice(0, 10));
  if (!form.test(text) || !isDay || Number.isNaN(time.getTime())) {
    throw new InvalidArgumentError("a time is written as 2026-03-01 or 2026-03-01T02:00Z");
  }
  return time;
}
