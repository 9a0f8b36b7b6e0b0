import { findEngine, type Engine } from "../engine/find.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";

type FindOptions = Parameters<typeof findEngine>[0];

/** The engine, or an error that says how to come by one. A rebuild never compiles: not inside an RTO. */
export async function requireEngine(options: FindOptions): Promise<Engine> {
  const engine = await findEngine(options);
  if (engine) return engine;
  throw new OperatorError(
    exitCodes.missingHere,
    "there is no Pulumi engine on this computer",
    options.allowBuild
      ? "no pulumi on PATH, none that could be downloaded, and no Go to build one with"
      : "no pulumi on PATH, none that could be downloaded, and none built by an earlier drill",
    options.allowBuild
      ? "install Pulumi 3.259 or later, or Go 1.21 or later, and run the same again"
      : "install Pulumi 3.259 or later, and run the same again",
  );
}
