import { InvalidArgumentError } from "commander";
import { duration } from "../site/units.ts";

/** A length of time on the command line, as in site.yaml: `30min`. In seconds. */
export function length(text: string): number {
  const { success, data, error } = duration.safeParse(text);
  if (success) return data;
  throw new InvalidArgumentError(error.issues[0]?.message ?? "not a duration");
}
