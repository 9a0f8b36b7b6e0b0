import { spawn } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { execa } from "execa";
import { exitCodes, OperatorError } from "../site/operator-error.ts";

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

// The pipe from the operator's process ends when that does, kill -9 included. Not by `ssh-agent COMMAND`, which looks only
// every 10 s whether its command is still there. Its first line of output comes when it listens.
const agentScript = `
ssh-agent -D -a "$1/agent" </dev/null &
exec >/dev/null
cat
kill -KILL $!
rm -rf -- "$1"
`;

/** Starts an ssh agent that ends with this process, however that ends. Throws OperatorError (missing here). */
export async function startAgent(): Promise<ThrowAwayAgent> {
  const folder = await mkdtemp(join(tmpdir(), "recovery-agent-"));
  const socketPath = join(folder, "agent");
  const privateKeyFile = join(folder, "key");
  await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "recovery", "-f", privateKeyFile]);
  const agent = spawn("bash", ["-c", agentScript, "agent", folder], {
    stdio: ["pipe", "pipe", "ignore"],
    detached: true,
  });
  const [listening] = (await Promise.race([once(agent.stdout, "data"), once(agent.stdout, "end")])) as [
    Buffer?,
  ];
  if (listening === undefined) {
    agent.stdin.destroy();
    throw new OperatorError(
      exitCodes.missingHere,
      "an ssh agent could not be started",
      `ssh-agent ended, or is not there; its socket would have been ${socketPath}`,
      "install it: apt-get install openssh-client; a path longer than 100 characters needs a shorter TMPDIR",
    );
  }
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
