import { readFileSync } from "node:fs";
import { execa } from "execa";

/** A range of IPv4 addresses: the first one, as a number, and the length of its prefix. */
export interface Network {
  first: number;
  prefix: number;
}

/** A network of four addresses between this computer and one machine. */
export interface Subnet {
  network: string;
  /** This computer's end. */
  host: string;
  /** The machine's end. */
  guest: string;
}

// 10/8 first; where a route covers all of it (a VPN), the other private ranges and the one for benchmarks (RFC 2544).
const ranges: readonly Network[] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15"].map(
  (text) => parseNetwork(text) ?? { first: 0, prefix: 32 },
);
const attemptsInRange = 200;

/** `10.1.2.0/24` or `10.1.2.3` (a network of one); undefined for anything else, `default` among it. */
export function parseNetwork(text: string): Network | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\/(\d{1,2}))?$/.exec(text);
  if (!match) return undefined;
  const parts = match.slice(1, 5).map(Number);
  const prefix = match[5] === undefined ? 32 : Number(match[5]);
  if (prefix > 32 || parts.some((part) => part > 255)) return undefined;
  const address = parts.reduce((number, part) => number * 256 + part, 0);
  return { first: address - (address % sizeOf(prefix)), prefix };
}

export function overlap(one: Network, other: Network): boolean {
  return one.first < other.first + sizeOf(other.prefix) && other.first < one.first + sizeOf(one.prefix);
}

/**
 * Networks of four addresses that no taken one touches, in random order; ends when none is likely to be left.
 * `random` gives numbers from 0 up to and without 1.
 */
export function* freeSubnets(taken: readonly Network[], random: () => number): Generator<Subnet> {
  for (const range of ranges) {
    for (let attempt = 0; attempt < attemptsInRange; attempt++) {
      const first = range.first + 4 * Math.floor(random() * (sizeOf(range.prefix) / 4));
      if (taken.some((network) => overlap(network, { first, prefix: 30 }))) continue;
      yield { network: textOf(first), host: textOf(first + 1), guest: textOf(first + 2) };
    }
  }
}

/** Every IPv4 network that this computer has a route to, an address in, a neighbour in or a name server in. */
export async function takenNetworks(): Promise<Network[]> {
  const [routes, neighbours] = await Promise.all([
    execa("ip", ["-4", "-json", "route", "show", "table", "all"]),
    execa("ip", ["-4", "-json", "neigh", "show"]),
  ]);
  const destinations = [...(parse(routes.stdout) as { dst?: string; gateway?: string }[])].flatMap(
    (route) => [route.dst ?? "", route.gateway ?? ""],
  );
  const near = (parse(neighbours.stdout) as { dst?: string }[]).map((neighbour) => neighbour.dst ?? "");
  let resolver = "";
  try {
    resolver = readFileSync("/etc/resolv.conf", "utf8");
  } catch {
    // None: nothing to keep clear of.
  }
  const nameServers = [...resolver.matchAll(/^nameserver\s+(\S+)/gm)].map((match) => match[1] ?? "");
  return [...destinations, ...near, ...nameServers]
    .map(parseNetwork)
    .filter((network) => network !== undefined)
    .filter((network) => network.prefix > 0);
}

function parse(json: string): unknown {
  return json.trim() === "" ? [] : JSON.parse(json);
}

function sizeOf(prefix: number): number {
  return 2 ** (32 - prefix);
}

function textOf(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");
}
