import { exitCodes, OperatorError } from "../../site/operator-error.ts";
import type { DocumentName } from "./documents.ts";
import type { BucketInputs } from "./inputs.ts";
import { weakenings, type WeakeningName } from "./weakenings.ts";

/** What a store cannot do. */
export interface Shortcoming {
  /** What it said, or answered otherwise. */
  because: string;
  /** The promises that are broken by it. */
  broken: WeakeningName[];
}

/** For what a store cannot do and nobody accepted: the promise, what the store says, what follows, and what can be done. */
export function refusal(
  { endpoint, bucket, accepted = [] }: Pick<BucketInputs, "endpoint" | "bucket" | "accepted">,
  document: DocumentName,
  { because, broken }: Shortcoming,
): OperatorError {
  const [promises, consequences] = (["promise", "consequence"] as const).map((part) =>
    broken.map((name) => weakenings[name][part]).join(", and "),
  );
  const choice =
    document === "objectLock"
      ? "most servers lock only a bucket that is made with a lock: declare one of another name, or choose a store that can"
      : "choose a store that can";
  const names = [...new Set([...accepted, ...broken])].map((name) => `"${name}"`).join(", ");
  return new OperatorError(
    exitCodes.refused,
    `the bucket ${bucket} at ${endpoint} does not promise that ${promises ?? ""}`,
    `${because}. So ${consequences ?? ""}`,
    `${choice}; or accept it by name, for which the outputs then state it: accepted: [${names}]`,
  );
}
