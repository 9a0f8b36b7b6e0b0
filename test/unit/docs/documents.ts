import { readdirSync, readFileSync } from "node:fs";

export const root = new URL("../../../", import.meta.url);

/** A page of the documentation. */
export interface Page {
  /** Relative to the repository. */
  path: string;
  text: string;
}

export const pages: Page[] = [
  "README.md",
  "examples/README.md",
  "CONTRIBUTING.md",
  ...readdirSync(new URL("docs", root))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
].map((path) => ({ path, text: readFileSync(new URL(path, root), "utf8") }));

export function page(path: string): string {
  const found = pages.find((one) => one.path === path);
  if (!found) throw new Error(`there is no page ${path}`);
  return found.text;
}

const fence = /^```(\w*)\n(.*?)^```$/gms;

/** The fenced blocks of one kind. */
export function fencedBlocks(text: string, kind: string): string[] {
  return [...text.matchAll(fence)].flatMap((match) => (match[1] === kind ? [match[2] ?? ""] : []));
}

/** The lines of all of them. */
export function fencedLines(text: string, kind: string): string[] {
  return fencedBlocks(text, kind).flatMap((block) => block.trim().split("\n"));
}

/** The text without its fenced blocks. */
export function prose(text: string): string {
  return text.replaceAll(fence, "");
}

/** What stands in backticks outside of fenced blocks. */
export function inlineCode(text: string): string[] {
  return [...prose(text).matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? "");
}

/** The simple commands of a line of shell, as words: what is joined by && or |, without comments and redirections. */
export function commandsOf(line: string): string[][] {
  const commands: string[][] = [[]];
  for (const [word] of line.matchAll(/"[^"]*"|'[^']*'|#.*$|&&|[|;]|>\s*\S+|[^\s|;>]+/g)) {
    if (word.startsWith("#")) break;
    if (["&&", "|", ";"].includes(word)) commands.push([]);
    else if (!word.startsWith(">")) commands.at(-1)?.push(word.replace(/^(["'])(.*)\1$/, "$2"));
  }
  return commands.filter((words) => words.length > 0);
}
