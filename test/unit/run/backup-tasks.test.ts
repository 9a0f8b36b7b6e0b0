import { expect, test } from "vitest";
import { backupTasks } from "../../../run/backup-tasks.ts";
import { exitCodes } from "../../../site/operator-error.ts";
import { siteSchema } from "../../../site/schema.ts";
import type { RunOptions, RunResult } from "../../../ssh/connection.ts";
import { written } from "../runbook/small-site.ts";

const signers = ["ssh-ed25519 AAAA web1", "ssh-ed25519 BBBB"];
const site = siteSchema.parse({ ...written, restorePoints: { signers } });

/** Asks a server that answers so; what it was given is kept. */
async function asked(answer: Partial<RunResult>): Promise<{ tasks: string[]; given: unknown }> {
  let given: unknown;
  const run = (_: string, { stdin }: RunOptions) => {
    given = stdin;
    return Promise.resolve({ exitCode: 0, stdout: "", stderr: "", ...answer });
  };
  return { tasks: await backupTasks({ run }, site, new AbortController().signal), given };
}

test("a server is told the signers of site.yaml, and its answer is a task a line, with nothing that a terminal acts on", async () => {
  expect(await asked({ stdout: "add a key\n\u001B[2Jlet a store\n" })).toEqual({
    tasks: ["add a key", "[2Jlet a store"],
    given: "ssh-ed25519 AAAA web1\nssh-ed25519 BBBB\n",
  });
  expect((await asked({})).tasks).toEqual([]);
});

test.each([
  ["jq: error\nno settings\u0007\n", "no settings"],
  ["", "it ended with 1"],
])("one that does not answer is an error, with its last words: %j", async (stderr, why) => {
  await expect(asked({ exitCode: 1, stderr })).rejects.toMatchObject({ exitCode: exitCodes.failed, why });
});
