import type { Site } from "../site/schema.ts";

export type Replacement = NonNullable<Site["replacement"]>;

/** A server of AWS EC2 that takes a lost one's place, in the words of EC2's API as Pulumi's provider has them. No secret is in it. */
export interface ServerDocuments {
  region: string;
  keyPair: { publicKey: string };
  /** Who may come in, each by protocol TCP. */
  ingress: { name: string; port: number; cidrIpv4?: string; cidrIpv6?: string }[];
  instance: {
    ami: string;
    instanceType: string;
    availabilityZone: string;
    userData: string;
    instanceInitiatedShutdownBehavior: "stop" | "terminate";
    disableApiTermination: boolean;
    metadataOptions: {
      httpEndpoint: "enabled";
      /** IMDSv2: what a site can be made to fetch for somebody else is not its server's credentials. */
      httpTokens: "required";
      httpPutResponseHopLimit: 1;
    };
    rootBlockDevice: {
      volumeType: "gp3";
      encrypted: true;
      volumeSize: number;
      deleteOnTermination: boolean;
    };
  };
  /** An address that stays across rebuilds. */
  keepsAddress: boolean;
  /** Of a staging server alone: no network of production is reached from it. */
  network?: { vpc: string; subnet: string };
  tags: Record<string, string>;
}

const gibibyte = 1024 ** 3;
const everywhere = { v4: "0.0.0.0/0", v6: "::/0" };

/** What the stack `server` makes for a site, or `staging-server`. Pure; `serverRefusals` says of which none can be made. */
export function serverDocuments(
  site: Site,
  replacement: Replacement,
  { run, staging }: { run: string; staging: boolean },
): ServerDocuments {
  const { region, zone, image, instance, disk, operators, key, address } = replacement;
  return {
    region,
    keyPair: { publicKey: key },
    ingress: [
      ...operators.map((range, at) => ({ name: `ssh-${at + 1}`, port: 22, ...cidr(range) })),
      // A staging site is seen by who tries it.
      ...[80, 443].flatMap((port) =>
        (staging ? operators : [everywhere.v4, everywhere.v6]).map((range, at) => ({
          name: `${port === 80 ? "http" : "https"}-${at + 1}`,
          port,
          ...cidr(range),
        })),
      ),
    ],
    instance: {
      ami: image.id,
      instanceType: instance.type,
      availabilityZone: zone,
      userData: userData(key, staging ? replacement.staging.lifeSpan : undefined),
      instanceInitiatedShutdownBehavior: staging ? "terminate" : "stop",
      disableApiTermination: !staging,
      metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 },
      rootBlockDevice: {
        volumeType: "gp3",
        encrypted: true,
        volumeSize: Math.ceil(disk / gibibyte),
        deleteOnTermination: staging,
      },
    },
    keepsAddress: !staging && address === "kept",
    ...(staging ? { network: { vpc: "10.255.0.0/24", subnet: "10.255.0.0/24" } } : {}),
    tags: { Name: `${site.name}${staging ? "-staging" : ""}`, site: site.name, run },
  };
}

function cidr(range: string): { cidrIpv4: string } | { cidrIpv6: string } {
  return range.includes(":") ? { cidrIpv6: range } : { cidrIpv4: range };
}

/**
 * What cloud-init does at the first start: root logs in by the operator's key, nobody by a password. JSON is YAML. A staging server switches
 * itself off at the end of its life span, which a restart does not put off.
 */
function userData(key: string, lifeSpanSeconds: number | undefined): string {
  const configuration = {
    disable_root: false,
    ssh_pwauth: false,
    users: [{ name: "root", lock_passwd: true, ssh_authorized_keys: [key] }],
    write_files: [
      {
        path: "/etc/ssh/sshd_config.d/10-recovery.conf",
        content:
          "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n",
      },
      ...(lifeSpanSeconds === undefined ? [] : lifeSpan),
    ],
    runcmd: [
      ["systemctl", "reload", "ssh"],
      ...(lifeSpanSeconds === undefined
        ? []
        : [["sh", "/etc/recovery-life-span", String(Math.ceil(lifeSpanSeconds / 60))]]),
    ],
  };
  return `#cloud-config\n${JSON.stringify(configuration, null, 2)}\n`;
}

/** Its end is a moment, not a time to wait: AWS ends for good what switches itself off. */
const lifeSpan = [
  {
    path: "/etc/systemd/system/recovery-life-span.service",
    content: "[Unit]\nDescription=The end of this server\n\n[Service]\nExecStart=/usr/sbin/shutdown -P now\n",
  },
  {
    path: "/etc/recovery-life-span",
    content: `printf '[Timer]\\nOnCalendar=%s UTC\\nPersistent=yes\\n\\n[Install]\\nWantedBy=timers.target\\n' "$(date -u -d "+$1 min" '+%Y-%m-%d %H:%M:%S')" >/etc/systemd/system/recovery-life-span.timer && systemctl enable --now recovery-life-span.timer\n`,
  },
];
