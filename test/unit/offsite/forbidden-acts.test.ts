import { expect, test } from "vitest";
import { type Answer, judgeInClear, judgeRefusal } from "../../../offsite/forbidden-acts.ts";

const answer = (code: string, status?: number): Answer => ({ code, status, message: "as the server says" });

test.each([
  ["AccessDenied", 403, "refused"],
  ["AuthorizationPermissionMismatch", 403, "refused"],
  // It does not know who asks: that tells nothing of what the writer may do.
  ["SignatureDoesNotMatch", 403, "undecided"],
  ["InvalidAccessKeyId", 403, "undecided"],
  ["ExpiredToken", 403, "undecided"],
  ["AuthenticationFailed", 403, "undecided"],
  // It may, and what it asked for is frozen, or is not there.
  ["InvalidObjectState", 403, "undecided"],
  ["NoSuchKey", 404, "undecided"],
  ["MethodNotAllowed", 405, "undecided"],
  ["InternalError", 500, "undecided"],
  ["ECONNREFUSED", undefined, "undecided"],
])("%s with status %s is %s", (code, status, outcome) => {
  expect(judgeRefusal(answer(code, status))).toEqual({ outcome, because: `${code}: as the server says` });
});

test.each([
  ["ECONNREFUSED", undefined, "refused"],
  ["ECONNRESET", undefined, "refused"],
  ["HPE_INVALID_CONSTANT", undefined, "refused"],
  // Of fetch, where the other side hangs up.
  ["UND_ERR_SOCKET", undefined, "refused"],
  ["PermanentRedirect", 301, "refused"],
  ["Unknown", 400, "refused"],
  ["AccessDenied", 403, "refused"],
  ["SignatureDoesNotMatch", 403, "undecided"],
  ["ExpiredToken", 400, "undecided"],
  ["ETIMEDOUT", undefined, "undecided"],
  ["ENOTFOUND", undefined, "undecided"],
])("without TLS %s with status %s is %s", (code, status, outcome) => {
  expect(judgeInClear(answer(code, status)).outcome).toBe(outcome);
});
