import { randomBytes } from "node:crypto";
import { fstatSync } from "node:fs";
import enginepb from "@pulumi/pulumi/proto/engine_pb.js";
import { main, type Provider } from "@pulumi/pulumi/provider/index.js";
import { getEngine, resetOptions } from "@pulumi/pulumi/runtime/settings.js";
import { carryOut, type Outputs } from "./carry-out.ts";
import { check, diff, notDone, parse, type Properties } from "./command.ts";

/**
 * Stands in for the vendor's command plugin 1.2.1 where that cannot be had: `command.remote.Command` with connection,
 * create, stdin, triggers, logging, and nothing else. What differs on purpose: dialling is bounded, a login that is
 * refused is not tried ten times, a host key must be pinned, and cancelling ends the wait.
 */
const cancelled = new AbortController();

const provider: Provider = {
  version: "1.2.1",

  check: (urn, _olds, news: Properties) =>
    Promise.resolve({ inputs: news, failures: check(typeOf(urn), news) }),

  diff: (_id, _urn, olds: Properties, news: Properties) => Promise.resolve(diff(olds, news)),

  create: async (urn, inputs: Properties) => ({
    id: `${nameOf(urn)}${randomBytes(4).toString("hex")}`,
    outs: { stdout: "", stderr: "", ...inputs, ...(await run(urn, inputs)) },
  }),

  update: async (_id, urn, olds: Properties, news: Properties) => ({
    outs: { stdout: olds["stdout"], stderr: olds["stderr"], ...news, ...(await run(urn, news)) },
  }),

  // Nothing to undo; but state that the vendor's plugin wrote may hold a command to run now.
  delete: (_id, _urn, outputs: Properties) =>
    outputs["delete"] === undefined ? Promise.resolve() : Promise.reject(new Error(`delete ${notDone}`)),

  invoke: (token) => Promise.reject(new Error(`${token} ${notDone}`)),

  cancel: () => {
    cancelled.abort();
    return Promise.resolve();
  },
};

async function run(urn: string, inputs: Properties): Promise<Outputs | undefined> {
  const command = parse(inputs);
  if (command.create === undefined) return undefined;
  const told: Promise<void>[] = [];
  try {
    return await carryOut(command, command.create, cancelled.signal, (line) => {
      told.push(display(urn, line));
    });
  } finally {
    await Promise.all(told);
  }
}

/** Shows a line beside the resource while it runs; the engine keeps none of them. */
function display(urn: string, line: string): Promise<void> {
  const engine = getEngine();
  if (engine === undefined) return Promise.resolve();
  const request = new enginepb.LogRequest()
    .setSeverity(enginepb.LogSeverity.INFO)
    .setMessage(line)
    .setUrn(urn)
    .setEphemeral(true);
  return new Promise((resolve) => {
    engine.log(request, () => {
      resolve(); // a line that the engine did not take is no failure of the command
    });
  });
}

function typeOf(urn: string): string {
  return urn.split("::")[2]?.split("$").at(-1) ?? "";
}

function nameOf(urn: string): string {
  return urn.split("::").slice(3).join("::");
}

// The engine holds the other end of this pipe: it closes even when the engine is killed, and nobody is left behind.
const stdin = fstatSync(0);
if (stdin.isFIFO() || stdin.isSocket()) process.stdin.on("end", () => process.exit(1)).resume();

const args = process.argv.slice(2);
const engineAddress = args.find((arg) => /^[^-].*:\d+$/.test(arg));
if (engineAddress !== undefined) resetOptions("", "", -1, engineAddress, "", false, "");
await main(provider, args);
