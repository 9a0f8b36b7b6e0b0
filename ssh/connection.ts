import net from "node:net";
import { constants } from "node:os";
import { Readable } from "node:stream";
import ssh2, { type ClientChannel, type ParsedKey } from "ssh2";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import * as failure from "./failure.ts";
import { algorithmsFor, fingerprint, parseHostKey } from "./host-key.ts";

export { fingerprint } from "./host-key.ts";

export interface SshTarget {
  /** Address or name. */
  address: string;
  port: number;
  user: string;
  /** The host's public key, `ssh-ed25519 AAAA…`; compared exactly. A comment behind it is ignored. */
  hostKey: string;
  /** Socket of the ssh agent that logs in; SSH_AUTH_SOCK by default. */
  agentSocketPath?: string;
}

export interface ConnectOptions {
  /** Limit for all of it: dial, key exchange, log in. 15 by default. */
  timeoutSeconds?: number;
  /** How often the host must give a sign of life; it counts as lost when three are missing. 5 by default. */
  keepaliveSeconds?: number;
  /** Ends the attempt. */
  signal?: AbortSignal;
}

export interface RunOptions {
  /** Bytes for the command's standard input, which ends after them; without, it is empty. */
  stdin?: string | Buffer | Readable;
  /** Limit for the command; then the run fails and the command is sent SIGTERM (which sshd keeps from root's). */
  timeoutSeconds: number;
  /** Called with each piece of output as it arrives. */
  onOutput?: (chunk: Buffer, stream: "stdout" | "stderr") => void;
  /** Ends the run as the time limit does. */
  signal?: AbortSignal;
}

export interface RunResult {
  /** As a shell counts: 128 + its number when a signal ended the command. */
  exitCode: number;
  /** Such as "SIGTERM", when one ended the command. */
  signal?: string;
  stdout: string;
  stderr: string;
}

export interface ReverseForward {
  /** On the host's 127.0.0.1. */
  remotePort: number;
  /** Stops listening on the host and cuts what is connected. */
  close(): Promise<void>;
}

/** What is kept of each of stdout and stderr. Steps print lines; bulk data goes to files on the host. */
const outputLimitBytes = 64 * 1024 ** 2;
const missedSignsOfLife = 3;

/**
 * Logs in with the keys of an ssh agent. Bounded in every phase.
 * Throws OperatorError. What may pass when tried again is `failed`: unreachable, silent, ended early. What will not is
 * `refused` (another host key), `missingHere` (no agent, or none of its keys let in) or `interrupted` (cancelled).
 */
export async function connect(target: SshTarget, options: ConnectOptions = {}): Promise<SshConnection> {
  const { timeoutSeconds = 15, keepaliveSeconds = 5, signal } = options;
  const host = `${target.address}:${target.port}`;
  const pinned = parseHostKey(target.hostKey);
  const agentPath = target.agentSocketPath ?? process.env["SSH_AUTH_SOCK"];
  if (agentPath === undefined || agentPath === "") throw failure.noAgent(host);

  const agent = new RecordingAgent(agentPath);
  const socket = net.connect({ host: target.address, port: target.port });
  const client = new ssh2.Client();
  let phase: failure.Phase = "connect";

  return new Promise((resolve, reject) => {
    const fail = (error: OperatorError) => {
      finish();
      // An error that follows from tearing down says nothing new, but unheard it would end the process.
      client.on("error", () => undefined);
      socket.on("error", () => undefined);
      socket.destroy();
      reject(error);
    };
    const finish = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      client.removeAllListeners();
    };
    const onAbort = () => {
      fail(failure.interrupted(host, "while logging in"));
    };
    const timer = setTimeout(() => {
      fail(failure.noAnswer(host, phase, timeoutSeconds));
    }, timeoutSeconds * 1000);

    client
      .on("connect", () => {
        phase = "greeting";
        socket.once("data", () => {
          phase = "key exchange";
        });
      })
      .on("handshake", () => {
        phase = "authentication";
      })
      .on("error", (error) => {
        const level = (error as Error & { level?: string }).level;
        if (level === "agent") return; // the next error says that no method is left
        if (agent.failed !== undefined) fail(failure.agentFailed(host, agentPath, agent.failed));
        else if (level === "client-authentication")
          fail(failure.authenticationRefused(host, target.user, agentPath, agent.offered));
        else if (error.message.includes("no matching host key format"))
          fail(failure.hostKeyDiffers(host, fingerprint(pinned.blob), undefined));
        else if (phase === "connect") fail(failure.unreachable(host, error));
        else if (phase === "authentication" && /too many authentication failures/i.test(error.message))
          fail(
            failure.authenticationRefused(host, target.user, agentPath, agent.offered, error.message.trim()),
          );
        else fail(failure.endedEarly(host, phase, error));
      })
      .on("close", () => {
        fail(failure.endedEarly(host, phase));
      })
      .on("ready", () => {
        finish();
        resolve(
          new SshConnection(host, publicKey(pinned.type, pinned.blob), client, socket, keepaliveSeconds),
        );
      });
    if (signal?.aborted === true) {
      onAbort();
      return;
    }
    signal?.addEventListener("abort", onAbort);
    client.connect({
      sock: socket,
      username: target.user,
      readyTimeout: 0, // the timer above knows in which phase it strikes
      keepaliveInterval: 0, // SshConnection has its own, which can be unreferenced
      algorithms: { serverHostKey: algorithmsFor(pinned) },
      hostVerifier: (shown: Buffer) => {
        if (shown.equals(pinned.blob)) return true;
        fail(failure.hostKeyDiffers(host, fingerprint(pinned.blob), fingerprint(shown)));
        return false;
      },
      agent,
      authHandler: ["agent"],
    });
  });
}

/** An ssh agent that remembers what it offered, so that a refusal can name it. */
class RecordingAgent extends ssh2.BaseAgent<ParsedKey> {
  offered: failure.OfferedKey[] = [];
  failed: Error | undefined;
  readonly #agent: ssh2.BaseAgent;

  constructor(socketPath: string) {
    super();
    this.#agent = ssh2.createAgent(socketPath);
  }

  override getIdentities(callback: (error: Error | null | undefined, keys?: ParsedKey[]) => void): void {
    this.#agent.getIdentities((error, keys) => {
      if (error) {
        this.failed = error;
        callback(error);
        return;
      }
      const parsed = (keys ?? []) as ParsedKey[];
      this.offered = parsed.map((key) => ({
        type: key.type,
        fingerprint: fingerprint(key.getPublicSSH()),
        comment: key.comment,
      }));
      callback(undefined, parsed);
    });
  }

  override sign(...args: unknown[]): void {
    (this.#agent.sign as (...args: unknown[]) => void).apply(this.#agent, args);
  }
}

/** A logged-in connection to one host. */
export class SshConnection {
  /** Resolves when the connection is gone, whoever ended it. */
  readonly closed: Promise<void>;
  readonly #host: string;
  readonly #client: ssh2.Client;
  readonly #socket: net.Socket;
  readonly #forwards = new Map<number, (channel: ClientChannel) => void>();
  readonly #forwarded = new Set<net.Socket>();
  readonly #hostKeys: Set<string>;
  #running = 0;
  #unreferenced = false;
  #ended: string | undefined;

  /** @internal Made by `connect`. */
  constructor(
    host: string,
    hostKey: string,
    client: ssh2.Client,
    socket: net.Socket,
    keepaliveSeconds: number,
  ) {
    this.#host = host;
    this.#hostKeys = new Set([hostKey]);
    this.#client = client;
    this.#socket = socket;
    client.on("error", (error) => {
      this.#ended ??= `${error.message}.`;
    });
    client.on("hostkeys", (keys) => {
      for (const key of keys) this.#hostKeys.add(publicKey(key.type, key.getPublicSSH()));
    });
    client.on("tcp connection", (details, accept, reject) => {
      const forward = this.#forwards.get(details.destPort);
      if (forward === undefined) reject();
      else forward(accept());
    });
    const keepalive = this.#keepAlive(keepaliveSeconds);
    this.closed = new Promise((resolve) => {
      client.once("close", () => {
        clearInterval(keepalive);
        this.#ended ??= "The host or something on the way ended it.";
        for (const local of this.#forwarded) local.destroy();
        resolve();
      });
    });
  }

  /**
   * Runs a command through the user's shell. A command that exits with another code than 0 is a result, not an error.
   * Throws OperatorError: took too long, connection lost, too much output (failed), cancelled (interrupted).
   */
  async run(command: string, options: RunOptions): Promise<RunResult> {
    const shown = firstLine(command);
    const host = this.#host;
    this.#reference();
    try {
      return await new Promise<RunResult>((resolve, reject) => {
        let channel: ClientChannel | undefined;
        let settled = false;
        const settle = (act: () => void) => {
          if (settled) return;
          settled = true;
          clearTimeout(timer);
          options.signal?.removeEventListener("abort", onAbort);
          if (options.stdin instanceof Readable) options.stdin.destroy();
          act();
        };
        const stop = (error: OperatorError) => {
          settle(() => {
            if (channel !== undefined) terminate(channel);
            reject(error);
          });
        };
        const onAbort = () => {
          stop(failure.interrupted(host, `while '${shown}' ran`));
        };
        const timer = setTimeout(() => {
          stop(failure.ranTooLong(host, shown, options.timeoutSeconds));
        }, options.timeoutSeconds * 1000);
        const lost = () => {
          stop(failure.connectionLost(host, `while '${shown}' ran`, this.#ended ?? "It was closed here."));
        };
        void this.closed.then(lost);
        if (options.signal?.aborted === true) {
          onAbort();
          return;
        }
        if (this.#ended !== undefined) {
          lost();
          return;
        }
        options.signal?.addEventListener("abort", onAbort);

        this.#client.exec(command, (error, opened) => {
          if (error !== undefined) {
            if (this.#ended === undefined && this.#socket.writable)
              stop(
                new OperatorError(
                  exitCodes.failed,
                  `${host} did not start '${shown}'.`,
                  `${error.message}.`,
                  "Look at sshd's log on the host: MaxSessions, a forced command, or the account's shell.",
                  { cause: error },
                ),
              );
            return; // otherwise `closed` tells
          }
          channel = opened;
          if (settled) {
            terminate(opened);
            return;
          }
          let exit: Pick<RunResult, "exitCode" | "signal"> | undefined;
          const collect = (stream: Readable, name: "stdout" | "stderr") => {
            const chunks: Buffer[] = [];
            let bytes = 0;
            stream.on("data", (chunk: Buffer) => {
              if (settled) return;
              bytes += chunk.length;
              if (bytes > outputLimitBytes) {
                chunks.length = 0;
                stop(failure.tooMuchOutput(host, shown, outputLimitBytes));
                return;
              }
              chunks.push(chunk);
              options.onOutput?.(chunk, name);
            });
            return chunks;
          };
          const stdout = collect(opened, "stdout");
          const stderr = collect(opened.stderr, "stderr");
          opened
            .on("exit", (code: number | null, signal?: string) => {
              exit = code === null ? endedBySignal(signal ?? "") : { exitCode: code };
            })
            .on("close", () => {
              if (exit === undefined) {
                // The connection's own end comes as an event of its own, right behind this one.
                setImmediate(() => {
                  stop(
                    failure.connectionLost(
                      host,
                      `while '${shown}' ran`,
                      this.#ended ?? "The host closed the channel without telling how the command ended.",
                    ),
                  );
                });
                return;
              }
              const ended = exit;
              settle(() => {
                resolve({
                  ...ended,
                  stdout: Buffer.concat(stdout).toString(),
                  stderr: Buffer.concat(stderr).toString(),
                });
              });
            });
          // A command that ends without reading all of its input is no error.
          opened.on("error", () => undefined);
          if (options.stdin instanceof Readable) {
            options.stdin.on("error", (cause) => {
              stop(
                new OperatorError(
                  exitCodes.failed,
                  `The input for '${shown}' on ${host} could not be read.`,
                  `${cause.message}.`,
                  "Mend what is read here, then run the same command again.",
                  { cause },
                ),
              );
            });
            options.stdin.pipe(opened);
          } else {
            opened.end(options.stdin);
          }
        });
      });
    } finally {
      this.#release();
    }
  }

  /**
   * Starts a command that stays for as long as this connection does, hands it one input, and returns its first line of
   * output. The command gets an empty line every 15 s: one that hears nothing for longer may take its owner for dead.
   * Throws OperatorError when it ends first: its code is the error's when that is 4 (refused), else 1; stderr tells why.
   */
  async hold(command: string, input: string, timeoutSeconds: number): Promise<string> {
    const host = this.#host;
    const shown = firstLine(command);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(failure.ranTooLong(host, shown, timeoutSeconds));
      }, timeoutSeconds * 1000);
      void this.closed.then(() => {
        clearTimeout(timer);
        reject(failure.connectionLost(host, `while '${shown}' ran`, this.#ended ?? "It was closed here."));
      });
      this.#client.exec(command, (error, channel) => {
        if (error !== undefined) return; // `closed` tells
        let stdout = "";
        let stderr = "";
        const heartbeat = setInterval(() => channel.write("\n"), 15_000).unref();
        channel.on("data", (chunk: Buffer) => {
          stdout += chunk.toString();
          if (!stdout.includes("\n")) return;
          clearTimeout(timer);
          resolve(stdout.slice(0, stdout.indexOf("\n")));
        });
        channel.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
        channel.on("error", () => undefined);
        channel.on("exit", (code: number | null) => {
          clearTimeout(timer);
          const [
            what = `'${shown}' ended on ${host}.`,
            why = `Exit code ${code ?? "unknown"}.`,
            next = "Run again.",
          ] = stderr.trim().split("\n").filter(Boolean);
          reject(
            new OperatorError(
              code === exitCodes.refused ? exitCodes.refused : exitCodes.failed,
              what,
              why,
              next,
            ),
          );
        });
        channel.on("close", () => {
          clearInterval(heartbeat);
        });
        channel.write(input);
      });
    });
  }

  /** Lets the host's 127.0.0.1:`remotePort`, a port of the host's choice, reach a port here. */
  async reverseForward(localHost: string, localPort: number): Promise<ReverseForward> {
    const locals = new Set<net.Socket>();
    const carry = (channel: ClientChannel) => {
      const local = net.connect({ host: localHost, port: localPort });
      if (this.#unreferenced && this.#running === 0) local.unref();
      locals.add(local);
      this.#forwarded.add(local);
      channel.on("error", () => undefined);
      local.on("error", () => undefined); // "close" follows
      local.on("close", () => {
        locals.delete(local);
        this.#forwarded.delete(local);
        channel.close();
      });
      channel.on("close", () => {
        local.destroy();
      });
      channel.pipe(local).pipe(channel);
    };
    this.#reference();
    let remotePort: number;
    try {
      remotePort = await new Promise<number>((resolve, reject) => {
        const lost = () => {
          reject(
            failure.connectionLost(
              this.#host,
              "while a port was forwarded",
              this.#ended ?? "It was closed here.",
            ),
          );
        };
        void this.closed.then(lost);
        if (this.#ended !== undefined || !this.#socket.writable) {
          lost();
          return;
        }
        this.#client.forwardIn("127.0.0.1", 0, (error, port) => {
          if (error === undefined) resolve(port);
          else if (this.#ended === undefined && this.#socket.writable)
            reject(
              new OperatorError(
                exitCodes.failed,
                `${this.#host} does not forward a port.`,
                `${error.message}: sshd forbids it (AllowTcpForwarding, or no-port-forwarding of the key).`,
                "Allow remote forwarding for this user in the host's sshd_config.",
                { cause: error },
              ),
            );
        });
      });
    } finally {
      this.#release();
    }
    this.#forwards.set(remotePort, carry);
    return {
      remotePort,
      close: async () => {
        this.#forwards.delete(remotePort);
        for (const local of locals) local.destroy();
        if (this.#ended !== undefined || !this.#socket.writable) return;
        await Promise.race([
          this.closed,
          new Promise<void>((resolve) => {
            this.#client.unforwardIn("127.0.0.1", remotePort, () => {
              resolve();
            });
          }),
        ]);
      },
    };
  }

  /** The pinned key, and all others that the host says are its own and proved to hold; `ssh-ed25519 AAAA…`. */
  async hostKeys(): Promise<string[]> {
    // OpenSSH names its keys as soon as somebody is logged in, before it answers anything, and is asked for the proof at once
    // (PROTOCOL, section 2.5). So the proof is here before a second answer is; a server that names none gives both as well.
    const answer = async () => {
      const answered = new Promise<void>((resolve) => {
        this.#client.unforwardIn("127.0.0.1", 0, () => {
          resolve();
        });
      });
      await Promise.race([answered, this.closed]);
    };
    if (this.#ended === undefined) await answer();
    if (this.#ended === undefined) await answer();
    return [...this.#hostKeys];
  }

  /** Lets the process end while this connection is open; a `run` under way still holds it. */
  unref(): void {
    this.#unreferenced = true;
    if (this.#running === 0) this.#holdProcess(false);
  }

  /** Ends the connection; commands under way fail as lost. */
  async close(): Promise<void> {
    this.#ended ??= "It was closed here.";
    this.#client.end();
    // A host that does not answer must not hold us up: everything that matters is over.
    this.#socket.destroySoon();
    const timer = setTimeout(() => this.#socket.destroy(), 1000);
    await this.closed;
    clearTimeout(timer);
  }

  #reference(): void {
    this.#running += 1;
    if (this.#unreferenced) this.#holdProcess(true);
  }

  #release(): void {
    this.#running -= 1;
    if (this.#unreferenced && this.#running === 0) this.#holdProcess(false);
  }

  #holdProcess(hold: boolean): void {
    for (const socket of [this.#socket, ...this.#forwarded]) {
      if (hold) socket.ref();
      else socket.unref();
    }
  }

  /**
   * ssh2's own keepalive holds the process and cannot be unreferenced. Any answer is a sign of life, so we cancel a
   * forwarding that does not exist: every server must reply (RFC 4254, section 4). Data on its way counts too: behind a
   * full window the reply may take long.
   */
  #keepAlive(keepaliveSeconds: number): NodeJS.Timeout {
    let seenBytes = this.#socket.bytesRead;
    let missed = 0;
    let answered = true;
    const beat = () => {
      if (this.#socket.bytesRead !== seenBytes) {
        seenBytes = this.#socket.bytesRead;
        missed = 0;
      } else if (!answered) {
        missed += 1;
      }
      if (missed >= missedSignsOfLife) {
        this.#ended ??= `It gave no sign of life for ${Math.round(keepaliveSeconds * missedSignsOfLife)} s.`;
        this.#socket.destroy();
        return;
      }
      if (answered && this.#socket.writable) {
        answered = false;
        this.#client.unforwardIn("127.0.0.1", 0, () => {
          answered = true;
        });
      }
    };
    return setInterval(beat, keepaliveSeconds * 1000).unref();
  }
}

/**
 * Without a terminal sshd sends no SIGHUP when a channel closes, so we ask for SIGTERM; OpenSSH 9.2 (Debian 12) grants
 * it to every user but root, whose command then ends when it next prints. ssh2's `signal()` does nothing once standard
 * input has ended, which is where most commands are; the protocol has no such limit (RFC 4254, sections 5.3 and 6.9).
 */
function terminate(channel: ClientChannel): void {
  const { outgoing, _client } = channel as unknown as {
    outgoing: { id: number; state: string };
    _client: { _protocol: { signal(id: number, name: string): void } };
  };
  if (outgoing.state === "open" || outgoing.state === "eof") _client._protocol.signal(outgoing.id, "TERM");
  channel.close();
}

function endedBySignal(name: string): Pick<RunResult, "exitCode" | "signal"> {
  const signal = name.startsWith("SIG") ? name : `SIG${name}`;
  const number = (constants.signals as Record<string, number | undefined>)[signal] ?? 0;
  return { exitCode: 128 + number, signal };
}

function publicKey(type: string, blob: Buffer): string {
  return `${type} ${blob.toString("base64")}`;
}

function firstLine(command: string): string {
  const line = command.split("\n", 1)[0] ?? "";
  return line.length > 80 || line !== command ? `${line.slice(0, 79)}…` : line;
}
