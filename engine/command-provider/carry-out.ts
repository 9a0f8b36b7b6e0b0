import { setTimeout as delay } from "node:timers/promises";
import { exitCodes, OperatorError } from "../../site/operator-error.ts";
import type { SshConnection } from "../../ssh/connection.ts";
import { Lines } from "../../ssh/lines.ts";
import type { Command } from "./command.ts";

export interface Outputs {
  stdout: string;
  stderr: string;
}

/**
 * Connections on which nothing runs, by what they were made to. To log in anew costs as much as a small step does. One that is
 * lost is seen by its keepalive and leaves.
 */
const idle = new Map<string, Set<SshConnection>>();

/** The vendor's plugin has no limit either: on the host, run-step ends what exceeds its step's. */
const timeoutSeconds = 24 * 3600;

/**
 * Runs the command and returns what it printed, without the last line end.
 * Throws when it exits with another code than 0, with all that it printed as the vendor's plugin words it.
 * `tell` gets one line for the display at a time.
 */
export async function carryOut(
  command: Command,
  text: string,
  signal: AbortSignal,
  tell: (line: string) => void,
): Promise<Outputs> {
  const connection = await connectionTo(command.connection, signal, tell);
  let usable = false;
  try {
    const printed: Buffer[] = [];
    const lines = { stdout: new Lines(tell), stderr: new Lines(tell) };
    const {
      exitCode,
      signal: endedBy,
      stdout,
      stderr,
    } = await connection.run(text, {
      timeoutSeconds,
      signal,
      ...(command.stdin === undefined ? {} : { stdin: command.stdin }),
      onOutput: (chunk, stream) => {
        printed.push(chunk);
        if (command.logging === "stdoutAndStderr" || command.logging === stream) lines[stream].add(chunk);
      },
    });
    lines.stdout.end();
    lines.stderr.end();
    usable = true;
    if (exitCode !== 0) {
      const cause = endedBy === undefined ? "" : ` from signal ${endedBy.replace(/^SIG/, "")}`;
      throw new Error(
        `Process exited with status ${exitCode}${cause}: running ${JSON.stringify(text)}:\n${Buffer.concat(printed).toString()}`,
      );
    }
    return { stdout: stdout.replace(/\n$/, ""), stderr: stderr.replace(/\n$/, "") };
  } finally {
    if (usable) setIdle(command.connection, connection);
    else await connection.close();
  }
}

async function connectionTo(
  to: Command["connection"],
  signal: AbortSignal,
  tell: (line: string) => void,
): Promise<SshConnection> {
  const waiting = idle.get(JSON.stringify(to));
  const [connection] = waiting ?? [];
  if (connection === undefined) return dial(to, signal, tell);
  waiting?.delete(connection);
  return connection;
}

function setIdle(to: Command["connection"], connection: SshConnection): void {
  const key = JSON.stringify(to);
  const waiting = idle.get(key) ?? new Set();
  idle.set(key, waiting.add(connection));
  void connection.closed.then(() => waiting.delete(connection));
}

/** Tries again only what may pass by itself; another host key or a missing login key does not. */
async function dial(
  to: Command["connection"],
  signal: AbortSignal,
  tell: (line: string) => void,
): Promise<SshConnection> {
  const { connect } = await import("../../ssh/connection.ts");
  const { host: address, port, user, hostKey, agentSocketPath } = to;
  const target = {
    address,
    port,
    user,
    hostKey,
    ...(agentSocketPath === undefined ? {} : { agentSocketPath }),
  };
  let pauseMilliseconds = 100;
  for (let failed = 0; ;) {
    try {
      return await connect(target, { timeoutSeconds: to.perDialTimeout, signal });
    } catch (error) {
      failed += 1;
      const mayPass = error instanceof OperatorError && error.exitCode === exitCodes.failed;
      if (!mayPass || failed > to.dialErrorLimit) throw error;
      tell(`Dial ${failed}/${to.dialErrorLimit} failed: retrying`);
      await delay(pauseMilliseconds, undefined, { signal });
      pauseMilliseconds = Math.min(pauseMilliseconds * 1.5, 5000);
    }
  }
}
