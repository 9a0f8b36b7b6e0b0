import { isDeepStrictEqual } from "node:util";
import { specialSecretSig, specialSigKey, unknownValue } from "@pulumi/pulumi/runtime/rpc.js";
import { parseHostKey } from "../../ssh/host-key.ts";
import { OperatorError } from "../../site/operator-error.ts";

/** A `command.remote.Command` that this provider carries out; secrets unwrapped. */
export interface Command {
  connection: {
    host: string;
    port: number;
    user: string;
    hostKey: string;
    agentSocketPath?: string;
    /** Further attempts after the first. */
    dialErrorLimit: number;
    /** Seconds for one attempt. */
    perDialTimeout: number;
  };
  create?: string;
  stdin?: string;
  logging: "stdout" | "stderr" | "stdoutAndStderr" | "none";
}

export interface Failure {
  property: string;
  reason: string;
}

/** Properties as the engine sends them: secrets wrapped, values not known yet as a marker. */
export type Properties = Record<string, unknown>;

export const commandType = "command:remote:Command";

const loggingValues = ["stdout", "stderr", "stdoutAndStderr", "none"];
export const notDone = "is not done by recovery-stack's stand-in for the command plugin";

/** What each property must be; what is not listed is refused by name. */
const inputRules: Record<string, (value: unknown) => string | undefined> = {
  connection: () => undefined, // has rules of its own
  create: isText,
  stdin: isText,
  triggers: (value) => (Array.isArray(value) ? undefined : "must be a list"),
  logging: (value) =>
    loggingValues.includes(value as string) ? undefined : `must be one of ${loggingValues.join(", ")}`,
  addPreviousOutputInEnv: (value) =>
    value === false ? undefined : `true, the vendor's default, ${notDone}: set it to false`,
};

const connectionRules: Record<string, (value: unknown) => string | undefined> = {
  host: isText,
  port: (value) =>
    Number.isInteger(value) && Number(value) > 0 && Number(value) < 65536 ? undefined : "must be a port",
  user: isText,
  hostKey: isHostKey,
  agentSocketPath: isText,
  dialErrorLimit: (value) =>
    Number.isInteger(value) && Number(value) >= 0
      ? undefined
      : "must be 0 or more: dialling without end is refused",
  perDialTimeout: (value) =>
    typeof value === "number" && value > 0
      ? undefined
      : "must be more than 0 seconds: dialling without end is refused",
};

/** Everything in a resource that cannot be carried out, each by name. Values not known yet pass. */
export function check(type: string, wrapped: Properties): Failure[] {
  if (type !== commandType)
    return [{ property: "type", reason: `${type} ${notDone}; only ${commandType} is` }];
  const inputs = unwrap(wrapped);
  const failures = checkAgainst(inputRules, inputs, "");
  if (!("addPreviousOutputInEnv" in inputs))
    failures.push({
      property: "addPreviousOutputInEnv",
      reason: `true, the vendor's default, ${notDone}: set it to false`,
    });
  const { connection } = inputs;
  if (connection === unknownValue) return failures;
  if (typeof connection !== "object" || connection === null)
    return [...failures, { property: "connection", reason: "is missing" }];
  failures.push(...checkAgainst(connectionRules, connection as Properties, "connection."));
  for (const required of ["host", "hostKey"])
    if (!(required in connection))
      failures.push({ property: `connection.${required}`, reason: "is missing" });
  return failures;
}

function checkAgainst(
  rules: Record<string, (value: unknown) => string | undefined>,
  values: Properties,
  prefix: string,
): Failure[] {
  return Object.entries(values).flatMap(([name, value]) => {
    if (name === "__defaults" || value === unknownValue) return [];
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    const reason = rule === undefined ? notDone : rule(value);
    return reason === undefined ? [] : [{ property: prefix + name, reason }];
  });
}

/** The command in properties that passed `check` and are known, with the vendor's defaults filled in. */
export function parse(wrapped: Properties): Command {
  const inputs = unwrap(wrapped);
  return {
    logging: "stdoutAndStderr",
    ...inputs,
    connection: {
      port: 22,
      user: "root",
      dialErrorLimit: 10,
      perDialTimeout: 15,
      ...(inputs["connection"] as object),
    },
  } as Command;
}

/** As the vendor's: other triggers replace the resource, any other difference updates it. */
export function diff(
  oldOutputs: Properties,
  newInputs: Properties,
): { changes: boolean; replaces: string[] } {
  const olds = unwrap(oldOutputs);
  const news = unwrap(newInputs);
  const names = new Set([...Object.keys(olds), ...Object.keys(news)]);
  for (const notAnInput of ["stdout", "stderr", "__defaults"]) names.delete(notAnInput);
  const changed = [...names].filter((name) => !isDeepStrictEqual(olds[name], news[name]));
  return { changes: changed.length > 0, replaces: changed.filter((name) => name === "triggers") };
}

/** A copy without the wrapping of secrets. */
export function unwrap(properties: Properties): Properties {
  return unwrapValue(properties) as Properties;
}

function unwrapValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unwrapValue);
  if (typeof value !== "object" || value === null) return value;
  const object = value as Properties;
  if (object[specialSigKey] === specialSecretSig) return unwrapValue(object["value"]);
  return Object.fromEntries(Object.entries(object).map(([name, inner]) => [name, unwrapValue(inner)]));
}

function isText(value: unknown): string | undefined {
  return typeof value === "string" ? undefined : "must be a text";
}

function isHostKey(value: unknown): string | undefined {
  try {
    parseHostKey(String(value));
    return undefined;
  } catch (error) {
    if (error instanceof OperatorError) return `${error.what} ${error.why}`;
    throw error;
  }
}
