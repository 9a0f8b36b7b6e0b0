import type { Provider } from "@pulumi/pulumi/provider/index.js";
import { unwrap, type Failure, type Properties } from "../engine/command-provider/command.ts";
import { serveProvider, tell, typeOf } from "../engine/serve-provider.ts";
import { OperatorError } from "../site/operator-error.ts";
import { bucketType } from "./bucket/bucket.ts";
import { create, HalfMade, read, remove, update, type BucketState } from "./bucket/carry-out.ts";
import { idOf, parseId } from "./bucket/identity.ts";
import { diff, failuresOf, inputsIn } from "./bucket/inputs.ts";

/** The resources of our own, by path in Pulumi.yaml. */
const cancelled = new AbortController();

const provider: Provider = {
  version: "0.1.0",

  check: (urn, _olds, news: Properties) =>
    Promise.resolve({ inputs: news, failures: unknownType(urn) ?? failuresOf(unwrap(news)) }),

  diff: (_id, _urn, olds: Properties, news: Properties) =>
    Promise.resolve(diff(inputsIn(unwrap(olds)), inputsIn(unwrap(news)))),

  create: (urn, given: Properties) =>
    forEngine(async () => {
      const inputs = inputsIn(unwrap(given));
      const state = await create(inputs, cancelled.signal);
      await stateWeakenings(urn, state);
      return { id: idOf(inputs), outs: state };
    }),

  update: (_id, urn, _olds, news: Properties) =>
    forEngine(async () => {
      const state = await update(inputsIn(unwrap(news)), cancelled.signal);
      await stateWeakenings(urn, state);
      return { outs: state };
    }),

  read: (id, _urn, properties: Properties | undefined) =>
    forEngine(async () => {
      const known = unwrap(properties ?? {});
      const imported = known["bucket"] === undefined;
      const before = { ...(imported ? parseId(id) : known), weakenings: known["weakenings"] ?? [] };
      const state = await read(before as BucketState, imported, cancelled.signal);
      // An empty id is how the engine is told that it is gone.
      return state === undefined
        ? { id: "", props: {} }
        : { id, props: state, inputs: inputsIn({ ...state }) };
    }),

  delete: (_id, urn, properties: Properties) =>
    forEngine(async () => {
      const inputs = inputsIn(unwrap(properties));
      const { kept } = await remove(inputs, cancelled.signal);
      if (kept !== undefined)
        await tell(urn, `the bucket ${inputs.bucket} stays at ${inputs.endpoint}: ${kept}`, "warning");
    }),

  cancel: () => {
    cancelled.abort();
    return Promise.resolve();
  },
};

function unknownType(urn: string): Failure[] | undefined {
  const type = typeOf(urn);
  return type === bucketType
    ? undefined
    : [{ property: "type", reason: `${type} is not a resource of recovery-stack; ${bucketType} is` }];
}

async function stateWeakenings(urn: string, { bucket, weakenings }: BucketState): Promise<void> {
  for (const { name, consequence, because } of weakenings)
    await tell(urn, `accepted for the bucket ${bucket}: ${name}. ${consequence} (${because})`, "warning");
}

/** The engine shows an error's stack beside its message, so one that is meant for the operator has none. */
async function forEngine<Result>(act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof HalfMade)
      throw Object.assign(new Error(error.message), {
        id: error.id,
        properties: error.state,
        reasons: [error.message],
        stack: "",
      });
    if (error instanceof OperatorError)
      throw Object.assign(new Error(error.message), { name: "", stack: "" });
    throw error;
  }
}

await serveProvider(provider);
