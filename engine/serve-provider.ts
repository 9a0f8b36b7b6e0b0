import { fstatSync } from "node:fs";
import enginepb from "@pulumi/pulumi/proto/engine_pb.js";
import providerpb from "@pulumi/pulumi/proto/provider_pb.js";
import { main, type Provider } from "@pulumi/pulumi/provider/index.js";
import { getEngine, resetOptions } from "@pulumi/pulumi/runtime/settings.js";

/** Serves a provider to the engine that started this process, and ends with it. */
export async function serveProvider(provider: Provider): Promise<void> {
  // The engine holds the other end of this pipe: it closes even when the engine is killed, and nobody is left behind.
  const stdin = fstatSync(0);
  if (stdin.isFIFO() || stdin.isSocket()) process.stdin.on("end", () => process.exit(1)).resume();

  answerImports();
  const args = process.argv.slice(2);
  const engineAddress = args.find((arg) => /^[^-].*:\d+$/.test(arg));
  if (engineAddress !== undefined) resetOptions("", "", -1, engineAddress, "", false, "");
  await main(provider, args);
}

/** Of what is imported nothing is known, and @pulumi/pulumi 3.259.0 fails on the properties that the engine then leaves out. */
function answerImports(): void {
  const { prototype } = providerpb.ReadRequest;
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with the request that it belongs to
  const { getProperties } = prototype;
  prototype.getProperties = function () {
    return getProperties.call(this) ?? ({ toJavaScript: () => ({}) } as ReturnType<typeof getProperties>);
  };
}

/** Shows a line beside the resource: while that runs, and kept by nobody, or as a warning that stays. */
export function tell(urn: string, line: string, how: "while it runs" | "warning"): Promise<void> {
  const engine = getEngine();
  if (engine === undefined) return Promise.resolve();
  const request = new enginepb.LogRequest()
    .setSeverity(how === "warning" ? enginepb.LogSeverity.WARNING : enginepb.LogSeverity.INFO)
    .setMessage(line)
    .setUrn(urn)
    .setEphemeral(how === "while it runs");
  return new Promise((resolve) => {
    engine.log(request, () => {
      resolve(); // a line that the engine did not take is no failure of what it tells of
    });
  });
}

export function typeOf(urn: string): string {
  return urn.split("::")[2]?.split("$").at(-1) ?? "";
}

export function nameOf(urn: string): string {
  return urn.split("::").slice(3).join("::");
}
