import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { type ConfigurationError, ConfigurationErrors, pathText } from "./configuration-errors.ts";
import { contradictions, type ReadableSite } from "./contradictions.ts";
import { type DebianRelease, onRelease } from "./debian-versions.ts";
import { type Issue, issueMessages } from "./issue-messages.ts";
import { exitCodes, OperatorError } from "./operator-error.ts";
import { type Site, siteSchema } from "./schema.ts";
import { YamlLines } from "./yaml-lines.ts";

/** A site and where it was read from. */
export interface LoadedSite {
  site: Site;
  /** The folder of site.yaml, absolute: relative paths in it start here. */
  directory: string;
  /** site.yaml, absolute. */
  file: string;
}

const mostBytes = 1024 ** 2;

/**
 * Reads a site.yaml. With `release` it is the site as it would be on that release of Debian, whatever site.yaml says.
 *
 * @throws ConfigurationErrors with everything that is wrong with it, in the order of its lines.
 * @throws OperatorError (exit code 2) when there is no such file.
 */
export async function loadSite(path: string, release?: DebianRelease): Promise<LoadedSite> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new OperatorError(
      exitCodes.usage,
      `${path} cannot be read`,
      error instanceof Error ? error.message : String(error),
      "name the site's file with --site FILE; docs/site.md says what stands in it",
      { cause: error },
    );
  });
  const result = parseSite(bytes, release);
  if (Array.isArray(result)) throw new ConfigurationErrors(path, result);
  const file = resolve(path);
  return { site: result, directory: dirname(file), file };
}

/** The site that the bytes of a site.yaml describe, or all that is wrong with it. */
export function parseSite(bytes: Uint8Array, release?: DebianRelease): Site | ConfigurationError[] {
  if (bytes.length > mostBytes) return [{ line: 1, path: "", message: "larger than 1 MiB: not a site.yaml" }];
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return [{ line: 1, path: "", message: "not UTF-8 text" }];
  }

  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, logLevel: "error" });
  const lines = new YamlLines(document, counter);
  const errors = [...document.errors, ...document.warnings].map((error) => ({
    line: lines.at(error.pos[0]),
    path: "",
    message:
      error.code === "DUPLICATE_KEY"
        ? "this key stands here twice: YAML would silently take the last"
        : `not YAML: ${error.message}`,
  }));
  // After a real syntax error the rest is guesswork of the parser, and complaints about it would mislead.
  if (document.errors.some(({ code }) => code !== "DUPLICATE_KEY")) return inOrder(errors);

  let written: unknown;
  try {
    // Few anchors are of use here; more are a bomb.
    written = document.toJS({ maxAliasCount: 50 });
  } catch (error) {
    return inOrder([
      ...errors,
      { line: 1, path: "", message: `not YAML: ${error instanceof Error ? error.message : String(error)}` },
    ]);
  }

  const parsed = siteSchema.safeParse(written ?? {});
  const wrong = parsed.success
    ? []
    : parsed.error.issues.flatMap((issue) => issueMessages(issue, written ?? {}));
  const contradicted = contradictions(parsed.success ? parsed.data : readable(written ?? {}));
  errors.push(...[...wrong, ...contradicted].map((issue) => located(issue, lines)));
  if (!parsed.success || errors.length > 0) return inOrder(errors);
  if (release === undefined) return parsed.data;
  const site = onRelease(parsed.data, release);
  const left = contradictions(site).map((issue) => located(issue, lines));
  return left.length === 0 ? site : inOrder(left);
}

/** Sections whose fields say nothing about each other: one that is wrong can be left out to judge the rest. */
const independent = ["objectives", "permissions"];

/** The sections and entries that can be read on their own. */
function readable(written: object): ReadableSite {
  const sections = Object.entries(siteSchema.shape).map(([key, schema]) => {
    const value = (written as Record<string, unknown>)[key];
    const whole = schema.safeParse(independent.includes(key) ? withoutFaults(schema, value) : value);
    if (whole.success) return [key, whole.data] as const;
    if (!Array.isArray(value) || !isList(schema)) return [key, undefined] as const;
    return [
      key,
      // One entry at a time, where it stands, so that a fault in one does not hide the faults of the others.
      value.map((entry: unknown) => {
        const alone = schema.safeParse([entry]);
        return alone.success ? (alone.data as unknown[])[0] : undefined;
      }),
    ] as const;
  });
  return Object.fromEntries(sections) as ReadableSite;
}

function isList(schema: z.ZodType): boolean {
  return schema instanceof z.ZodDefault
    ? schema.unwrap() instanceof z.ZodArray
    : schema instanceof z.ZodArray;
}

function withoutFaults(schema: z.ZodType, value: unknown): unknown {
  const copy = structuredClone(value);
  for (const issue of schema.safeParse(value).error?.issues ?? []) {
    const keys =
      issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
    for (const path of keys) {
      const parent = path
        .slice(0, -1)
        .reduce<unknown>((at, part) => (at as Record<PropertyKey, unknown>)[part], copy);
      if (path.length > 0) Reflect.deleteProperty(parent as object, path.at(-1) ?? "");
    }
  }
  return copy;
}

function located({ path, message }: Issue, lines: YamlLines): ConfigurationError {
  return { line: lines.of(path), path: pathText(path), message };
}

function inOrder(errors: ConfigurationError[]): ConfigurationError[] {
  return [...errors].sort((one, other) => one.line - other.line);
}
