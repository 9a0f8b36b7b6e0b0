import { prepareCommandPlugin } from "../engine/command-plugin.ts";
import { findEngine } from "../engine/find.ts";
import type { RunRecord } from "../evidence/record.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { directExecutor } from "./direct.ts";
import type { Executor } from "./executor.ts";
import { pulumiExecutor, type PulumiOptions } from "./pulumi.ts";

export interface ExecutorWish {
  kind: RunRecord["kind"];
  /** No engine is looked for. */
  withoutPulumi: boolean;
  say: (line: string) => void;
  signal: AbortSignal;
}

/**
 * The Pulumi engine, unless there is to be none. Where none can be had a drill goes on directly, and a rebuild asks to be
 * told so: its stack would not know what was done. A drill may compile an engine; a rebuild never, not inside an RTO.
 *
 * @throws OperatorError (missing here)
 */
export async function chooseExecutor(
  wish: ExecutorWish,
): Promise<(stack: Pick<PulumiOptions, "stack" | "directory">) => Executor> {
  const { kind, say, signal } = wish;
  if (wish.withoutPulumi) return () => directExecutor;
  const engine = await findEngine({ allowBuild: kind === "drill", say, signal });
  if (engine) {
    const plugin = await prepareCommandPlugin(engine, say);
    return (stack) => pulumiExecutor({ engine, plugin, ...stack });
  }
  if (kind === "rebuild") {
    throw new OperatorError(
      exitCodes.missingHere,
      "there is no Pulumi engine on this computer",
      "no pulumi on PATH, none that could be downloaded, and none built by an earlier drill",
      "run the same with --without-pulumi: the steps are the same, and the host remembers them; or install Pulumi 3.259 or later",
    );
  }
  say("there is no Pulumi engine on this computer: the steps are carried out directly, over ssh");
  return () => directExecutor;
}
