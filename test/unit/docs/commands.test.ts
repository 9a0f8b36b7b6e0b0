import { existsSync, readFileSync } from "node:fs";
import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { exitCodes } from "../../../site/operator-error.ts";
import { recovery } from "../scripts/recovery.ts";
import { commandsOf, fencedLines, inlineCode, page, pages, root } from "./documents.ts";

const { scripts } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as {
  scripts: Record<string, string>;
};

/** The command line as it is defined, doing nothing. */
const program = new Command("recovery");
const main = readFileSync(new URL("scripts/main.ts", root), "utf8");
for (const [, name = "", file = ""] of main.matchAll(
  /^import \{ (\w+Command) \} from "\.\/([\w-]+\.ts)";$/gm,
)) {
  const module = (await import(new URL(`scripts/${file}`, root).href)) as Record<string, () => Command>;
  const make = module[name];
  if (make) program.addCommand(make());
}
disarm(program);

/** Nothing is carried out, printed or ended; what was read on an earlier line is forgotten. */
function disarm(command: Command): void {
  command.exitOverride().configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
  if (command.commands.length === 0) command.action(() => undefined);
  for (const part of command.commands) disarm(part);
}

/** The words after `recovery`, however it is called; undefined for another command. */
function recoveryWords(words: string[]): string[] | undefined {
  const begins = [["npx", "recovery"], ["node", "scripts/recovery.js"], ["recovery"]];
  const begin = begins.find((start) => start.every((word, index) => words[index] === word));
  return begin && words.slice(begin.length);
}

/** The command that words name, and the words that follow it. */
function find(words: string[]): { command: Command; rest: string[] } {
  let command = program;
  let rest = words;
  for (;;) {
    const next = command.commands.find((one) => one.name() === rest[0]);
    if (!next) return { command, rest };
    command = next;
    rest = rest.slice(1);
  }
}

const lines = pages.flatMap(({ path, text }) =>
  fencedLines(text, "console").flatMap((line) => commandsOf(line).map((words) => ({ path, words }))),
);

test("every command of the command line is defined as main.ts adds it", () => {
  expect(program.commands.map((command) => command.name()).sort()).toEqual([
    "alert",
    "assess",
    "backup",
    "backup-server",
    "check",
    "completion",
    "config",
    "doctor",
    "drill",
    "keys",
    "machine",
    "points",
    "protect",
    "rebuild",
    "server-image",
    "status",
  ]);
});

describe("a line of a console block", () => {
  test.each(
    lines.flatMap(({ path, words }) => {
      const own = recoveryWords(words);
      return own ? [[path, own.join(" "), own] as const] : [];
    }),
  )("in %s is understood: recovery %s", async (_path, _line, words) => {
    await expect(program.parseAsync(words, { from: "user" })).resolves.toBe(program);
  });

  test("that calls npm, node or vitest names what is there", () => {
    const missing: string[] = [];
    const isThere = (file: string) => existsSync(new URL(file, root));
    for (const { path, words } of lines) {
      const line = `${path}: ${words.join(" ")}`;
      const [program, first = "", second = ""] = words;
      if (program === "npm" && first === "run" && !scripts[second]) missing.push(line);
      if (program === "npm" && first !== "run" && !["ci", "test"].includes(first)) missing.push(line);
      for (const word of words)
        if (/^(test|scripts|examples)\//.test(word) && !isThere(word)) missing.push(line);
      if (program === "node" && !words.some((word) => /\.[jt]s$/.test(word))) missing.push(line);
      const file = words.find((word) => word.startsWith("test/") && word.endsWith(".ts"));
      const name = words[words.indexOf("-t") + 1];
      if (
        words[0] === "npx" &&
        words[1] === "vitest" &&
        words.includes("-t") &&
        !readFileSync(new URL(file ?? "", root), "utf8").includes(name ?? "-")
      )
        missing.push(line);
    }
    expect(missing).toEqual([]);
  });

  test("is one of a program that the pages may assume", () => {
    const known =
      /^(npm|npx|node|pulumi|aws|az|runuser|eval|ssh-keygen|age-keygen|ssh-add|tail|journalctl|grep|rm)$/;
    expect(lines.filter(({ words }) => !known.test(words[0] ?? "")).map(({ words }) => words)).toEqual([]);
  });
});

describe("in a sentence", () => {
  test("a command is one that exists, with options that it has", () => {
    const wrong: string[] = [];
    for (const { path, text } of pages) {
      for (const code of inlineCode(text)) {
        const words = recoveryWords(commandsOf(code)[0] ?? []);
        if (!words) continue;
        const { command, rest } = find(words);
        const unknown = rest.filter(
          (word) => word.startsWith("--") && !command.options.some(({ long }) => long === word),
        );
        if (command === program || unknown.length > 0 || command.commands.length > 0)
          wrong.push(`${path}: ${code}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("an option that is named alone is one of some command", () => {
    const options = new Set([...program.commands.flatMap(longOptions), "--help"]);
    const named = pages
      .filter(({ path }) => path !== "CONTRIBUTING.md")
      .flatMap(({ text }) => inlineCode(text))
      .flatMap((code) => /^--[\w-]+/.exec(code)?.[0] ?? []);
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((name) => !options.has(name))).toEqual([]);
  });
});

function longOptions(command: Command): string[] {
  return [...command.options.flatMap(({ long }) => long ?? []), ...command.commands.flatMap(longOptions)];
}

test("the README's exit codes are those of the program, in the words of its help", async () => {
  const told = [...page("README.md").matchAll(/^\| (\d+) +\| (\S.*?) +\|$/gm)].map(
    ([, code, meaning]) => [Number(code), meaning] as const,
  );
  expect(told.map(([code]) => code)).toEqual(Object.values(exitCodes));
  const { stdout } = await recovery(["--help"]);
  const help = [...stdout.slice(stdout.indexOf("Exit codes:")).matchAll(/^ {2}(\d+) +(\S.*)$/gm)];
  expect(told).toEqual(help.map(([, code, meaning]) => [Number(code), meaning]));
});
