import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net, { type AddressInfo } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { ensureDebianPackages } from "../../machines/debian-packages.ts";
import type { SshTarget } from "../../ssh/connection.ts";

export interface LoopbackSshd {
  /** Everything of it lies here; removed by `close`. */
  folder: string;
  target: SshTarget;
  /** The ssh_host_ecdsa key of the same server. */
  ecdsaHostKey: string;
  /** sshd's log so far. */
  log(): string;
  /** Ends every connection that is open, without a word to the other side; it goes on listening. */
  cut(): void;
  /** Stops what serves the open connections: they stay, and are silent. Ended by `cut`. */
  freeze(): void;
  close(): void;
}

/** A real sshd on a port of 127.0.0.1 and a real ssh agent with a key that it lets in. */
export async function startSshd(): Promise<LoopbackSshd> {
  await ensureDebianPackages([{ command: "sshd", package: "openssh-server" }], (line) => {
    process.stderr.write(`${line}\n`);
  });
  const folder = mkdtempSync(join(tmpdir(), "recovery-test-sshd-"));
  makeKey(folder, "host", "ed25519");
  makeKey(folder, "host-ecdsa", "ecdsa");
  makeKey(folder, "login", "ed25519");
  const port = await freePort();
  writeFileSync(
    join(folder, "sshd_config"),
    [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${folder}/host`,
      `HostKey ${folder}/host-ecdsa`,
      `AuthorizedKeysFile ${folder}/login.pub`,
      "PermitRootLogin prohibit-password",
      "PasswordAuthentication no",
      "KbdInteractiveAuthentication no",
      "UsePAM no",
      "StrictModes no",
      "PidFile none",
      "Subsystem sftp internal-sftp",
      "",
    ].join("\n"),
  );
  mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  let log = "";
  const sshd = spawn("/usr/sbin/sshd", ["-D", "-e", "-f", join(folder, "sshd_config")], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  sshd.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
  await says(sshd, sshd.stderr, "Server listening");
  const agent = await startAgent(folder, "agent", ["login"]);
  const publicKey = (name: string) => readFileSync(join(folder, `${name}.pub`), "utf8").trim();
  return {
    folder,
    target: {
      address: "127.0.0.1",
      port,
      user: userInfo().username,
      hostKey: publicKey("host"),
      agentSocketPath: agent.socketPath,
    },
    ecdsaHostKey: publicKey("host-ecdsa"),
    log: () => log,
    cut: () => {
      execFileSync("pkill", ["-KILL", "-P", String(sshd.pid)]);
    },
    freeze: () => {
      execFileSync("pkill", ["-STOP", "-P", String(sshd.pid)]);
    },
    close: () => {
      agent.close();
      sshd.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function makeKey(folder: string, name: string, type: "ed25519" | "ecdsa"): void {
  execFileSync("ssh-keygen", ["-q", "-t", type, "-N", "", "-C", name, "-f", join(folder, name)]);
}

/** An ssh agent that holds the named keys of the folder. */
export async function startAgent(
  folder: string,
  name: string,
  keys: string[],
): Promise<{ socketPath: string; close(): void }> {
  const socketPath = join(folder, name);
  const agent = spawn("ssh-agent", ["-D", "-a", socketPath], { stdio: ["ignore", "pipe", "ignore"] });
  await says(agent, agent.stdout, "SSH_AUTH_SOCK");
  for (const key of keys)
    execFileSync("ssh-add", ["-q", join(folder, key)], {
      env: { ...process.env, SSH_AUTH_SOCK: socketPath },
    });
  return { socketPath, close: () => agent.kill() };
}

/** Resolves when the stream has said the text; rejects when the process ends first. */
export function says(child: ChildProcess, stream: Readable, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    stream.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes(text)) resolve(said);
    });
    child.once("error", reject);
    child.once("exit", () => {
      reject(new Error(`ended before it said "${text}": ${said}`));
    });
  });
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
