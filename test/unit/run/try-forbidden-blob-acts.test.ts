import { afterEach, expect, test, vi } from "vitest";
import { tryForbiddenBlobActs } from "../../../run/try-forbidden-blob-acts.ts";

const store = {
  ...{ kind: "azure-blob" as const, name: "container", path: "club", timezone: "UTC", reader: "READER" },
  container: "https://club.blob.core.windows.net/kept",
};

/** Answers as an account would: by the method over TLS, and in clear. */
function account(inClear: { status: number; code?: string } | Error) {
  const asked: string[] = [];
  vi.stubGlobal("fetch", (url: string, { method = "GET" }: RequestInit) => {
    asked.push(`${method} ${url}`);
    if (url.startsWith("http:")) {
      if (inClear instanceof Error) return Promise.reject(inClear);
      const headers = inClear.code === undefined ? {} : { "x-ms-error-code": inClear.code };
      return Promise.resolve(new Response("", { status: inClear.status, headers }));
    }
    const status = { GET: 200, PUT: 403, DELETE: 403 }[method] ?? 500;
    return Promise.resolve(
      new Response("", { status, headers: { "x-ms-error-code": "AuthorizationPermissionMismatch" } }),
    );
  });
  return asked;
}
const inClear = async (token: string) => {
  const attempts = await tryForbiddenBlobActs(store, token);
  if ("untried" in attempts) throw new Error(attempts.untried);
  return attempts.get("write-in-clear")?.outcome;
};

afterEach(() => {
  vi.unstubAllGlobals();
});

const deaf = Object.assign(new TypeError("fetch failed"), {
  cause: Object.assign(new Error("connect"), { code: "ECONNREFUSED" }),
});
test.each<[string, Parameters<typeof account>[0], string]>([
  ["sp=rcwl&spr=https&sig=planted-sig-51", { status: 404, code: "ResourceNotFound" }, "refused"],
  ["sp=rcwl&sig=planted-sig-51", { status: 400, code: "AccountRequiresHttps" }, "refused"],
  ["sp=rcwl&sig=planted-sig-51", deaf, "refused"],
  ["sp=rcwl&sig=planted-sig-51", { status: 404, code: "ResourceNotFound" }, "done"],
  ["sp=rcwl&spr=https,http&sig=planted-sig-51", { status: 409, code: "PublicAccessNotPermitted" }, "done"],
])(
  "whether a signature is good in clear is found out, and the signature sent nowhere in clear: %s",
  async (token, answer, outcome) => {
    const asked = account(answer);
    expect(await inClear(token)).toBe(outcome);
    expect(asked.filter((line) => line.includes(" http:") && line.includes("sig="))).toEqual([]);
    // What is tried over TLS is tried with it.
    expect(asked).toContainEqual(expect.stringMatching(/^DELETE https:.*sig=planted-sig-51$/));
  },
);
