import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { createInterface } from "node:readline";

// `cat` ends, and the lock with it, once the pipe from the operator's process closes.
const holdScript = `
command -v flock >/dev/null || exit 0
exec 9>>"$1"
flock --nonblock 9 || { echo waiting; flock 9; }
echo held
exec cat >/dev/null
`;

/**
 * Does something while nobody else on this computer does it under the same lock file. The kernel holds the lock
 * (flock), so it ends with its owner however that one ends, and whoever waits goes on at once.
 * Without flock(1), as on macOS, it goes on without a lock: use it for work that is harmless when done twice.
 *
 * @param onWait called when another holds the lock
 * @throws the signal's reason when it fires while waiting
 */
export async function exclusively<Result>(
  lockFile: string,
  onWait: () => void,
  signal: AbortSignal | undefined,
  act: () => Promise<Result>,
): Promise<Result> {
  signal?.throwIfAborted();
  await mkdir(dirname(lockFile), { recursive: true, mode: 0o700 });
  const holder = spawn("bash", ["-c", holdScript, "lock", lockFile], {
    stdio: ["pipe", "pipe", "inherit"],
    // A session of its own: a Ctrl-C in the terminal must not open the lock before its owner has ended.
    detached: true,
    ...(signal && { signal }),
  });
  const ended = new Promise<void>((resolve) =>
    holder.once("close", resolve).once("error", () => {
      resolve();
    }),
  );
  const held = new Promise<void>((resolve) => {
    createInterface({ input: holder.stdout }).on("line", (line) => {
      if (line === "held") resolve();
      else onWait();
    });
  });
  await Promise.race([held, ended]);
  try {
    signal?.throwIfAborted();
    return await act();
  } finally {
    holder.stdin.end();
    await ended;
  }
}
