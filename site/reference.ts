import type { JsonSchema, Scalar } from "./json-schema.ts";

/**
 * docs/site.md: every field of site.yaml with its type, default and description, made from its JSON Schema, and a
 * whole example. Pure; Markdown, not yet formatted.
 */
export function siteReference(schema: JsonSchema, example: string): string {
  const properties = Object.entries(schema.properties ?? {});
  const required = new Set(schema.required);
  const plain = properties.filter(([, field]) => sectionOf(field) === undefined);
  const sections = properties.flatMap(([name, field]) => {
    const section = sectionOf(field);
    return section === undefined ? [] : [{ name, field, section }];
  });
  return [
    introduction,
    heading(2, "The site itself"),
    table(plain.map(([name, field]) => row(name, field, required.has(name)))),
    ...sections.flatMap(({ name, field, section }) => [
      heading(2, `\`${name}\``),
      sectionIntroduction(field, required.has(name), section.isList),
      ...section.kinds.flatMap((kind) => [
        ...(kind.title === undefined ? [] : [heading(3, kind.title), kind.description ?? ""]),
        // The heading says it.
        table(rows(kind.schema).filter(({ name }) => kind.title === undefined || name !== "`kind`")),
      ]),
    ]),
    heading(2, "An example"),
    "A whole `site.yaml`:",
    `\`\`\`yaml\n${example.trimEnd()}\n\`\`\``,
  ]
    .filter((part) => part !== "")
    .join("\n\n")
    .concat("\n");
}

const introduction = `<!-- Made by \`npm run generate\` from site/schema.ts: change it there. -->

# site.yaml

One file describes a site: where its application comes from, what its backups hold, how a rebuilt server is checked, and
how much data and time may be lost. Everything that is particular to a site stands here; the program knows no site.

\`\`\`console
npx recovery config check --site site.yaml    # every error at once, with its line; nothing else is touched
npx recovery config schema > site.schema.json # the JSON Schema; docs/site.schema.json is the same
\`\`\`

An editor that knows the YAML language server completes and checks while you type, when the first line is
\`# yaml-language-server: $schema=…/docs/site.schema.json\`.

## Rules

- **Units are written out.** A duration is a whole number and \`s\`, \`min\`, \`h\` or \`d\`: \`90s\`, \`30min\`, \`6h\`, \`7d\`. A size is a whole
  number and \`KiB\`, \`MiB\`, \`GiB\` or \`TiB\`: \`512MiB\`, \`20GiB\`.
- **Versions and modes stand in quotes**: \`"8.2"\`, \`"770"\`. YAML would make numbers of them.
- **Unknown keys are errors**, so that a slip of the finger does not quietly become a default.
- **A path** has no \`..\`, no \`//\` and no slash at its end. Where a path may be relative, it starts in the application's folder
  on the host; paths of this computer (\`bundle\`, \`file:\`, a store's \`path\`) start in the folder of site.yaml.
- **No secret stands in this file**, and none in a URL: [\`secrets\`](#secrets) names where each comes from.
- **Members** are files in the archive that the runbook's backup scripts make, relative to its top folder.

What the fields say together is checked too: a name that is given twice, a data folder that holds the application, a token that
is nowhere required, a PHP that the Debian release does not have, a folder that belongs to the system.`;

interface Kind {
  title: string | undefined;
  description: string | undefined;
  schema: JsonSchema;
}

interface Section {
  isList: boolean;
  kinds: Kind[];
}

/** Fields that have fields of their own get a section; undefined for the others. */
function sectionOf(field: JsonSchema): Section | undefined {
  const isList = field.type === "array";
  const schema = isList ? (field.items ?? {}) : field;
  if (schema.oneOf !== undefined) {
    return {
      isList,
      kinds: schema.oneOf.map((option) => {
        const kind = option.properties?.["kind"];
        return {
          title: `\`kind: ${String(kind?.const ?? "")}\``,
          description: kind?.description,
          schema: option,
        };
      }),
    };
  }
  if (schema.properties === undefined) return undefined;
  return { isList, kinds: [{ title: undefined, description: undefined, schema }] };
}

function sectionIntroduction(field: JsonSchema, isRequired: boolean, isList: boolean): string {
  const least =
    field.minItems === undefined ? "" : ` At least ${field.minItems === 1 ? "one" : field.minItems}.`;
  const shape = isList ? `A list; each entry has the fields below.${least}` : "";
  return [field.description ?? "", isRequired ? "Required." : "May be left out.", shape]
    .filter(Boolean)
    .join(" ");
}

interface Row {
  name: string;
  type: string;
  default: string;
  description: string;
}

/** The fields of an object; those of an object inside it as `outer.inner`. */
function rows(schema: JsonSchema, prefix = ""): Row[] {
  const required = new Set(schema.required);
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => [
    row(`${prefix}${name}`, field, required.has(name)),
    ...(field.properties === undefined ? [] : rows(field, `${prefix}${name}.`)),
  ]);
}

function row(name: string, field: JsonSchema, isRequired: boolean): Row {
  return {
    name: `\`${name}\``,
    type: typeOf(field),
    default: isRequired ? "required" : defaultOf(field),
    description: field.description ?? "",
  };
}

function typeOf(field: JsonSchema): string {
  if (field.const !== undefined) return written(field.const);
  if (field.enum !== undefined) return field.enum.map(written).join(" or ");
  if (field.anyOf !== undefined) return [...new Set(field.anyOf.map(typeOf))].join(", ");
  if (field.pattern?.includes("(s|min|h|d)") === true) return "duration";
  if (field.pattern?.includes("(KiB|MiB|GiB|TiB)") === true) return "size";
  switch (field.type) {
    case "string":
      return field.format === "email" ? "e-mail address" : "text";
    case "integer":
      return "whole number";
    case "boolean":
      return "true or false";
    case "array":
      return `list of ${typeOf(field.items ?? {})}`;
    case "object":
      return typeof field.additionalProperties === "object" ? `names with values` : "section";
    default:
      return field.type ?? "";
  }
}

function defaultOf(field: JsonSchema): string {
  if (field.properties !== undefined) return "";
  const value = field.default;
  if (typeof value !== "object") return value === undefined ? "none" : written(value);
  return value === null || Object.keys(value).length === 0 ? "none" : `\`${JSON.stringify(value)}\``;
}

/** A value as site.yaml has to write it: text that looks like a number in quotes. */
function written(value: Scalar): string {
  return typeof value === "string" && /^[\d.]+$/.test(value) ? `\`"${value}"\`` : `\`${String(value)}\``;
}

function heading(level: number, text: string): string {
  return `${"#".repeat(level)} ${text}`;
}

function table(list: Row[]): string {
  const cell = (text: string) => text.replace(/\|/g, "\\|").replace(/\s+/g, " ");
  return [
    "| Field | Type | Default | |",
    "| --- | --- | --- | --- |",
    ...list.map((one) => `| ${[one.name, one.type, one.default, one.description].map(cell).join(" | ")} |`),
  ].join("\n");
}
