import { describe, expect, it } from "vitest";
import { interfaceOf, wallRules } from "../../../machines/wall-rules.ts";

describe("the firewall rules of a machine", () => {
  const rules = wallRules({
    id: "0123abcd",
    networkInterface: interfaceOf("0123abcd"),
    hostAddress: "10.9.8.1",
    guestAddress: "10.9.8.2",
    proxyPort: 4242,
  });

  it("let in answers and the proxy, and reject all else, forwarded packets in both directions too", () => {
    expect(rules.ipv4.split("\n")).toEqual([
      "*filter",
      ":recovery-0123abcd-in - [0:0]",
      ":recovery-0123abcd-fwd - [0:0]",
      ":recovery-0123abcd-egress - [0:0]",
      "-A recovery-0123abcd-egress -d 10.9.8.1/32 -p tcp --dport 4242 -j ACCEPT",
      "-A recovery-0123abcd-egress -d 10.9.8.1/32 -p udp --dport 4242 -j ACCEPT",
      "-A recovery-0123abcd-in ! -s 10.9.8.2/32 -j REJECT --reject-with icmp-port-unreachable",
      "-A recovery-0123abcd-in -m conntrack --ctstate ESTABLISHED --ctdir REPLY -j ACCEPT",
      "-A recovery-0123abcd-in -j recovery-0123abcd-egress",
      "-A recovery-0123abcd-in -p tcp -j REJECT --reject-with tcp-reset",
      "-A recovery-0123abcd-in -j REJECT --reject-with icmp-port-unreachable",
      "-A recovery-0123abcd-fwd -p tcp -j REJECT --reject-with tcp-reset",
      "-A recovery-0123abcd-fwd -j REJECT --reject-with icmp-port-unreachable",
      "-I INPUT 1 -i rm-0123abcd -j recovery-0123abcd-in",
      "-I FORWARD 1 -i rm-0123abcd -j recovery-0123abcd-fwd",
      "-I FORWARD 1 -o rm-0123abcd -j recovery-0123abcd-fwd",
      "COMMIT",
      "",
    ]);
  });

  it("admit nothing over IPv6", () => {
    expect(rules.ipv6).not.toContain("ACCEPT");
    expect(rules.ipv6.split("\n").filter((line) => line.startsWith("-I"))).toEqual([
      "-I INPUT 1 -i rm-0123abcd -j recovery-0123abcd-in",
      "-I FORWARD 1 -i rm-0123abcd -j recovery-0123abcd-fwd",
      "-I FORWARD 1 -o rm-0123abcd -j recovery-0123abcd-fwd",
    ]);
  });

  it("have names that fit: 15 characters for an interface, 28 for a chain", () => {
    expect(interfaceOf("0123abcd").length).toBeLessThanOrEqual(15);
    for (const [, chain = ""] of rules.ipv4.matchAll(/^:(\S+)/gm))
      expect(chain.length).toBeLessThanOrEqual(28);
  });
});
