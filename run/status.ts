import { withVerdicts } from "../backups/verdict.ts";
import { newestDrills, readVerdicts } from "../backups/verdict-folder.ts";
import { judgeStatus, type Status } from "../evidence/status.ts";
import type { LoadedSite } from "../site/load.ts";
import { storedPoints } from "../stacks/prepare.ts";
import { sharedRuns } from "./shared-records.ts";

/** How a site stands against its objectives, by its stores, its verifiers and the runs that this computer has recorded. */
export async function siteStatus(
  loaded: LoadedSite,
  { say, signal }: { say: (line: string) => void; signal: AbortSignal },
): Promise<Status> {
  const { site } = loaded;
  const [stored, runs] = await Promise.all([storedPoints(loaded, say, { signal }), sharedRuns(loaded, say)]);
  const now = new Date();
  const [verdicts, drills] = await Promise.all([
    readVerdicts(loaded, stored, say),
    newestDrills(loaded, now, say),
  ]);
  return judgeStatus({
    site,
    points: withVerdicts(stored, verdicts, now),
    verdicts: [...verdicts, ...drills],
    runs,
    now,
  });
}
