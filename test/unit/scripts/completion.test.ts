import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { completionCommand, placesOf } from "../../../scripts/completion.ts";

const program = new Command("recovery");
program.addCommand(
  new Command("points")
    .description("the restore points")
    .addCommand(
      new Command("fetch")
        .description("copy one: whole, and the site's")
        .option("--to <folder>", "a folder")
        .option("--site <file>", "the site's configuration")
        .option("--point <id>", "its id")
        .option("--json", "print JSON"),
    ),
);
program.addCommand(completionCommand(program));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "completion-"));
  writeFileSync(join(folder, "club.yaml"), "");
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

async function script(shell: string): Promise<string> {
  const written: unknown[] = [];
  const log = console.log;
  console.log = (text: unknown) => written.push(text);
  try {
    await program.parseAsync(["completion", shell], { from: "user" });
  } finally {
    console.log = log;
  }
  const file = join(folder, `recovery.${shell}`);
  writeFileSync(file, `${written.join("\n")}\n`);
  return file;
}

const has = (shell: string) => {
  try {
    execFileSync(shell, ["-c", "true"]);
    return true;
  } catch {
    return false;
  }
};

test("every command is a place, with what may follow it", () => {
  expect(placesOf(program).map(({ words, commands }) => [words, commands.map(({ name }) => name)])).toEqual([
    ["", ["points", "completion"]],
    ["points", ["fetch"]],
    ["points fetch", []],
    ["completion", []],
  ]);
  expect(placesOf(program)[2]?.options.map(({ long, takes }) => [long, takes])).toEqual([
    ["--to", "folder"],
    ["--site", "file"],
    ["--point", "text"],
    ["--json", "nothing"],
    ["--help", "nothing"],
  ]);
});

const asked: [string, string[]][] = [
  ["recovery po", ["points"]],
  ["recovery points ", ["--help", "fetch"]],
  ["recovery points fetch --j", ["--json"]],
  ["recovery points fetch some-id --site club.yaml --to", ["--to"]],
  ["recovery points fetch --site clu", ["club.yaml"]],
  ["recovery points fetch --point ", []],
];

describe("bash", () => {
  test.each(asked)("after '%s' offers %j", async (line, expected) => {
    const file = await script("bash");
    const words = line.split(" ");
    const ask = `
      compopt() { COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}")); }
      source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _recovery; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const offered = execFileSync("bash", ["-c", ask, file, ...words], { cwd: folder, encoding: "utf8" });
    expect(offered.split("\n").filter(Boolean).sort()).toEqual(expected);
  });
});

describe.skipIf(!has("fish"))("fish", () => {
  test.each(asked.filter(([line]) => !line.endsWith(" ") || line.endsWith("points ")))(
    "after '%s' offers %j",
    async (line, expected) => {
      const file = await script("fish");
      const offered = execFileSync(
        "fish",
        ["--no-config", "-c", `source ${file}; complete -C ${JSON.stringify(line)}`],
        {
          cwd: folder,
          env: { ...process.env, HOME: folder },
          encoding: "utf8",
        },
      );
      const names = offered
        .split("\n")
        .map((one) => one.split("\t")[0] ?? "")
        .filter(Boolean);
      // fish offers options only once a dash was typed.
      expect(names.sort()).toEqual(expected.filter((one) => !one.startsWith("--") || line.includes("-")));
    },
  );
});

describe.skipIf(!has("zsh"))("zsh", () => {
  test.each(asked)("after '%s' offers what begins so among %j", async (line, expected) => {
    const file = await script("zsh");
    // The completion system itself wants a terminal; what it is given does not.
    const ask = `
      compdef() { : }; _describe() { print -l -- "\${offered[@]%%:*}" }; _files() { print -l -- *.yaml }
      source $0; words=("$@"); CURRENT=$#; _recovery`;
    const words = line.split(" ");
    const offered = execFileSync("zsh", ["-f", "-c", ask, file, ...words], { cwd: folder, encoding: "utf8" });
    const typed = words.at(-1) ?? "";
    expect(
      offered
        .split("\n")
        .filter((one) => one !== "" && one.startsWith(typed))
        .sort(),
    ).toEqual(expected);
  });
});
