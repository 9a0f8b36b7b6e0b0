import { exitCodes, OperatorError } from "../../site/operator-error.ts";

/** What is of interest in an error of the SDK. */
interface ServiceError extends Error {
  $metadata?: { httpStatusCode?: number };
}

/** Errors of a server that does not have what it is asked for, or takes the request for another that it knows. */
const incapable = new Set([
  "NotImplemented",
  "XNotImplemented",
  "NotSupported",
  "UnsupportedOperation",
  "UnsupportedArgument",
  "MethodNotAllowed",
  "MalformedXML",
  "MalformedPolicy",
  "InvalidArgument",
  "InvalidRequest",
  "InvalidBucketState",
  "InvalidStorageClass",
  "InvalidEncryptionAlgorithmError",
  "ObjectLockConfigurationNotFoundError",
  "BucketAlreadyOwnedByYou",
  "BucketAlreadyExists",
]);

/**
 * Why a server cannot do what it was asked for, in its words; nothing for an error of another kind. A missing right is of another
 * kind: with that right the server may well be able to.
 */
export function incapacity(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const status = statusOf(error);
  return incapable.has(error.name) || status === 501 || status === 405 ? wordsOf(error) : undefined;
}

/** Whether a server says that what was asked for is not there; a bucket that is not there is another matter. */
export function isAbsent(error: unknown): boolean {
  if (!(error instanceof Error) || error.name === "NoSuchBucket") return false;
  return statusOf(error) === 404 || incapacity(error) !== undefined;
}

export function statusOf(error: unknown): number | undefined {
  return (error as ServiceError).$metadata?.httpStatusCode;
}

/** An error of the server's or of the way to it, for the operator. `doing` begins a sentence: "setting the policy of club-daily". */
export function storeFailure(doing: string, endpoint: string, error: unknown): OperatorError {
  if (error instanceof OperatorError) return error;
  return new OperatorError(
    exitCodes.failed,
    `${doing} at ${endpoint} failed`,
    wordsOf(error),
    nextOf(error),
    { cause: error },
  );
}

function nextOf(error: unknown): string {
  const name = error instanceof Error ? error.name : "";
  if (name === "CredentialsProviderError")
    return "give the operator's credentials as AWS' own programs take them: AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
  if (statusOf(error) === 403 || statusOf(error) === 401)
    return "look whether the credentials of this environment are the operator's, and may do that in the bucket";
  if (statusOf(error) === 404)
    return "look at endpoint and bucket: if it was deleted, pulumi refresh forgets it";
  if (statusOf(error) === undefined)
    return "look whether the endpoint answers from here; one with an authority of its own is trusted through AWS_CA_BUNDLE or NODE_EXTRA_CA_CERTS";
  return "look at what the server says, then run the same command again";
}

/** One line, of bounded length: what a server sends is shown, and servers send pages. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = (error as NodeJS.ErrnoException).code;
  const status = statusOf(error);
  const name = [
    error.name === "Error" ? code : error.name,
    status === undefined ? undefined : `HTTP ${status}`,
  ];
  const message = error.message.replaceAll(/\s+/g, " ").trim().slice(0, 300);
  return `${name.filter((each) => each !== undefined).join(", ")}: ${message}`;
}
