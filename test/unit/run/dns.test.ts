import { describe, expect, test } from "vitest";
import {
  askDns,
  changedByStack,
  judgeDns,
  recordsToChange,
  waitForDns,
  type DnsAnswer,
} from "../../../run/dns.ts";
import { exitCodes } from "../../../site/operator-error.ts";
import { siteSchema } from "../../../site/schema.ts";
import { nameServer } from "../../e2e/name-server.ts";
import { written } from "../runbook/small-site.ts";

const own = ["192.0.2.10", "2001:db8::10"];
const answer = (title: string, name: string, ...addresses: string[]): DnsAnswer => ({
  title,
  name,
  addresses: addresses.map((address) => ({ address, ttl: 300 })),
});

describe("DNS", () => {
  test("agrees when every server leads every name to the host, by IPv4, IPv6 or both", () => {
    const answers = [
      answer("ns1", "club.example.org", "192.0.2.10"),
      answer("ns1", "www.club.example.org", "192.0.2.10", "2001:db8::10"),
      answer("yours", "club.example.org", "2001:db8::10"),
    ];
    expect(judgeDns(answers, own)).toEqual({ agreed: true, differing: [] });
  });

  test.each([
    [
      "the old server",
      answer("yours", "club.example.org", "192.0.2.9"),
      "yours says club.example.org is 192.0.2.9, for another 300 s",
    ],
    [
      "the old server beside the new one",
      answer("yours", "club.example.org", "192.0.2.10", "192.0.2.9"),
      "yours says club.example.org is 192.0.2.9, for another 300 s",
    ],
    [
      "an IPv6 address that was forgotten",
      answer("yours", "club.example.org", "192.0.2.10", "2001:db8::9"),
      "yours says club.example.org is 2001:db8::9, for another 300 s",
    ],
    ["nowhere", answer("yours", "club.example.org"), "yours knows no address of club.example.org"],
    [
      "silence",
      { ...answer("yours", "club.example.org"), error: "ETIMEOUT" },
      "yours does not answer for club.example.org: ETIMEOUT",
    ],
  ])("does not agree when one leads to %s", (_, differing, line) => {
    expect(judgeDns([answer("ns1", "club.example.org", "192.0.2.10"), differing], own)).toEqual({
      agreed: false,
      differing: [line],
    });
  });

  test("does not agree when nobody was asked", () => {
    expect(judgeDns([], own).agreed).toBe(false);
  });
});

test("what is to be changed is told for each name, with the TTL as it is seen, and what must go", () => {
  const names = ["club.example.org", "www.club.example.org", "new.example.org", "here.example.org"];
  const answers = [
    answer("ns1", names[0] ?? "", "192.0.2.9"),
    answer("yours", names[0] ?? "", "192.0.2.8"),
    answer("ns1", names[1] ?? "", "192.0.2.10", "2001:db8::9"),
    answer("ns1", names[2] ?? ""),
    answer("ns1", names[3] ?? "", "192.0.2.10"),
  ];
  expect(recordsToChange(names, answers, { address: "192.0.2.10", own })).toEqual([
    "club.example.org is 192.0.2.8, 192.0.2.9 (TTL 300 s): set A to 192.0.2.10",
    "www.club.example.org is 192.0.2.10, 2001:db8::9 (TTL 300 s): set A to 192.0.2.10 and remove AAAA 2001:db8::9",
    "new.example.org has no address: set A to 192.0.2.10",
    "here.example.org leads to this host",
  ]);
  expect(recordsToChange(["new.example.org"], [], { address: "2001:db8::10", own })).toEqual([
    "new.example.org has no address: set AAAA to 2001:db8::10",
  ]);
});

describe("a real DNS server", () => {
  test("is asked for what it says, with its TTL; one that is not there is no answer", async () => {
    const dns = await nameServer("192.0.2.9");
    const servers = [{ title: "ns1", server: dns.server }];
    expect(await askDns(["club.example.org"], servers)).toEqual([
      { title: "ns1", name: "club.example.org", addresses: [{ address: "192.0.2.9", ttl: 60 }] },
    ]);
    dns.close();
    const [gone] = await askDns(["club.example.org"], servers);
    expect(gone?.addresses).toEqual([]);
    expect(gone?.error).toMatch(/^E/);
  });

  const wait = async (
    limitSeconds: number,
    act: (dns: Awaited<ReturnType<typeof nameServer>>, said: string[], stop: AbortController) => void,
  ) => {
    const dns = await nameServer("192.0.2.9");
    const said: string[] = [];
    const stop = new AbortController();
    const waiting = waitForDns({
      names: ["club.example.org"],
      servers: [{ title: "ns1", server: dns.server }],
      own: ["192.0.2.10"],
      limitSeconds,
      say: (line) => {
        said.push(line);
        act(dns, said, stop);
      },
      signal: stop.signal,
    });
    const end = await waiting.then(
      () => "agreed",
      (error: unknown) => error,
    );
    dns.close();
    return { said, end };
  };

  test("is waited for until it leads to the host, and what it says meanwhile is told once", async () => {
    const { said, end } = await wait(60, (dns) => {
      dns.lead("192.0.2.10");
    });
    expect(end).toBe("agreed");
    expect(said).toEqual([
      "waiting for DNS: ns1 says club.example.org is 192.0.2.9, for another 60 s",
      "DNS leads to this host",
    ]);
  });

  test("is not waited for beyond the limit, and the operator is told that the site is up", async () => {
    const { end } = await wait(1, () => undefined);
    expect(end).toMatchObject({
      exitCode: exitCodes.failed,
      what: "DNS does not lead to this host yet; the certificate waits for it",
      why: "ns1 says club.example.org is 192.0.2.9, for another 60 s",
      next: expect.stringContaining("the site is up") as string,
    });
  });

  test("is not waited for once the operator ends the run", async () => {
    const { end } = await wait(60, (_dns, _said, stop) => {
      stop.abort();
    });
    expect(end).toMatchObject({ name: "AbortError" });
  });
});

test("where site.yaml says in which zone the names are kept, the command that changes them is told beside what to set", () => {
  const change = ["club.example.org is 192.0.2.9 (TTL 300 s): set A to 192.0.2.10"];
  const site = siteSchema.parse({ ...written, dns: { kind: "route53", zone: "Z0123456789ABC" } });
  expect(changedByStack(site, change, "192.0.2.10")).toEqual([
    "which this does: pulumi config set address 192.0.2.10 --stack club.dns && pulumi up --stack club.dns",
  ]);
  expect(changedByStack(site, ["club.example.org leads to this host"], "192.0.2.10")).toEqual([]);
  expect(changedByStack(site, change, "web2.example.org")).toEqual([]);
  expect(changedByStack(siteSchema.parse(written), change, "192.0.2.10")).toEqual([]);
});
