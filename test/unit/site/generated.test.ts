import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { generatedFiles } from "../../../scripts/generate.ts";
import { type JsonSchema, siteJsonSchema } from "../../../site/json-schema.ts";

test("the generated files and parts of files in docs/ are as `npm run generate` makes them", async () => {
  const files = Object.entries(await generatedFiles());
  expect(files.map(([path]) => path).sort()).toEqual([
    "docs/drill.md",
    "docs/run.schema.json",
    "docs/site.md",
    "docs/site.schema.json",
  ]);
  for (const [path, text] of files) {
    expect(readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8"), `${path} is stale`).toBe(text);
  }
});

test("defaults with units are written as an owner writes them, and fit their own pattern", () => {
  const { server, objectives } = siteJsonSchema().properties ?? {};
  const rpo = objectives?.properties?.["rpo"]?.properties;
  expect(rpo?.["database"]).toMatchObject({ type: "string", default: "6h" });
  expect(rpo?.["configuration"]).toMatchObject({ default: "24h" });
  expect(rpo?.["logs"]).toMatchObject({ default: "7d" });
  expect(server?.properties?.["memory"]).toMatchObject({ type: "string", default: "512MiB" });
  for (const field of [...Object.values(rpo ?? {}), ...Object.values(server?.properties ?? {})]) {
    if (field.pattern !== undefined) expect(field.default as string).toMatch(new RegExp(field.pattern));
  }
});

test("every field has a description for the owner", () => {
  const without: string[] = [];
  const visit = (path: string, schema: JsonSchema) => {
    for (const [name, field] of Object.entries(schema.properties ?? {})) {
      if (field.description === undefined) without.push(`${path}${name}`);
      visit(`${path}${name}.`, field);
    }
    for (const option of [...(schema.oneOf ?? []), ...(schema.items === undefined ? [] : [schema.items])])
      visit(path, option);
  };
  visit("", siteJsonSchema());
  expect(without).toEqual([]);
});

test("every object refuses what it does not know", () => {
  const open: string[] = [];
  const visit = (path: string, schema: JsonSchema) => {
    if (schema.properties !== undefined && schema.additionalProperties !== false) open.push(path);
    for (const [name, field] of Object.entries(schema.properties ?? {})) visit(`${path}/${name}`, field);
    for (const option of [...(schema.oneOf ?? []), ...(schema.items === undefined ? [] : [schema.items])])
      visit(path, option);
  };
  visit("", siteJsonSchema());
  expect(open).toEqual([]);
});
