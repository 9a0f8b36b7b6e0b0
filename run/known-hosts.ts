import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { fingerprint } from "../ssh/connection.ts";

/** The key that a host is known by, and how this operator came to know it. */
const knownHostSchema = z.strictObject({
  hostKey: z.string(),
  /** `flag`: given with --host-key, and the host proved that it has it. `console`: its fingerprint was typed off the console. */
  how: z.enum(["flag", "console"]),
  who: z.string(),
  at: z.iso.datetime(),
});
const knownHostsSchema = z.record(z.string(), knownHostSchema);

export type KnownHost = z.infer<typeof knownHostSchema>;
export type KnownHosts = z.infer<typeof knownHostsSchema>;

/** Hosts are known by address and port, in a file of each site's own. */
export interface Place {
  address: string;
  port: number;
}

const nameOf = ({ address, port }: Place) => `${address}:${port}`;
const fileOf = (stateFolder: string) => join(stateFolder, "known-hosts.json");

export async function readKnownHosts(stateFolder: string): Promise<KnownHosts> {
  const text = await readFile(fileOf(stateFolder), "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "{}";
    throw error;
  });
  return knownHostsSchema.parse(JSON.parse(text));
}

export async function rememberHost(stateFolder: string, place: Place, host: KnownHost): Promise<void> {
  const known = await readKnownHosts(stateFolder);
  if (known[nameOf(place)]?.hostKey === host.hostKey) return;
  await mkdir(stateFolder, { recursive: true, mode: 0o700 });
  const file = fileOf(stateFolder);
  await writeFile(`${file}.new`, `${JSON.stringify({ ...known, [nameOf(place)]: host }, null, 2)}\n`, {
    mode: 0o600,
  });
  await rename(`${file}.new`, file);
}

/** Where a host's key comes from. */
export type FirstContact =
  | { from: "flag" | "memory"; hostKey: string }
  /** The operator must compare what the host presents with what its console says. */
  | { from: "question" };

/**
 * A key that is given counts for itself, also instead of one that was known: the host was reinstalled. Otherwise the one that
 * is known, otherwise the operator is asked. Never what the host presents alone. Pure.
 *
 * @throws OperatorError (refused) when there is nobody to ask
 */
export function firstContact(
  known: KnownHosts,
  place: Place,
  given: { hostKey?: string; flag: string; terminal: boolean },
): FirstContact {
  if (given.hostKey !== undefined) return { from: "flag", hostKey: given.hostKey };
  const remembered = known[nameOf(place)];
  if (remembered) return { from: "memory", hostKey: remembered.hostKey };
  if (given.terminal) return { from: "question" };
  throw new OperatorError(
    exitCodes.refused,
    `the host key of ${place.address} is not known`,
    "nobody here can confirm it: there is no terminal to ask on, and whoever answers first is never believed",
    `read it on the host's console, cat /etc/ssh/ssh_host_ed25519_key.pub, and give it: ${given.flag} 'ssh-ed25519 AAAA…'`,
  );
}

/** The least of a fingerprint that must be typed: 12 characters of base64 are 72 bits. */
export const leastTyped = 12;

/**
 * Whether what the operator typed is the fingerprint of the key, or enough of it in one piece. A lone "yes", or a few
 * characters that anybody could have made a key for, is not. Pure.
 */
export function confirmsKey(typed: string, hostKey: string): boolean {
  // As a line of ssh-keygen -l, the fingerprint alone, or a part of it.
  const text = (/SHA256:(\S+)/.exec(typed)?.[1] ?? typed.trim()).replace(/=+$/, "");
  return text.length >= leastTyped && fingerprint(hostKey).slice("SHA256:".length).includes(text);
}
