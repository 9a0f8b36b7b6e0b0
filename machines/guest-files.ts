/** A file that is put into a machine's root before it is started. */
export interface GuestFile {
  /** Without a leading slash. */
  path: string;
  content: string;
  mode: number;
}

/** What a machine is told of itself and of its wall. */
export interface GuestFacts {
  hostname: string;
  /** 32 hexadecimal digits. */
  machineId: string;
  guestAddress: string;
  authorizedKeys: readonly string[];
  hostKey: { privateKey: string; publicKey: string };
  proxy: { address: string; port: number };
  canary: { port: number };
  /** Every address of the operator's computer. */
  operatorAddresses: readonly string[];
}

/** The files by which a machine knows who it is, who may enter, and where its only way out is. */
export function guestFiles(facts: GuestFacts): GuestFile[] {
  const proxy = `http://${facts.proxy.address}:${facts.proxy.port}`;
  const own = `localhost,127.0.0.1,::1,${facts.hostname},${facts.guestAddress}`;
  const lines = (...text: string[]) => `${text.join("\n")}\n`;
  return [
    { path: "etc/hostname", content: lines(facts.hostname), mode: 0o644 },
    {
      path: "etc/hosts",
      content: lines(
        "127.0.0.1 localhost",
        "::1 localhost ip6-localhost ip6-loopback",
        `${facts.guestAddress} ${facts.hostname}`,
      ),
      mode: 0o644,
    },
    { path: "etc/machine-id", content: lines(facts.machineId), mode: 0o444 },
    { path: "root/.ssh/authorized_keys", content: lines(...facts.authorizedKeys), mode: 0o600 },
    { path: "etc/ssh/ssh_host_ed25519_key", content: facts.hostKey.privateKey, mode: 0o600 },
    { path: "etc/ssh/ssh_host_ed25519_key.pub", content: lines(facts.hostKey.publicKey), mode: 0o644 },
    {
      path: "etc/apt/apt.conf.d/00recovery-proxy",
      content: lines(`Acquire::http::Proxy "${proxy}";`, `Acquire::https::Proxy "${proxy}";`),
      mode: 0o644,
    },
    {
      path: "etc/systemd/system.conf.d/recovery-proxy.conf",
      content: lines(
        "[Manager]",
        `DefaultEnvironment=http_proxy=${proxy} https_proxy=${proxy} no_proxy=${own}`,
      ),
      mode: 0o644,
    },
    {
      path: "etc/recovery-wall.json",
      content: lines(
        JSON.stringify({
          proxy: facts.proxy,
          canary: facts.canary,
          operatorAddresses: facts.operatorAddresses,
        }),
      ),
      mode: 0o644,
    },
  ];
}

/** Modes of the folders on the way that are not 0755. */
export const privateFolders: Readonly<Record<string, number>> = { root: 0o700, "root/.ssh": 0o700 };
