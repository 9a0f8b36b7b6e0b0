import { idsOnThisComputer, readRecord, type MachineRecord } from "./machine-record.ts";
import { removeMachine } from "./remove-machine.ts";
import { isRunning } from "./process-identity.ts";

/** A machine on this computer, and whether it is somebody's, handed over, or left behind. */
export interface ListedMachine {
  id: string;
  state: "in use" | "released" | "being removed" | "left behind";
  /** Empty when only pieces of it are left, or when it was not given one yet. */
  address: string;
  /** Missing when only pieces of it are left. */
  record?: MachineRecord;
}

/**
 * What has become of a machine. Without a record, which lies under /run and is removed last, only pieces of it are
 * left, such as its files after the computer was started anew.
 */
export function stateOf(
  record: MachineRecord | undefined,
  running: { owner: boolean; keeper: boolean },
): ListedMachine["state"] {
  if (!record) return "left behind";
  if (running.owner && (running.keeper || !record.released)) return "in use";
  if (running.keeper) return "being removed";
  return record.released ? "released" : "left behind";
}

export function listMachines(): Promise<ListedMachine[]> {
  const machines = idsOnThisComputer().map((id) => {
    const record = readRecord(id);
    const state = stateOf(record, {
      owner: record !== undefined && isRunning(record.owner),
      keeper: record !== undefined && isRunning(record.keeper),
    });
    return { id, state, address: record?.address ?? "", ...(record ? { record } : {}) };
  });
  return Promise.resolve(machines);
}

/**
 * Removes what earlier commands left behind: machines whose owner and keeper are both gone and that were not handed
 * over. Each command that makes machines begins with it. @throws OperatorError exit code 1 when something is left
 */
export async function sweepMachines(say: (line: string) => void): Promise<void> {
  for (const { id, state, record } of await listMachines()) {
    if (state !== "left behind") continue;
    say(
      record
        ? `removing the local machine ${record.name} of ${record.createdAt}: the command it belonged to was killed`
        : `removing what is left of the local machine ${id}`,
    );
    await removeMachine(id);
  }
}
