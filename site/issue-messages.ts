import type { z } from "zod";
import { closestKey, knownKeys } from "./known-keys.ts";

/** Something wrong at a place of site.yaml, not yet with a line. */
export interface Issue {
  path: PropertyKey[];
  message: string;
}

/** What zod found, in words for an owner. `written` is the whole of site.yaml as plain data. */
export function issueMessages(issue: z.core.$ZodIssue, written: unknown): Issue[] {
  const value = valueAt(written, issue.path);
  if (issue.code === "unrecognized_keys") {
    const known = knownKeys(issue.path, written);
    return issue.keys.map((key) => {
      const meant = closestKey(key, known);
      const hint = meant === undefined ? `known here: ${known.join(", ")}` : `did you mean \`${meant}\`?`;
      return { path: [...issue.path, key], message: `unknown key; ${hint}` };
    });
  }
  return [{ path: issue.path, message: message(issue, value, isWritten(written, issue.path)) }];
}

function message(issue: z.core.$ZodIssue, value: unknown, written: boolean): string {
  if (!written) return "missing";
  switch (issue.code) {
    case "invalid_type":
      // A rule of the schema's own says more than the type does.
      if (!issue.message.startsWith("Invalid input")) return issue.message;
      if (value === null) return `empty; ${expected(issue.expected)} is expected`;
      if (issue.expected === "string" && (typeof value === "number" || typeof value === "boolean")) {
        return `text is expected, and YAML reads this as a ${kindOf(value)}: put it in quotes`;
      }
      return `${expected(issue.expected)} is expected, and this is ${article(kindOf(value))}`;
    case "invalid_value":
      return issue.values.length === 1
        ? `must be ${JSON.stringify(issue.values[0])}`
        : `must be one of ${issue.values.map((one) => String(one)).join(", ")}${quoteHint(value, issue.values)}`;
    case "invalid_union":
      return unionMessage(issue);
    case "too_small":
      if (issue.origin === "array")
        return `at least ${issue.minimum} ${issue.minimum === 1 ? "entry" : "entries"} needed`;
      if (issue.origin === "string" && issue.message.startsWith("Too small")) return "must not be empty";
      return issue.message.startsWith("Too small") ? `must be at least ${issue.minimum}` : issue.message;
    case "too_big":
      return `must be at most ${issue.maximum}`;
    case "invalid_format":
      return issue.format === "email" ? "not an e-mail address" : issue.message;
    default:
      return issue.message;
  }
}

function unionMessage(issue: z.core.$ZodIssueInvalidUnion): string {
  if ("options" in issue && Array.isArray(issue.options)) {
    return `must be one of ${issue.options.map((one) => String(one)).join(", ")}`;
  }
  const types = issue.errors
    .flat()
    .flatMap((error) => (error.code === "invalid_type" ? [error.expected] : []));
  const words = [...new Set(types)].map(expected);
  return words.length === 0 ? issue.message : `${words.join(", or ")} is expected`;
}

function expected(type: string): string {
  const words: Record<string, string> = {
    string: "text",
    number: "a number",
    int: "a whole number",
    boolean: "true or false",
    null: "nothing",
    array: "a list (lines that start with -)",
    object: "a section (keys with values)",
    record: "a section (keys with values)",
  };
  return words[type] ?? type;
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "list";
  if (typeof value === "object") return "section";
  return typeof value === "string" ? "text" : typeof value === "boolean" ? "true or false" : typeof value;
}

function article(kind: string): string {
  return kind === "text" || kind === "true or false" ? kind : `a ${kind}`;
}

function quoteHint(value: unknown, allowed: readonly unknown[]): string {
  return typeof value === "number" && allowed.includes(String(value)) ? `: put it in quotes, "${value}"` : "";
}

function valueAt(written: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, part) =>
      typeof value === "object" && value !== null ? (value as Record<PropertyKey, unknown>)[part] : undefined,
    written,
  );
}

function isWritten(written: unknown, path: readonly PropertyKey[]): boolean {
  return valueAt(written, path) !== undefined;
}
