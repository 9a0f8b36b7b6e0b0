import { exitCodes, OperatorError } from "./operator-error.ts";

/** One thing that is wrong with site.yaml. */
export interface ConfigurationError {
  /** Counted from 1. */
  line: number;
  /** Where it stands, such as `checks[2].bearer`; empty for the file as a whole. */
  path: string;
  message: string;
}

/** Everything that is wrong with one site.yaml, in the order of its lines. Exit code 2. */
export class ConfigurationErrors extends OperatorError {
  constructor(
    readonly file: string,
    readonly errors: ConfigurationError[],
  ) {
    super(
      exitCodes.usage,
      `${file} has ${errors.length === 1 ? "an error" : `${errors.length} errors`}`,
      errors.map((error) => describe(file, error)).join("\n"),
      `correct ${errors.length === 1 ? "it" : "them"}, then: npx recovery config check --site ${file}`,
    );
  }
}

function describe(file: string, { line, path, message }: ConfigurationError): string {
  return path === "" ? `${file}:${line}: ${message}` : `${file}:${line}: ${path}: ${message}`;
}

/** `["checks", 2, "bearer"]` as an owner reads it: `checks[2].bearer`. Entries are counted from 0, as in JSON paths. */
export function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) => (typeof part === "number" ? `[${part}]` : `${index > 0 ? "." : ""}${String(part)}`))
    .join("");
}
