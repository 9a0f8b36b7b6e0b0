import { execa } from "execa";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));

export interface Outcome {
  exitCode: number | undefined;
  stdout: string;
  stderr: string;
}

/** Runs the command line as an operator does, without a terminal. */
export async function recovery(
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Outcome> {
  const { exitCode, stdout, stderr } = await execa("node", [`${root}scripts/recovery.js`, ...args], {
    cwd: options.cwd ?? root,
    env: { COLUMNS: "100", ...options.env },
    reject: false,
    stdin: "ignore",
    timeout: 60_000,
  });
  return { exitCode, stdout, stderr };
}
