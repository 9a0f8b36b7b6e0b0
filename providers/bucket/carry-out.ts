import { exitCodes, OperatorError } from "../../site/operator-error.ts";
import {
  differences,
  documentNames,
  harmful,
  isHeld,
  type Document,
  type DocumentName,
} from "./documents.ts";
import { idOf } from "./identity.ts";
import { documentsIn, inputsIn, type BucketInputs } from "./inputs.ts";
import { refusal, type Shortcoming } from "./refusal.ts";
import { openStore, type Store } from "./store.ts";
import { incapacity, storeFailure } from "./store-failure.ts";
import { attempts, brokenPromises, weakened, weakenings, type WeakeningName } from "./weakenings.ts";

/** A promise that the store does not keep, as the operator accepted. */
export interface StatedWeakening {
  name: WeakeningName;
  promise: string;
  consequence: string;
  /** What the server said, or answered otherwise. */
  because: string;
}

/** What is kept of a bucket: what was declared, and what of that is not so. */
export interface BucketState extends BucketInputs {
  weakenings: StatedWeakening[];
}

/** The bucket is there, but not as it was declared: it was made, and then the way to the server was lost. */
export class HalfMade extends Error {
  constructor(
    readonly id: string,
    readonly state: BucketState,
    override readonly cause: OperatorError,
  ) {
    super(cause.message);
  }
}

/**
 * Makes a bucket and gives it its documents. Of a server that cannot do what was declared nothing stays: the new bucket is deleted again.
 * Throws an OperatorError, or HalfMade.
 */
export async function create(inputs: BucketInputs, cancelled: AbortSignal): Promise<BucketState> {
  return withStore(inputs, cancelled, async (store) => {
    const { endpoint, bucket } = inputs;
    const found = await failing(`looking for the bucket ${bucket}`, endpoint, store.look());
    if (found !== "none") throw exists(inputs, found);
    await failing(`making the bucket ${bucket}`, endpoint, make(store, inputs));
    try {
      return await give(store, inputs);
    } catch (error) {
      const failure = storeFailure(`giving the bucket ${bucket} its documents`, endpoint, error);
      const taken = failure.exitCode === exitCodes.refused && (await isTakenBack(store));
      if (taken) throw failure;
      throw new HalfMade(idOf(inputs), { ...inputs, weakenings: [] }, failure);
    }
  });
}

/** Gives a bucket that is there the documents that are declared now. */
export async function update(inputs: BucketInputs, cancelled: AbortSignal): Promise<BucketState> {
  return withStore(inputs, cancelled, (store) =>
    failing(`giving the bucket ${inputs.bucket} its documents`, inputs.endpoint, give(store, inputs)),
  );
}

/**
 * What was declared of a bucket, with what the server has in place of each document that differs; nothing when the bucket is gone.
 * Of one that is imported nothing was declared: it is read as a whole.
 */
export async function read(
  known: BucketState,
  imported: boolean,
  cancelled: AbortSignal,
): Promise<BucketState | undefined> {
  return withStore(known, cancelled, (store) =>
    failing(`reading the bucket ${known.bucket}`, known.endpoint, readFrom(store, known, imported)),
  );
}

/** Deletes the bucket only when it is told to and nothing is in it. Returns whether it did, and else why not. */
export async function remove(
  { endpoint, bucket, region, onDelete = "keep" }: BucketInputs,
  cancelled: AbortSignal,
): Promise<{ kept?: string }> {
  if (onDelete === "keep") return { kept: "Pulumi forgets it" };
  return withStore({ endpoint, bucket, region }, cancelled, async (store) => {
    const doing = `deleting the bucket ${bucket}`;
    if ((await failing(doing, endpoint, store.look())) === "none") return {};
    if (!(await failing(doing, endpoint, store.isEmpty()))) return { kept: "it holds something" };
    await failing(doing, endpoint, store.delete());
    return {};
  });
}

async function withStore<Result>(
  identity: Pick<BucketInputs, "endpoint" | "region" | "bucket">,
  cancelled: AbortSignal,
  act: (store: Store) => Promise<Result>,
): Promise<Result> {
  const opened = openStore(identity, cancelled);
  const store = await failing(`opening ${identity.bucket}`, identity.endpoint, opened);
  try {
    return await act(store);
  } finally {
    store.close();
  }
}

async function failing<Result>(doing: string, endpoint: string, act: Promise<Result>): Promise<Result> {
  try {
    return await act;
  } catch (error) {
    throw storeFailure(doing, endpoint, error);
  }
}

/** A server without object lock refuses a bucket that is made with it. */
async function make(store: Store, inputs: BucketInputs): Promise<void> {
  const { objectLock, accepted = [] } = inputs;
  try {
    await store.create({ objectLock: objectLock !== undefined });
  } catch (error) {
    if (error instanceof Error && error.name.startsWith("BucketAlready")) throw exists(inputs, "there");
    const reason = objectLock === undefined ? undefined : incapacity(error);
    if (reason === undefined) throw error;
    if (!accepted.includes("no-object-lock"))
      throw refusal(inputs, "objectLock", {
        because: `the server refuses to make one with a lock: ${reason}`,
        broken: ["no-object-lock"],
      });
    await store.create({ objectLock: false });
  }
}

/** Never one that holds anything: S3 deletes no such bucket. */
async function isTakenBack(store: Store): Promise<boolean> {
  try {
    await store.delete();
    return true;
  } catch {
    return false;
  }
}

async function give(store: Store, inputs: BucketInputs): Promise<BucketState> {
  const declared = documentsIn(inputs);
  const stated: StatedWeakening[] = [];
  for (const name of documentNames) {
    const document = declared[name];
    if (document !== undefined) stated.push(...(await hold(store, name, document, inputs)));
    else if (isHarmful(name)) await take(store, name, await store.read(name));
  }
  return { ...inputs, weakenings: stated };
}

/** Puts a document, in the first form that the server holds and the operator takes; what it answers otherwise is taken back. */
async function hold(
  store: Store,
  name: DocumentName,
  declared: Document,
  inputs: BucketInputs,
): Promise<StatedWeakening[]> {
  const before = await store.read(name);
  let live = before;
  let failure: Shortcoming | undefined;
  for (const { document, weakenings: left } of attempts(name, declared, inputs.accepted ?? [])) {
    if (document === undefined) await take(store, name, live);
    // After a failed one the server may hold more than it answers: it is given what is taken.
    else if (failure !== undefined || !isHeld(name, document, live)) {
      const refused = await put(store, name, document);
      live = await store.read(name);
      if (refused !== undefined || !isHeld(name, document, live)) {
        failure ??= shortcoming(name, declared, live, refused);
        continue;
      }
    }
    return left.map((each) => {
      const { promise, consequence } = weakenings[each];
      return { name: each, promise, consequence, because: failure?.because ?? "" };
    });
  }
  if (isHarmful(name) && before !== undefined) await store.put(name, before);
  else await take(store, name, live);
  throw refusal(inputs, name, failure ?? { because: "", broken: [] });
}

/** Why the server does not take the document, in its words. */
async function put(store: Store, name: DocumentName, document: Document): Promise<string | undefined> {
  try {
    await store.put(name, document);
    return undefined;
  } catch (error) {
    const reason = incapacity(error);
    if (reason === undefined) throw error;
    return reason;
  }
}

function shortcoming(
  name: DocumentName,
  declared: Document,
  live: Document | undefined,
  refused: string | undefined,
): Shortcoming {
  if (refused !== undefined)
    return {
      because: `the server refuses it: ${refused}`,
      broken: brokenPromises(name, declared, undefined),
    };
  return {
    because: differences(name, declared, live).join("; "),
    broken: brokenPromises(name, declared, live),
  };
}

/** What protects is left as it is, however little of it the server has. */
async function take(store: Store, name: DocumentName, live: Document | undefined): Promise<void> {
  if (isHarmful(name) && live !== undefined) await store.remove(name);
}

function isHarmful(name: DocumentName): name is "policy" | "lifecycle" {
  return harmful.has(name);
}

async function readFrom(
  store: Store,
  known: BucketState,
  imported: boolean,
): Promise<BucketState | undefined> {
  if ((await store.look()) === "none") return undefined;
  const documents: Partial<Record<DocumentName, Document | undefined>> = documentsIn(known);
  const { weakenings: stated, ...declared } = known;
  for (const name of documentNames)
    if (imported || documents[name] !== undefined || isHarmful(name))
      documents[name] = found(name, documents[name], await store.read(name), stated);
  return { ...inputsIn({ ...declared, ...documents }), weakenings: stated };
}

/** What was declared, where the server holds it as far as was accepted; else what the server has. */
function found(
  name: DocumentName,
  declared: Document | undefined,
  live: Document | undefined,
  stated: readonly StatedWeakening[],
): Document | undefined {
  const names = stated.map((each) => each.name);
  const expected = weakened(name, declared, names);
  return isHeld(name, expected, live) || isProtectiveRest(name, names, expected) ? declared : live;
}

/** Of a protecting document that the server cannot hold some part may be there all the same: it is no drift. */
function isProtectiveRest(name: DocumentName, names: readonly WeakeningName[], expected: unknown): boolean {
  return (
    expected === undefined && !isHarmful(name) && names.some((each) => weakenings[each].document === name)
  );
}

function exists(inputs: BucketInputs, found: "there" | "foreign"): OperatorError {
  const { endpoint, bucket } = inputs;
  if (found === "foreign")
    return new OperatorError(
      exitCodes.refused,
      `the bucket ${bucket} at ${endpoint} is not made`,
      "there is one of that name, and these credentials may not see it",
      "give the bucket another name, or use the credentials of whom it belongs to and import it",
    );
  return new OperatorError(
    exitCodes.refused,
    `the bucket ${bucket} at ${endpoint} is not made`,
    "it is there already, and no stack takes over by itself what may hold backups",
    `pulumi import --generate-code=false recovery:storage:Bucket NAME '${idOf(inputs)}' takes it into this stack; NAME is the one in the program`,
  );
}
