import { execa } from "execa";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));

export interface Outcome {
  exitCode: number | undefined;
  stdout: string;
  stderr: string;
}

/** Runs the command line as an operator does, without a terminal; `as` are words that stand before it. */
export async function recovery(
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string>; as?: readonly string[] } = {},
): Promise<Outcome> {
  const [command = "", ...words] = [...(options.as ?? []), "node", `${root}scripts/recovery.js`, ...args];
  const { exitCode, stdout, stderr } = await execa(command, words, {
    cwd: options.cwd ?? root,
    env: { COLUMNS: "100", ...options.env },
    reject: false,
    stdin: "ignore",
    timeout: 60_000,
  });
  return { exitCode, stdout, stderr };
}
