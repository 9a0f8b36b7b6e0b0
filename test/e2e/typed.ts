import { commandLine } from "./drill-process.ts";

/**
 * A command line of the documentation for a shell, word for word but for what is the reader's own: names, addresses and keys
 * stand as the pages have them, with what a test has in their place. `npx recovery` is that of this repository in any folder.
 * test/unit/docs/typed.test.ts holds the lines that tests type against those of the pages.
 */
export function typed(line: string, own: Readonly<Record<string, string>> = {}): string {
  let text = line.replaceAll("npx recovery", `'${process.execPath}' '${commandLine}'`);
  // The longer ones first: one may hold another.
  for (const name of Object.keys(own).sort((a, b) => b.length - a.length)) {
    if (!line.includes(name)) throw new Error(`${line} has no ${name}`);
    text = text.replaceAll(name, () => own[name] ?? "");
  }
  return text;
}
