import { once } from "node:events";
import type { AddressInfo } from "node:net";
import ssh2, { type ServerChannel } from "ssh2";
import type { Attempt } from "../../../run/ledger.ts";
import type { CheckResult } from "../../../runbook/checks.ts";
import { startAgent } from "../../../ssh/agent.ts";
import type { SshTarget } from "../../../ssh/connection.ts";
import { newKeyPair } from "../ssh/key-pair.ts";

/** Whether `command` asks the checks of the host. */
export function asksChecks(command: string): boolean {
  return command.includes('"$folder/ask" ');
}

/** What was asked of the host, with what it was given. */
export interface Asked {
  command: string;
  stdin: string;
}

export interface AnsweringHost {
  target: SshTarget;
  asked: Asked[];
  /** What its ledger says. */
  attempts: Attempt[];
  /** What host/check says. */
  results: CheckResult[];
  /** What a person has to do about its backups; undefined when it does not say. */
  tasks: string[] | undefined;
  /** Stands in for host/check: it then never answers. */
  onCheck?: () => void;
  close(): Promise<void>;
}

/** A host at the end of a recovery: over real ssh it tells its ledger, and what is left to do, and answers to the checks. */
export async function answeringHost(): Promise<AnsweringHost> {
  const agent = await startAgent();
  const keys = newKeyPair();
  const host: Pick<AnsweringHost, "asked" | "attempts" | "results" | "tasks" | "onCheck"> = {
    asked: [],
    attempts: [],
    results: [],
    tasks: [],
  };
  const connections = new Set<ssh2.Connection>();
  const answer = (channel: ServerChannel, command: string) => {
    let stdin = "";
    const finish = (stdout: string, exitCode = 0) => {
      host.asked.push({ command, stdin });
      channel.write(stdout);
      channel.exit(exitCode);
      channel.end();
    };
    channel.on("data", (chunk: Buffer) => {
      stdin += chunk.toString("latin1");
    });
    channel.on("end", () => {
      if (command.includes("history.jsonl")) {
        finish(host.attempts.map((attempt) => `${JSON.stringify(attempt)}\n`).join(""));
      } else if (asksChecks(command) && host.onCheck) host.onCheck();
      else if (asksChecks(command)) finish(JSON.stringify(host.results));
      else if (command.endsWith("/resident/tasks"))
        finish((host.tasks ?? []).map((task) => `${task}\n`).join(""), host.tasks ? 0 : 127);
      else finish("");
    });
  };
  const server = new ssh2.Server({ hostKeys: [keys.private] }, (connection) => {
    connections.add(connection);
    connection.on("error", () => undefined);
    connection.on("authentication", (context) => {
      context.accept();
    });
    connection.on("session", (accept) => {
      accept().on("exec", (acceptExec, _reject, { command }) => {
        answer(acceptExec(), command);
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(host, {
    target: {
      address: "127.0.0.1",
      port: (server.address() as AddressInfo).port,
      user: "root",
      hostKey: keys.public,
      agentSocketPath: agent.socketPath,
    },
    close: async () => {
      for (const connection of connections) connection.end();
      server.close();
      await agent.close();
    },
  });
}
