import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** Only root can let a command see another /etc than there is. */
export const isRoot = process.getuid?.() === 0;

export interface ProtectedServer {
  /** Words that stand before a command: it runs in a mount namespace of its own, in which this computer is that server. */
  as: string[];
  remove(): void;
}

/** A server that makes its own backups, as far as its files in /etc tell: they lie over those of this computer. */
export function protectedServer(files: Record<string, string> = {}): ProtectedServer {
  const etc = mkdtempSync(join(tmpdir(), "protected-server-"));
  for (const [name, text] of Object.entries({ "site-backup/settings.json": "{}\n", ...files })) {
    const file = join(etc, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  return {
    as: [
      ...["unshare", "--mount", "bash", "-c"],
      'mount -t overlay overlay -o "lowerdir=$0:/etc" /etc && exec "$@"',
      etc,
    ],
    remove: () => {
      rmSync(etc, { recursive: true });
    },
  };
}
