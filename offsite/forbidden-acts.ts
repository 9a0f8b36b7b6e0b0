/** Something that the site's server must not be able to do with the backups that it sent. */
export interface ForbiddenAct {
  name: string;
  /** What is promised where it is refused. */
  promise: string;
  /** What whoever breaks into the site's server does where it is not. */
  consequence: string;
}

/** In the order in which they are tried: what hides or removes the probe comes last. */
export const forbiddenActs = {
  "list-elsewhere": {
    name: "list what is not under its path",
    promise: "the site's server sees its own backups alone",
    consequence: "whoever breaks in there learns what else is in the bucket",
  },
  "read-elsewhere": {
    name: "read what is not under its path",
    promise: "the site's server reads its own backups alone",
    consequence: "whoever breaks in there reads what other sites keep in the bucket",
  },
  "write-elsewhere": {
    name: "write outside its path",
    promise: "the site's server writes under its path alone",
    consequence: "whoever breaks in there puts files among other sites' backups",
  },
  "write-in-clear": {
    name: "write without TLS",
    promise: "nothing is taken, or given, in clear",
    consequence: "whoever is on the way reads and changes what is sent",
  },
  "shorten-lock": {
    name: "shorten the lock of a backup",
    promise: "the site's server changes no lock",
    consequence: "whoever breaks in there unlocks every backup, and waits",
  },
  "bypass-lock": {
    name: "delete a version past its lock",
    promise: "the site's server gets past no lock",
    consequence: "whoever breaks in there destroys every backup for good",
  },
  "destroy-version": {
    name: "delete a version",
    promise: "what a backup held at first stays",
    consequence: "whoever breaks in there destroys every backup that no lock holds",
  },
  delete: {
    name: "delete a backup",
    promise: "the site's server deletes nothing",
    consequence: "whoever breaks in there hides every backup behind a deletion",
  },
} as const satisfies Record<string, ForbiddenAct>;
export type ForbiddenActName = keyof typeof forbiddenActs;

/** What came of it: `undecided` where nobody was asked, or the answer tells nothing of what is allowed. */
export type Attempt =
  { outcome: "refused" | "undecided"; because: string } | { outcome: "done"; left?: string };

/** An answer to such an act, as far as it tells what is allowed. */
export interface Answer {
  /** S3's code of the error, such as AccessDenied. */
  code: string;
  /** Of HTTP; undefined where there was no answer. */
  status?: number | undefined;
  message: string;
}

/** What S3, and Azure, say to somebody whom they know and who may not. Another error may have another cause, and tells nothing. */
const refusals = new Set(["AccessDenied", "AuthorizationFailure", "AuthorizationPermissionMismatch"]);

/** Errors that are about who asks, and tell nothing of what those who are known may do. */
const unknownWhoAsks = new Set([
  "AuthenticationFailed",
  "ExpiredToken",
  "InvalidAccessKeyId",
  "InvalidToken",
  "RequestExpired",
  "RequestTimeTooSkewed",
  "SignatureDoesNotMatch",
]);

/** Whether an error says that the act is not allowed. Pure. */
export function judgeRefusal({ code, status, message }: Answer): Attempt {
  const refused = status === 403 && refusals.has(code);
  return { outcome: refused ? "refused" : "undecided", because: `${code}: ${message}` };
}

/**
 * The same without TLS: a server that does not speak it in clear refuses too, by ending the connection, by not taking it for HTTP, or by
 * sending elsewhere. Pure.
 */
export function judgeInClear(answer: Answer): Attempt {
  const { code, status, message } = answer;
  const isDeaf =
    ["ECONNREFUSED", "ECONNRESET", "EPIPE", "EPROTO", "UND_ERR_SOCKET"].includes(code) ||
    code.startsWith("HPE_");
  const turnedAway =
    status !== undefined && [301, 302, 307, 308, 400, 426].includes(status) && !unknownWhoAsks.has(code);
  return isDeaf || turnedAway ? { outcome: "refused", because: `${code}: ${message}` } : judgeRefusal(answer);
}
