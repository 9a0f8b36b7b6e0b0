import { execa } from "execa";
import type { RunRecord } from "../../evidence/record.ts";
import { removeMachine } from "../../machines/nspawn.ts";
import type { DrillResult } from "../../run/drill.ts";

/** Does something with the machine of a drill that kept it, and removes it. */
export async function whileKept(
  { record, kept }: DrillResult,
  act: (machine: { record: RunRecord; enter: string }) => Promise<void>,
): Promise<void> {
  if (!kept) throw new Error("the drill has kept no machine");
  try {
    await act({ record, enter: kept.enter });
  } finally {
    await removeMachine(kept.remove.split(" ").at(-1) ?? "");
  }
}

/** Seconds that a command takes on the machine, as its own clock says. What was written before is on the disk by then. */
export async function timedInside(enter: string, command: string): Promise<number> {
  const script = `set -euo pipefail; sync; begin=$(date +%s.%N); { ${command}; } >&2; end=$(date +%s.%N); echo "$begin $end"`;
  const { stdout } = await execa("bash", ["-c", `${enter} bash -c "'$0'"`, script.replaceAll("'", `'"'"'`)], {
    stdin: "ignore",
    stderr: "inherit",
  });
  const [begin = 0, end = 0] = stdout.split(" ").map(Number);
  return end - begin;
}
