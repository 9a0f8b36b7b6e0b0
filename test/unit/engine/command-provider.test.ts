import { specialSecretSig, specialSigKey, unknownValue } from "@pulumi/pulumi/runtime/rpc.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { check, diff, parse, unwrap, type Properties } from "../../../engine/command-provider/command.ts";

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBCHztwiCHElKbPV1hjwr8L01owhG3FXtrmTgIv4o6bG";
const secret = (value: unknown): Properties => ({ [specialSigKey]: specialSecretSig, value });
/** What @pulumi/command 1.2.1 sends: defaults filled in, the connection made a secret. */
const inputs = (more: Properties = {}, connection: Properties = {}): Properties => ({
  connection: secret({
    host: "192.0.2.7",
    port: 22,
    user: "root",
    hostKey,
    dialErrorLimit: 10,
    perDialTimeout: 15,
    ...connection,
  }),
  create: "run-step restore",
  addPreviousOutputInEnv: false,
  ...more,
});
const notDone = "is not done by recovery-stack's stand-in for the command plugin";

test("what the SDK sends for a step passes, secret or not known yet", () => {
  const type = "command:remote:Command";
  expect(check(type, inputs({ stdin: "{}", triggers: ["a", { b: 1 }], logging: "none" }))).toEqual([]);
  expect(check(type, inputs({ stdin: secret("{}"), triggers: unknownValue }))).toEqual([]);
  expect(check(type, inputs({}, { host: unknownValue, hostKey: unknownValue }))).toEqual([]);
  expect(check(type, inputs({ connection: secret(unknownValue) }))).toEqual([]);
});

test("everything else is refused by name, all at once", () => {
  expect(
    check(
      "command:remote:Command",
      inputs(
        { update: "u", delete: "d", environment: { A: "b" }, addPreviousOutputInEnv: true, logging: "loud" },
        { privateKey: "k", proxy: {}, dialErrorLimit: -1, perDialTimeout: 0, port: 0, constructor: "x" },
      ),
    ).map(({ property, reason }) => `${property} ${reason}`),
  ).toEqual([
    `addPreviousOutputInEnv true, the vendor's default, ${notDone}: set it to false`,
    `update ${notDone}`,
    `delete ${notDone}`,
    `environment ${notDone}`,
    "logging must be one of stdout, stderr, stdoutAndStderr, none",
    "connection.port must be a port",
    "connection.dialErrorLimit must be 0 or more: dialling without end is refused",
    "connection.perDialTimeout must be more than 0 seconds: dialling without end is refused",
    `connection.privateKey ${notDone}`,
    `connection.proxy ${notDone}`,
    `connection.constructor ${notDone}`,
  ]);
  expect(check("command:local:Command", {})).toEqual([
    { property: "type", reason: `command:local:Command ${notDone}; only command:remote:Command is` },
  ]);
});

test("a command without the vendor's trap switched off, a host or a pinned key is refused", () => {
  expect(check("command:remote:Command", { connection: { user: "root" } })).toEqual([
    { property: "addPreviousOutputInEnv", reason: `true, the vendor's default, ${notDone}: set it to false` },
    { property: "connection.host", reason: "is missing" },
    { property: "connection.hostKey", reason: "is missing" },
  ]);
  expect(check("command:remote:Command", { addPreviousOutputInEnv: false })).toEqual([
    { property: "connection", reason: "is missing" },
  ]);
});

test("other triggers replace, any other difference updates, wrapping and outputs are no difference", () => {
  const olds = { ...inputs({ stdin: "a", triggers: ["p"] }), stdout: "out", stderr: "" };
  expect(diff(olds, inputs({ stdin: secret("a"), triggers: ["p"] }))).toEqual({
    changes: false,
    replaces: [],
  });
  expect(diff(olds, inputs({ stdin: "b", triggers: ["p"] }))).toEqual({ changes: true, replaces: [] });
  expect(diff(olds, inputs({ triggers: ["p"] }))).toEqual({ changes: true, replaces: [] });
  expect(diff(olds, inputs({ stdin: "a", triggers: ["p"] }, { host: "192.0.2.8" }))).toEqual({
    changes: true,
    replaces: [],
  });
  expect(diff(olds, inputs({ stdin: "a", triggers: ["q"] }))).toEqual({
    changes: true,
    replaces: ["triggers"],
  });
  expect(diff(olds, inputs({ stdin: "a" }))).toEqual({ changes: true, replaces: ["triggers"] });
});

test("the vendor's defaults are filled in", () => {
  expect(parse({ connection: { host: "192.0.2.7", hostKey }, create: "true" })).toEqual({
    connection: {
      host: "192.0.2.7",
      port: 22,
      user: "root",
      hostKey,
      dialErrorLimit: 10,
      perDialTimeout: 15,
    },
    create: "true",
    logging: "stdoutAndStderr",
  });
});

test("any value comes out of its secrets as it went in, and the original is left as it was", () => {
  const wrapSome = (value: unknown): fc.Arbitrary<unknown> =>
    fc.boolean().map((wrap) => (wrap ? secret(value) : value));
  fc.assert(
    fc.property(
      fc
        .dictionary(
          fc.string().filter((name) => name !== "__proto__"),
          fc.jsonValue(),
        )
        .chain((plain) =>
          fc.tuple(...Object.values(plain).map((value) => wrapSome(value))).map((values) => ({
            plain,
            wrapped: Object.fromEntries(Object.keys(plain).map((name, i) => [name, values[i]])),
          })),
        ),
      ({ plain, wrapped }) => {
        const before = structuredClone(wrapped);
        expect(unwrap(wrapped)).toEqual(plain);
        expect(wrapped).toEqual(before);
      },
    ),
  );
});
