import { randomBytes } from "node:crypto";
import type { Provider } from "@pulumi/pulumi/provider/index.js";
import { nameOf, serveProvider, tell, typeOf } from "../serve-provider.ts";
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
      told.push(tell(urn, line, "while it runs"));
    });
  } finally {
    await Promise.all(told);
  }
}

await serveProvider(provider);
