import { z } from "zod";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { connect, type SshTarget } from "../ssh/connection.ts";
import { hostDocument } from "./host-document.ts";

/** By channel (mail, webhook, deadMan): null when it took a test, else why not. */
const resultsSchema = z.record(
  z.string(),
  // A server that was broken into may say anything: nothing that a terminal acts on.
  z
    .string()
    .transform((text) => text.replaceAll(/\p{Cc}/gu, ""))
    .nullable(),
);

/** Has a protected server send a test to all that its alerts go to. Throws OperatorError when it does not say what became of it. */
export async function testAlert(
  target: SshTarget,
  signal: AbortSignal,
): Promise<z.infer<typeof resultsSchema>> {
  const connection = await connect(target, { signal });
  try {
    const { stdout, stderr } = await connection.run(
      "/usr/local/lib/recovery/current/resident/alert --test",
      // Each channel has three attempts.
      { timeoutSeconds: 600, signal },
    );
    const results = hostDocument(resultsSchema, stdout);
    if (results) return results;
    throw new OperatorError(
      exitCodes.failed,
      "no test was sent",
      stderr.trim().split("\n").at(-1) ?? "the server did not say why",
      "npx recovery protect puts there what it needs: docs/backups.md",
    );
  } finally {
    await connection.close();
  }
}
