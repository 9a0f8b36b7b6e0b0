import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, rm } from "node:fs/promises";

/** A folder that is there as long as the process that made it, at most. */
export interface ThrowAwayFolder {
  path: string;
  /** Removes it with all that is in it. */
  remove(): Promise<void>;
}

// The pipe from the operator's process ends when that does, kill -9 included. What still writes into the folder is being
// ended at the same moment, so it is looked at again. A run's folder that holds nothing else then is of no use either.
const removeScript = `
trap '' HUP INT TERM
cat >/dev/null
for round in 1 2 3 4 5 6; do
  rm -rf -- "$1"
  sleep 0.5
done
rmdir -- "\${1%/*}" 2>/dev/null
`;

/** Makes a folder that only this user can look into, which ends with this process, however that ends. */
export async function throwAwayFolder(path: string): Promise<ThrowAwayFolder> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const remover = spawn("bash", ["-c", removeScript, "remover", path], {
    cwd: "/",
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  remover.unref();
  const { stdin } = remover;
  stdin.on("error", () => undefined);
  (stdin as unknown as { unref(): void }).unref(); // a pipe to a child is a socket
  return {
    path,
    remove: async () => {
      await rm(path, { recursive: true, force: true });
      remover.ref();
      const ended = once(remover, "exit");
      remover.kill("SIGKILL");
      await ended;
    },
  };
}
