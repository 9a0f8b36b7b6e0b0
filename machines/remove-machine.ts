import { OperatorError, exitCodes } from "../site/operator-error.ts";
import { endOf, removeWithoutKeeper, type Keeper } from "./keeper.ts";
import { folderOf, readRecord } from "./machine-record.ts";

const removedWithinSeconds = 30;

/** Removes a machine, by its keeper when there is one. @throws OperatorError exit code 1 when something is left */
export async function removeMachine(id: string, keeper?: Keeper): Promise<void> {
  try {
    await keeper?.ask("destroy");
    await (keeper && endOf(keeper, removedWithinSeconds));
  } catch {
    // The keeper is gone or could not: its record says so below.
  }
  if (keeper && !readRecord(id)) return;
  if (await removeWithoutKeeper(id)) return;
  const complaints = keeper?.complaints() ?? "";
  throw new OperatorError(
    exitCodes.failed,
    `the local machine ${id} could not be removed altogether`,
    complaints === "" ? `something of it is still held; its files lie in ${folderOf(id)}` : complaints,
    "the next drill tries again; what is left is listed by: npx recovery machine list",
  );
}
