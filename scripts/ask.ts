import { createInterface } from "node:readline/promises";

/** Whether there is somebody to ask. */
export function atTerminal(): boolean {
  return process.stdin.isTTY;
}

/** Asks on the terminal and gives the answer without spaces around it. Progress goes to stderr, and so do questions. */
export async function ask(question: string): Promise<string> {
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await prompt.question(question)).trim();
  } finally {
    prompt.close();
  }
}
