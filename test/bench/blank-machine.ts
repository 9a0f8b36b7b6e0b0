import { createMachine, type Machine } from "../../machines/nspawn.ts";
import { startAgent } from "../../ssh/agent.ts";
import { connect, type SshConnection } from "../../ssh/connection.ts";
import { say } from "./figure.ts";

export interface BlankMachine {
  machine: Machine;
  agentSocketPath: string;
  connection: SshConnection;
}

/** A machine such as a drill begins with, for as long as something is done with it. */
export async function onBlankMachine<Result>(
  release: "12" | "13",
  act: (blank: BlankMachine) => Promise<Result>,
): Promise<Result> {
  const agent = await startAgent();
  try {
    const machine = await createMachine({
      release,
      authorizedKeys: [agent.publicKey],
      admittedHosts: [],
      say,
    });
    try {
      const connection = await connect({ ...machine, agentSocketPath: agent.socketPath });
      try {
        return await act({ machine, agentSocketPath: agent.socketPath, connection });
      } finally {
        await connection.close();
      }
    } finally {
      await machine.destroy();
    }
  } finally {
    await agent.close();
  }
}
