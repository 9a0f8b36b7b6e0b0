import type { RecordedRun } from "../run/record.ts";

/** The last lines of a run: where it is written down, for programs and for people. */
export function recordedIn({ recordFile, pageFile }: RecordedRun): string {
  return [`record: ${recordFile}`, ...(pageFile === null ? [] : [`page:   ${pageFile}`])].join("\n");
}
