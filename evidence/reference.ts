import { runJsonSchema } from "./json-schema.ts";

/** What is read here of a JSON Schema. */
interface Field {
  type?: string | string[];
  format?: string;
  description?: string;
  const?: string | number;
  enum?: string[];
  anyOf?: Field[];
  items?: Field;
  properties?: Record<string, Field>;
}

/** The fields of run.json as a Markdown table, not yet formatted; those of an object inside as `outer.inner`. */
export function recordReference(): string {
  const schema = runJsonSchema() as Field;
  const cell = (text: string) => text.replaceAll("|", "\\|");
  return [
    "| Field | Type | |",
    "| --- | --- | --- |",
    ...rows(schema, "").map((row) => `| ${row.map(cell).join(" | ")} |`),
  ].join("\n");
}

function rows(schema: Field, prefix: string): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const path = `${prefix}${name}`;
    const own = [`\`${path}\``, typeOf(field), field.description ?? ""];
    // what, why and next: the same wherever there is an error.
    if (name === "error") return [own];
    if (field.items?.properties) return [own, ...rows(field.items, `${path}[].`)];
    // The fields of an object say what it is.
    return field.properties ? rows(field, `${path}.`) : [own];
  });
}

function typeOf(field: Field): string {
  if (field.const !== undefined) return `\`${field.const}\``;
  if (field.enum !== undefined) return field.enum.map((value) => `\`${value}\``).join(", ");
  if (Array.isArray(field.type))
    return field.type.map((type: string) => typeOf({ ...field, type })).join(" or ");
  if (field.anyOf !== undefined) return field.anyOf.map(typeOf).join(" or ");
  switch (field.type) {
    case "string":
      return field.format === "date-time" ? "time, UTC" : "text";
    case "number":
      return "number";
    case "boolean":
      return "true or false";
    case "array":
      return field.items?.type === "string" ? "list of texts" : "list";
    default:
      return field.type ?? "";
  }
}
