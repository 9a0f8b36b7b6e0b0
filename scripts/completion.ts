import { Argument, Command, type Option } from "commander";
import { examples } from "./examples.ts";

/** What a shell may offer after some words of the command line. */
interface Place {
  /** The names of commands that lead here, such as "points show"; empty for `recovery` itself. */
  words: string;
  commands: { name: string; description: string }[];
  options: { long: string; description: string; takes: "nothing" | "file" | "folder" | "text" }[];
}

/**
 * The scripts are made from the commands as they are defined, and then stand alone: a program that is asked at every press of
 * Tab, as completion libraries do it, takes seconds to start.
 */
export function completionCommand(program: Command): Command {
  return new Command("completion")
    .description("print a script that completes commands and options in a shell")
    .addArgument(new Argument("<shell>", "the shell that is used").choices(Object.keys(writers)))
    .addHelpText(
      "after",
      [
        examples(
          "completion bash >> ~/.bashrc",
          "completion fish > ~/.config/fish/completions/recovery.fish",
        ),
        "It completes `recovery`: npm link, in this folder, makes that a command of its own.",
      ].join("\n"),
    )
    .action((shell: keyof typeof writers) => {
      console.log(writers[shell](placesOf(program)));
    });
}

const writers = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

/** Every command with what may follow it, `recovery` itself first. */
export function placesOf(command: Command, words: readonly string[] = []): Place[] {
  const here: Place = {
    words: words.join(" "),
    commands: command.commands.map((one) => ({ name: one.name(), description: one.description() })),
    options: [
      ...command.options.flatMap(described),
      { long: "--help", description: "display help", takes: "nothing" },
    ],
  };
  return [here, ...command.commands.flatMap((one) => placesOf(one, [...words, one.name()]))];
}

function described({ long, description, flags }: Option): Place["options"] {
  if (long === undefined) return [];
  const takes = flags.includes("<file>")
    ? "file"
    : flags.includes("<folder>")
      ? "folder"
      : flags.includes("<")
        ? "text"
        : "nothing";
  return [{ long, description, takes }];
}

function bashCompletion(places: Place[]): string {
  const cases = places.map(
    ({ words, commands, options }) =>
      `    ${quoted(words)}) words=${quoted([...commands.map(({ name }) => name), ...options.map(({ long }) => long)].join(" "))} ;;`,
  );
  return `# bash completion of recovery; made by: recovery completion bash
_recovery() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} at="" word words=""
  COMPREPLY=()
  case $previous in
    ${optionsThatTake(places, "file", "folder").join("|")}) compopt -o default; return ;;
    ${optionsThatTake(places, "text").join("|")}) return ;;
  esac
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${at:+$at }$word" in
      ${places.flatMap(({ words }) => (words === "" ? [] : [quoted(words)])).join("|")}) at="\${at:+$at }$word" ;;
    esac
  done
  case $at in
${cases.join("\n")}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _recovery recovery`;
}

function zshCompletion(places: Place[]): string {
  const entry = (name: string, description: string) =>
    quoted(`${name.replaceAll(":", "\\:")}:${description}`);
  const cases = places.map(({ words, commands, options }) => {
    const all = [
      ...commands.map(({ name, description }) => entry(name, description)),
      ...options.map(({ long, description }) => entry(long, description)),
    ];
    return `    ${quoted(words)}) offered=(${all.join(" ")}) ;;`;
  });
  return `#compdef recovery
# zsh completion of recovery; made by: recovery completion zsh
_recovery() {
  local at="" word
  local -a offered
  case $words[CURRENT-1] in
    ${optionsThatTake(places, "file", "folder").join("|")}) _files; return ;;
    ${optionsThatTake(places, "text").join("|")}) return ;;
  esac
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "\${at:+$at }$word" in
      ${places.flatMap(({ words }) => (words === "" ? [] : [quoted(words)])).join("|")}) at="\${at:+$at }$word" ;;
    esac
  done
  case $at in
${cases.join("\n")}
  esac
  _describe recovery offered
}
compdef _recovery recovery`;
}

function fishCompletion(places: Place[]): string {
  const paths = places.flatMap(({ words }) => (words === "" ? [] : [quoted(words)]));
  const lines = places.flatMap(({ words, commands, options }) => {
    const here = `complete -c recovery -n ${quoted(`test (__recovery_at) = ${JSON.stringify(words)}`)}`;
    return [
      ...commands.map(({ name, description }) => `${here} -f -a ${name} -d ${quoted(description)}`),
      ...options.map(({ long, description, takes }) => {
        const value = { nothing: " -f", file: " -r -F", folder: " -r -F", text: " -x" }[takes];
        return `${here} -l ${long.slice(2)} -d ${quoted(description)}${value}`;
      }),
    ];
  });
  return `# fish completion of recovery; made by: recovery completion fish
function __recovery_at
  set -l at ""
  for word in (commandline -opc)[2..-1]
    set -l longer (string trim -- "$at $word")
    if contains -- $longer ${paths.join(" ")}
      set at $longer
    end
  end
  echo $at
end
complete -c recovery -f
${lines.join("\n")}`;
}

/** Options by what follows them, each once. */
function optionsThatTake(places: Place[], ...kinds: Place["options"][number]["takes"][]): string[] {
  const options = places.flatMap((place) => place.options);
  return [...new Set(options.filter(({ takes }) => kinds.includes(takes)).map(({ long }) => long))];
}

/** A text in single quotes; all three shells read it so. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
