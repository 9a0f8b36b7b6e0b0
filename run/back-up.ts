import { z } from "zod";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { connect, type SshTarget } from "../ssh/connection.ts";
import { Lines } from "../ssh/lines.ts";
import { hostDocument } from "./host-document.ts";

const outcomeSchema = z.object({
  /** Its id; null when none was made. */
  point: z.string().nullable(),
  /** Complete, and sent to every store that it should be sent to. */
  ok: z.boolean(),
  /** By store: null when it is there, else why it is not. */
  sent: z.record(z.string(), z.string().nullable()),
  /** Ids of the points that the server no longer keeps. */
  removed: z.array(z.string()),
  /** UTC, ISO 8601. */
  endedAt: z.string(),
});

/** What became of a backup. */
export type BackupOutcome = z.infer<typeof outcomeSchema>;

/** As long as the server's own unit may take. */
const limitSeconds = 12 * 3600;

/**
 * Has a protected server make a backup now, which nobody removes: tier manual. It goes on there when this computer is gone.
 * `said` is told each line of what the server says.
 *
 * @throws OperatorError when the server makes no backups (4), or its answer is none (1).
 */
export async function backUp(
  target: SshTarget,
  { database, said, signal }: { database: boolean; said: (line: string) => void; signal: AbortSignal },
): Promise<BackupOutcome> {
  const connection = await connect(target, { signal });
  try {
    const { exitCode } = await connection.run("test -s /etc/site-backup/settings.json", {
      timeoutSeconds: 30,
      signal,
    });
    if (exitCode !== 0) {
      throw new OperatorError(
        exitCodes.refused,
        "this server makes no backups",
        "there is no /etc/site-backup/settings.json on it",
        "npx recovery protect puts there what it needs: docs/backups.md",
      );
    }
    const instance = database ? "manual-database" : "manual";
    // A server that was broken into may say anything: nothing that a terminal acts on.
    const lines = new Lines((line) => {
      said(line.replaceAll(/\p{Cc}/gu, ""));
    });
    const result = await connection.run(`/usr/local/lib/recovery/current/resident/now ${instance}`, {
      timeoutSeconds: limitSeconds,
      signal,
      onOutput: (chunk, stream) => {
        if (stream === "stderr") lines.add(chunk);
      },
    });
    lines.end();
    const outcome = hostDocument(outcomeSchema, result.stdout);
    if (outcome) return outcome;
    throw new OperatorError(
      exitCodes.failed,
      "no backup was made",
      result.stderr.trim().split("\n").at(-1) ?? "the server did not say why",
      `on the server: journalctl -u site-backup@${instance}`,
    );
  } finally {
    await connection.close();
  }
}
