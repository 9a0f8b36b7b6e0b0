import { execa } from "execa";
import { expect } from "vitest";
import { runRecordSchema, type RunRecord } from "../../evidence/record.ts";
import { removeMachine } from "../../machines/nspawn.ts";

/** A drill that is over, on a machine that is still there. */
export interface KeptDrill {
  record: RunRecord;
  /** Runs a command on the machine. */
  inside: (command: string) => Promise<{ exitCode?: number; stdout: string; stderr: string }>;
  remove: () => Promise<void>;
}

/** Carries out the line of a drill, and expects the site to be recovered with every check passed. The operator's state goes to `stateFolder`. */
export async function keptDrill(line: string, stateFolder: string): Promise<KeptDrill> {
  const { exitCode, stdout, stderr } = await execa("bash", ["-c", `exec ${line} --keep --watch 0s --json`], {
    env: { XDG_STATE_HOME: stateFolder, CI: "true" },
    stdin: "ignore",
    reject: false,
  });
  expect(stdout, stderr).not.toBe("");
  const printed = JSON.parse(stdout) as { record: unknown; kept: { enter: string; remove: string } };
  const drill: KeptDrill = {
    record: runRecordSchema.parse(printed.record),
    inside: (command) =>
      execa("bash", ["-c", `${printed.kept.enter} "$0"`, command], { stdin: "ignore", reject: false }),
    remove: () => removeMachine(printed.kept.remove.split(" ").at(-1) ?? ""),
  };
  const { outcome, error, checks } = drill.record;
  try {
    expect({ exitCode, outcome, error, failed: checks.filter(({ ok }) => !ok) }).toEqual({
      exitCode: 0,
      outcome: "recovered",
      failed: [],
    });
  } catch (unexpected) {
    await drill.remove();
    throw unexpected;
  }
  return drill;
}
