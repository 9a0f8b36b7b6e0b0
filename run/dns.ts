import { getServers } from "node:dns";
import { Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import type { Site } from "../site/schema.ts";

/** A DNS server that is asked. */
export interface DnsServer {
  /** As the operator reads it: "your resolver 192.0.2.53", "ns1.example.org". */
  title: string;
  /** ADDRESS or ADDRESS:PORT. */
  server: string;
}

/** What one server says of one name. */
export interface DnsAnswer {
  title: string;
  name: string;
  /** A and AAAA, with the seconds for which they may be remembered. */
  addresses: { address: string; ttl: number }[];
  /** It could not be asked. */
  error?: string;
}

/** The names that must lead to the new host. */
export function namesOf(site: Site): string[] {
  return [site.domain, ...site.aliases];
}

/** The servers that are asked: those given, or this computer's resolvers and the domain's own servers. */
export async function dnsServers(domain: string, given: readonly string[]): Promise<DnsServer[]> {
  if (given.length > 0) return given.map((server) => ({ title: server, server }));
  const system = getServers().map((server) => ({ title: `your resolver ${server}`, server }));
  return [...system, ...(await authoritativeServers(domain))];
}

const mostAuthoritative = 4;
const queryLimit = { timeout: 2000, tries: 2 };

/** The servers of the closest zone above the name; none when they cannot be found out. */
async function authoritativeServers(domain: string): Promise<DnsServer[]> {
  const resolver = new Resolver(queryLimit);
  const labels = domain.split(".");
  for (let first = 0; first < labels.length - 1; first += 1) {
    const names = await resolver.resolveNs(labels.slice(first).join(".")).catch(() => []);
    if (names.length === 0) continue;
    const servers = names.sort().slice(0, mostAuthoritative);
    const addresses = await Promise.all(servers.map((name) => resolver.resolve4(name).catch(() => [])));
    return servers.flatMap((title, index) => {
      const server = addresses[index]?.[0];
      return server === undefined ? [] : [{ title, server }];
    });
  }
  return [];
}

/** What each server says of each name, asked side by side. */
export async function askDns(names: readonly string[], servers: readonly DnsServer[]): Promise<DnsAnswer[]> {
  const asked = names.flatMap((name) => servers.map((server) => askOne(name, server)));
  return Promise.all(asked);
}

async function askOne(name: string, { title, server }: DnsServer): Promise<DnsAnswer> {
  const resolver = new Resolver(queryLimit);
  resolver.setServers([server]);
  const records = (ask: Promise<{ address: string; ttl: number }[]>) =>
    ask.catch((error: unknown) => {
      const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
      // The name has no record of this type, or is not there at all.
      if (code === "ENODATA" || code === "ENOTFOUND") return [];
      return code;
    });
  const [ipv4, ipv6] = await Promise.all([
    records(resolver.resolve4(name, { ttl: true })),
    records(resolver.resolve6(name, { ttl: true })),
  ]);
  const failed = [ipv4, ipv6].find((answer) => typeof answer === "string");
  if (failed !== undefined) return { title, name, addresses: [], error: failed };
  return { title, name, addresses: [ipv4, ipv6].flat().filter((one) => typeof one !== "string") };
}

/** Whether all that were asked lead to the host and nowhere else; `differing` says who does not, a line each. Pure. */
export function judgeDns(
  answers: readonly DnsAnswer[],
  own: readonly string[],
): { agreed: boolean; differing: string[] } {
  const differing = answers.flatMap(({ title, name, addresses, error }) => {
    if (error !== undefined) return [`${title} does not answer for ${name}: ${error}`];
    if (addresses.length === 0) return [`${title} knows no address of ${name}`];
    const foreign = addresses.filter(({ address }) => !own.includes(address));
    return foreign.length === 0 ? [] : [`${title} says ${name} is ${foreign.map(told).join(", ")}`];
  });
  return { agreed: answers.length > 0 && differing.length === 0, differing };
}

function told({ address, ttl }: { address: string; ttl: number }): string {
  return `${address}, for another ${ttl} s`;
}

/** DNS as it is now and what must be changed in it, a line a name. Pure. */
export function recordsToChange(
  names: readonly string[],
  answers: readonly DnsAnswer[],
  host: { address: string; own: readonly string[] },
): string[] {
  const type = isIP(host.address) === 6 ? "AAAA" : "A";
  const target = isIP(host.address) === 0 ? `the address of ${host.address}` : host.address;
  return names.map((name) => {
    const about = answers.filter((answer) => answer.name === name);
    if (judgeDns(about, host.own).agreed) return `${name} leads to this host`;
    const seen = new Map(about.flatMap(({ addresses }) => addresses.map((one) => [one.address, one])));
    const ttl = Math.max(0, ...[...seen.values()].map((one) => one.ttl));
    const now =
      seen.size === 0 ? "has no address" : `is ${[...seen.keys()].sort().join(", ")} (TTL ${ttl} s)`;
    const stray = [...seen.keys()].filter((address) => isIP(address) === 6 && !host.own.includes(address));
    const remove = type === "A" && stray.length > 0 ? ` and remove AAAA ${stray.sort().join(", ")}` : "";
    return `${name} ${now}: set ${type} to ${target}${remove}`;
  });
}

/** The command that changes them, where site.yaml says in which zone they are kept; none where nothing is to be changed. Pure. */
export function changedByStack({ name, dns }: Site, records: readonly string[], address: string): string[] {
  if (dns === undefined || isIP(address) === 0 || !records.some((line) => line.includes(": set "))) return [];
  const stack = `--stack ${name}.dns`;
  return [`which this does: pulumi config set address ${address} ${stack} && pulumi up ${stack}`];
}

export interface DnsWait {
  names: readonly string[];
  servers: readonly DnsServer[];
  /** Addresses that are the host's. */
  own: readonly string[];
  limitSeconds: number;
  say: (line: string) => void;
  signal: AbortSignal;
}

const pauseMilliseconds = 3000;

/**
 * Waits until all servers lead to the host, and says each change. Throws OperatorError (failed) at the limit: the site serves
 * by then, with a certificate that nobody trusts.
 */
export async function waitForDns(wait: DnsWait): Promise<void> {
  const { names, servers, own, limitSeconds, say, signal } = wait;
  const until = Date.now() + limitSeconds * 1000;
  let said = "";
  for (;;) {
    const { agreed, differing } = judgeDns(await askDns(names, servers), own);
    if (agreed) {
      say("DNS leads to this host");
      return;
    }
    // Without the seconds that count down.
    const kind = differing.join("; ").replace(/\d+ s/g, "");
    if (kind !== said) say(`waiting for DNS: ${differing.join("; ") || "nobody to ask"}`);
    said = kind;
    if (Date.now() + pauseMilliseconds > until) {
      throw new OperatorError(
        exitCodes.failed,
        `DNS does not lead to this host yet; the certificate waits for it`,
        differing.join("; "),
        "the site is up, with a certificate that nobody trusts; change the records, then run the same command again: it goes on here",
      );
    }
    await pause(pauseMilliseconds, undefined, { signal });
  }
}
