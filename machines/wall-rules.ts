/** What the firewall rules of one machine are made from. */
export interface WallPlace {
  id: string;
  /** This computer's end of the machine's network cable. */
  networkInterface: string;
  hostAddress: string;
  guestAddress: string;
  proxyPort: number;
}

/** Name of this computer's end of a machine's network cable. */
export function interfaceOf(id: string): string {
  return `rm-${id}`;
}

/**
 * The rules of a machine as input for iptables-restore and ip6tables-restore, each applied as one transaction.
 * They stand first in INPUT and FORWARD and decide about every packet of the machine; the chain `…-egress` holds what
 * closing takes away. Rejected, not dropped: restored code that calls out fails at once instead of hanging.
 */
export function wallRules(place: WallPlace): { ipv4: string; ipv6: string } {
  const chain = `recovery-${place.id}`;
  const proxy = (protocol: string) =>
    `-A ${chain}-egress -d ${place.hostAddress}/32 -p ${protocol} --dport ${place.proxyPort} -j ACCEPT`;
  const jumps = [
    `-I INPUT 1 -i ${place.networkInterface} -j ${chain}-in`,
    `-I FORWARD 1 -i ${place.networkInterface} -j ${chain}-fwd`,
    `-I FORWARD 1 -o ${place.networkInterface} -j ${chain}-fwd`,
  ];
  const reject = (of: string, notice: string) => [
    `-A ${chain}-${of} -p tcp -j REJECT --reject-with tcp-reset`,
    `-A ${chain}-${of} -j REJECT --reject-with ${notice}`,
  ];
  const table = (lines: string[]) => ["*filter", ...lines, "COMMIT", ""].join("\n");
  // "Port unreachable" is the one notice that fails a waiting UDP socket at once: look-ups of names end there and then.
  const ipv4Notice = "icmp-port-unreachable";
  const ipv6Notice = "icmp6-port-unreachable";
  return {
    ipv4: table([
      `:${chain}-in - [0:0]`,
      `:${chain}-fwd - [0:0]`,
      `:${chain}-egress - [0:0]`,
      proxy("tcp"),
      proxy("udp"),
      `-A ${chain}-in ! -s ${place.guestAddress}/32 -j REJECT --reject-with ${ipv4Notice}`,
      // Only answers: the direction is that of the connection's first packet, so a tunnel that the machine opened
      // before closing does not count as established afterwards.
      `-A ${chain}-in -m conntrack --ctstate ESTABLISHED --ctdir REPLY -j ACCEPT`,
      `-A ${chain}-in -j ${chain}-egress`,
      ...reject("in", ipv4Notice),
      ...reject("fwd", ipv4Notice),
      ...jumps,
    ]),
    ipv6: table([
      `:${chain}-in - [0:0]`,
      `:${chain}-fwd - [0:0]`,
      ...reject("in", ipv6Notice),
      ...reject("fwd", ipv6Notice),
      ...jumps,
    ]),
  };
}
