import {
  type Answer,
  type Attempt,
  type ForbiddenActName,
  judgeInClear,
  judgeRefusal,
} from "../offsite/forbidden-acts.ts";
import type { ContainerStore } from "../offsite/bucket-stay.ts";
import { probeContent, probeName } from "./try-forbidden-acts.ts";

/** A version of the REST protocol that has immutability (https://learn.microsoft.com/rest/api/storageservices). */
const protocol = "2021-12-02";
const limitMilliseconds = 30_000;

/**
 * The same as tryForbiddenActs for a container of Azure's, with the writer's shared access signature. Such a signature is of the whole
 * container, so nothing is elsewhere in it.
 */
export async function tryForbiddenBlobActs(
  { container, path }: ContainerStore,
  token: string,
): Promise<Map<ForbiddenActName, Attempt> | { untried: string }> {
  const at = (base: string, query = "") =>
    `${base}/${[...path.split("/"), ...probeName.split("/")].map(encodeURIComponent).join("/")}?${token.replace(/^\?/, "")}${query}`;
  const ask = (method: string, url: string, headers: Record<string, string> = {}, body?: string) =>
    answered(method, url, headers, body, token);
  const asBlob = { "x-ms-blob-type": "BlockBlob" };

  // It is locked for as long as a backup: one is enough.
  const there = await ask("GET", at(container));
  const made = there.status === 200 ? there : await ask("PUT", at(container), asBlob, probeContent);
  const read = there.status === 200 ? there : await ask("GET", at(container));
  for (const { status, code, message } of [made, read]) {
    if (status !== 200 && status !== 201) {
      return { untried: `the writer cannot put and read what is its own: ${code}: ${message}` };
    }
  }
  const judged = (answer: Answer, judge: (answer: Answer) => Attempt): Attempt =>
    (answer.status ?? 0) >= 200 && (answer.status ?? 0) < 300 ? { outcome: "done" } : judge(answer);
  const soon = new Date(Date.now() + 60_000).toUTCString();
  return new Map<ForbiddenActName, Attempt>([
    ["write-in-clear", await inClear(container, token)],
    [
      "shorten-lock",
      judged(
        await ask("PUT", at(container, "&comp=immutabilityPolicies"), {
          "x-ms-immutability-policy-mode": "unlocked",
          "x-ms-immutability-policy-until-date": soon,
        }),
        judgeRefusal,
      ),
    ],
    ["delete", judged(await ask("DELETE", at(container)), judgeLocked)],
  ]);
}

/**
 * The signature is all that its holder needs: it is sent nowhere in clear. One that is for https alone Azure takes in no other way; another is
 * good wherever the account answers in clear, which is asked without it.
 */
async function inClear(container: string, token: string): Promise<Attempt> {
  if (new URLSearchParams(token.replace(/^\?/, "")).get("spr") === "https") {
    return { outcome: "refused", because: "its signature is for https alone" };
  }
  const answer = await answered("GET", container.replace(/^https:/, "http:"), {}, undefined, token);
  const judged = judgeInClear(answer);
  // Who asks without a signature is turned away by a server that would take one.
  return judged.outcome === "refused" && answer.code !== "AccessDenied" ? judged : asAnswered(answer);
}

function asAnswered({ status, code, message }: Answer): Attempt {
  return status === undefined
    ? { outcome: "undecided", because: `${code}: ${message}` }
    : { outcome: "done" };
}

/** What a policy holds is refused as a conflict. */
function judgeLocked(answer: Answer): Attempt {
  return answer.code.startsWith("BlobImmutable")
    ? { outcome: "refused", because: `${answer.code}: ${answer.message}` }
    : judgeRefusal(answer);
}

async function answered(
  method: string,
  url: string,
  headers: Record<string, string>,
  body: string | undefined,
  token: string,
): Promise<Answer> {
  const shown = (text: string) =>
    text
      .replaceAll(token, "[masked]")
      .replaceAll(/sig=[^&" ]*/g, "sig=[masked]")
      .replaceAll(/[\s\p{Cc}]+/gu, " ")
      .trim()
      .slice(0, 300);
  try {
    const response = await fetch(url, {
      method,
      headers: { "x-ms-version": protocol, ...headers },
      ...(body === undefined ? {} : { body }),
      redirect: "manual",
      signal: AbortSignal.timeout(limitMilliseconds),
    });
    const text = await response.text();
    const code = response.headers.get("x-ms-error-code") ?? /<Code>([A-Za-z]+)</.exec(text)?.[1] ?? "Unknown";
    const message = /<Message>([^<]*)/.exec(text)?.[1] ?? `HTTP ${response.status}`;
    return { code, status: response.status, message: shown(message) };
  } catch (error) {
    const { cause } = error instanceof Error ? error : { cause: undefined };
    const of = cause instanceof Error ? cause : error;
    const code = of instanceof Error && "code" in of ? String(of.code) : "Error";
    return { code, message: shown(of instanceof Error ? of.message : String(of)) };
  }
}
