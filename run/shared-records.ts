import { join } from "node:path";
import { fetchEvidence, shareEvidence } from "../backups/shared-evidence.ts";
import type { LoadedSite } from "../site/load.ts";
import { OperatorError } from "../site/operator-error.ts";
import { stateDirectory } from "./state-directory.ts";
import { type EarlierRun, earlierRuns } from "./took-last-time.ts";

const runsOf = ({ site }: LoadedSite) => join(stateDirectory(site.name), "runs");

/** The records of a site's runs that this computer has, and those that others put into its evidence bucket, oldest first. */
export async function sharedRuns(loaded: LoadedSite, say: (line: string) => void): Promise<EarlierRun[]> {
  await fetchEvidence(loaded, "runs", runsOf(loaded), say);
  return earlierRuns(runsOf(loaded));
}

/** Puts the records that this computer has into the site's evidence bucket. That it could not be done is said: what was recovered is recovered. */
export async function shareRecords(loaded: LoadedSite, say: (line: string) => void): Promise<void> {
  try {
    await shareEvidence(loaded, "runs", runsOf(loaded));
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    say(`${error.what}: ${error.why}. The record of this run is on this computer alone`);
  }
}
