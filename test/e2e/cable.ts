import { readFile } from "node:fs/promises";
import { execa } from "execa";
import type { Machine } from "../../machines/nspawn.ts";

/** An end of a network cable: a machine, a way to run a command on it, and its address there. */
export interface CableEnd {
  machine: Pick<Machine, "pid">;
  run: (command: string) => Promise<unknown>;
  address: string;
}

/** Puts a cable between two machines, which see each other over it and nothing else. `name`: of a few letters, one for each cable. */
export async function cable(name: string, ...ends: readonly [CableEnd, CableEnd]): Promise<void> {
  const links = [`rt-${name}`, `ru-${name}`] as const;
  await execa("ip", ["link", "add", links[0], "type", "veth", "peer", "name", links[1]]);
  for (const [index, { machine, run, address }] of ends.entries()) {
    const link = links[index] ?? "";
    const inside = await readFile(`/proc/${machine.pid}/task/${machine.pid}/children`, "utf8");
    await execa("ip", ["link", "set", link, "netns", inside.split(" ")[0] ?? ""]);
    await run(`ip addr add ${address}/24 dev ${link} && ip link set ${link} up`);
  }
}
