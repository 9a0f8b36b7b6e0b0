import { BlockList, isIP } from "node:net";

/** A host and port that a machine asks the proxy for. */
export interface Target {
  host: string;
  port: number;
}

/** Whom the proxy lets a machine reach. */
export interface Admission {
  /** The mirror of the base system: trusted with its own port, and with an address of the operator's own network. */
  mirrors: readonly Target[];
  /** Host names that the site needs, on ports 80 and 443. */
  hosts: readonly string[];
}

const sitePorts = [80, 443];

/** The target of an absolute request (`GET http://host/path`); undefined when it is none. */
export function targetOfRequest(url: string): Target | undefined {
  if (!/^http:\/\//i.test(url) || !URL.canParse(url)) return undefined;
  const { hostname, port, username, password } = new URL(url);
  if (username !== "" || password !== "") return undefined;
  return { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? 80 : Number(port) };
}

/** The target of `CONNECT host:port`; undefined when it is none. */
export function targetOfConnect(authority: string): Target | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9.-]+):(\d{1,5})$/i.exec(authority);
  if (!match) return undefined;
  const port = Number(match[2]);
  if (port < 1 || port > 65535) return undefined;
  return { host: (match[1] ?? "").replace(/^\[|\]$/g, "").toLowerCase(), port };
}

function isMirror({ host, port }: Target, { mirrors }: Admission): boolean {
  return mirrors.some((mirror) => mirror.host === host && mirror.port === port);
}

/** Why a target is not reached, as a sentence; undefined when it may be. Decides by name, before it is looked up. */
export function refusalByName(target: Target, admission: Admission): string | undefined {
  if (isMirror(target, admission)) return undefined;
  if (isIP(target.host) !== 0)
    return `${target.host} is an address; a drill reaches hosts by their names only.`;
  const known =
    admission.hosts.includes(target.host) || admission.mirrors.some(({ host }) => host === target.host);
  if (!known)
    return `${target.host} is neither the Debian mirror nor named in site.yaml; a drill reaches no other host.`;
  if (!sitePorts.includes(target.port))
    return `Port ${target.port} of ${target.host} is not admitted; a drill uses ports 80 and 443 only.`;
  return undefined;
}

const notOfThePublic = new BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["224.0.0.0", 3],
] as const) {
  notOfThePublic.addSubnet(network, prefix, "ipv4");
}
for (const [network, prefix] of [
  ["::", 127],
  ["fc00::", 7],
  ["fe80::", 10],
  ["ff00::", 8],
] as const) {
  notOfThePublic.addSubnet(network, prefix, "ipv6");
}

/** Why an address that a name leads to is not reached; `own` are the addresses of the operator's computer. */
export function refusalByAddress(
  target: Target,
  address: string,
  own: readonly string[],
  admission: Admission,
): string | undefined {
  if (isMirror(target, admission)) return undefined;
  // BlockList sees through IPv4 addresses written as IPv6.
  const family = isIP(address) === 6 ? "ipv6" : "ipv4";
  if (own.includes(address) || notOfThePublic.check(address, family)) {
    return `${target.host} leads to ${address}, which is not on the public network; a drill does not reach it.`;
  }
  return undefined;
}
