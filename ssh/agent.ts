import { spawn } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { execa } from "execa";

/** An ssh agent with one key of its own, made for one run. */
export interface ThrowAwayAgent {
  /** For SSH_AUTH_SOCK. */
  socketPath: string;
  /** `ssh-ed25519 AAAA… recovery`, for authorized_keys. */
  publicKey: string;
  /** Writes the private key to a file that only this user reads, for a host that is kept. */
  saveKey(path: string): Promise<void>;
  close(): Promise<void>;
}

/** Starts an ssh agent that ends with this process, however that ends. */
export async function startAgent(): Promise<ThrowAwayAgent> {
  const folder = await mkdtemp(join(tmpdir(), "recovery-agent-"));
  const socketPath = join(folder, "agent");
  const privateKeyFile = join(folder, "key");
  await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "recovery", "-f", privateKeyFile]);
  // The agent lives as long as its command: a shell that waits for the end of a pipe which only this process holds.
  const agent = spawn(
    "ssh-agent",
    ["-a", socketPath, "sh", "-c", 'echo; cat >/dev/null; rm -rf "$0"', folder],
    {
      stdio: ["pipe", "pipe", "ignore"],
      detached: true,
    },
  );
  await once(agent.stdout, "data");
  await execa("ssh-add", ["-q", privateKeyFile], { env: { SSH_AUTH_SOCK: socketPath } });
  agent.unref();
  for (const stream of [agent.stdin, agent.stdout]) (stream as unknown as { unref(): void }).unref();
  return {
    socketPath,
    saveKey: (path) => copyFile(privateKeyFile, path),
    publicKey: (await readFile(`${privateKeyFile}.pub`, "utf8")).trim(),
    close: async () => {
      agent.ref();
      const ended = once(agent, "exit");
      agent.stdin.destroy();
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
