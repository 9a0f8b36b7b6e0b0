import { exitCodes, OperatorError } from "../site/operator-error.ts";
import type { Site } from "../site/schema.ts";
import { bucketRefusals, evidenceRefusals } from "./bucket-refusals.ts";
import { containerRefusals } from "./container-refusals.ts";
import { shortfalls } from "./shortfalls.ts";

/**
 * Throws an OperatorError (2) when a site's own backups cannot meet its objectives once its server is lost, or a bucket that it declares could
 * not keep them as it promises: all of it in one list.
 */
export function requireObjectives(site: Site): void {
  const missed = shortfalls(site);
  const refused = [...bucketRefusals(site), ...containerRefusals(site), ...evidenceRefusals(site)];
  if (missed.length + refused.length === 0) return;
  throw new OperatorError(
    exitCodes.usage,
    missed.length > 0
      ? "the backups could not meet the objectives when the server is lost"
      : "the stores that site.yaml declares could not keep what it promises",
    [...missed, ...refused].join("\n"),
    missed.length > 0
      ? "name a store of kind ssh that they are sent to, make them more often, or say in objectives.rpo what may be lost"
      : "change the stores, how long backups are kept, or the objectives: docs/offsite.md",
  );
}
