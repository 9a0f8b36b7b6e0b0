import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { format, resolveConfig } from "prettier";
import { runJsonSchema } from "../evidence/json-schema.ts";
import { recordReference } from "../evidence/reference.ts";
import { siteJsonSchema } from "../site/json-schema.ts";
import { siteReference } from "../site/reference.ts";

const root = new URL("../", import.meta.url);

/** The files that are made from the program's own sources: path relative to the repository, and text. */
export async function generatedFiles(): Promise<Record<string, string>> {
  const schema = siteJsonSchema();
  const example = await readFile(new URL("site/example.yaml", root), "utf8");
  const drafts = {
    "docs/site.schema.json": JSON.stringify(schema),
    "docs/run.schema.json": JSON.stringify(runJsonSchema()),
    "docs/site.md": siteReference(schema, example),
    "docs/drill.md": withRecord(await readFile(new URL("docs/drill.md", root), "utf8")),
  };
  const files = Object.entries(drafts).map(async ([path, draft]) => {
    const filepath = fileURLToPath(new URL(path, root));
    return [path, await format(draft, { ...(await resolveConfig(filepath)), filepath })] as const;
  });
  return Object.fromEntries(await Promise.all(files));
}

/** The page with the table of run.json between its two marks made anew; the rest of it is written by hand. */
function withRecord(page: string): string {
  return page.replace(
    /(<!-- run\.json: [^\n]*-->\n).*(<!-- end of run\.json -->)/s,
    (_, begin: string, end: string) => [begin, recordReference(), "\n", end].join("\n"),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of Object.entries(await generatedFiles()))
    await writeFile(new URL(path, root), text);
}
