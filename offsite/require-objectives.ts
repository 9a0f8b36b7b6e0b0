import { exitCodes, OperatorError } from "../site/operator-error.ts";
import type { Site } from "../site/schema.ts";
import { shortfalls } from "./shortfalls.ts";

/** Throws an OperatorError (2) when a site's own backups cannot meet its objectives once its server is lost. */
export function requireObjectives(site: Site): void {
  const missed = shortfalls(site);
  if (missed.length === 0) return;
  throw new OperatorError(
    exitCodes.usage,
    "the backups could not meet the objectives when the server is lost",
    missed.join("; "),
    "name a store of kind ssh that they are sent to, make them more often, or say in objectives.rpo what may be lost",
  );
}
