/** The end of a command's help: lines that can be pasted, and where the exit codes are told. */
export function examples(...lines: string[]): string {
  return ["", "For example:", ...lines.map((line) => `  npx recovery ${line}`), "", exitCodesHint].join("\n");
}

const exitCodesHint = "What the exit codes mean: npx recovery --help";
