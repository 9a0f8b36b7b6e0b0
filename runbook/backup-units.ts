import type { Site } from "../site/schema.ts";

/** A unit of systemd, as it lies in /etc/systemd/system. */
export type Unit = Record<"name" | "text", string>;

/** The unit that makes a backup of the tier that is its instance, and the one that says that none was made. */
export function backupUnits({ program, writable }: { program: string; writable: string[] }): Unit[] {
  return [
    {
      name: "site-backup@.service",
      text: unit({
        Unit: {
          Description: "Backup of the site: %i",
          Wants: "network-online.target",
          After: "network-online.target postgresql.service",
          OnFailure: "site-backup-failed@%i.service",
        },
        Service: {
          Type: "oneshot",
          ExecStart: `${program} %i`,
          // It waits for another one that is under way.
          TimeoutStartSec: "12h",
          // The site comes first.
          Nice: "10",
          IOSchedulingClass: "best-effort",
          IOSchedulingPriority: "7",
          // Who writes to a program that has ended should end as well.
          IgnoreSIGPIPE: "no",
          UMask: "0077",
          StateDirectory: "site-backup",
          StateDirectoryMode: "0700",
          // It reads everything, and writes here alone; copies of databases end with it.
          ProtectSystem: "strict",
          ReadWritePaths: writable.map((path) => `-${path}`).join(" "),
          PrivateTmp: "yes",
          PrivateDevices: "yes",
          ProtectHome: "read-only",
          ProtectKernelTunables: "yes",
          ProtectKernelModules: "yes",
          ProtectKernelLogs: "yes",
          ProtectControlGroups: "yes",
          ProtectClock: "yes",
          NoNewPrivileges: "yes",
          RestrictAddressFamilies: "AF_UNIX AF_INET AF_INET6",
          RestrictNamespaces: "yes",
          RestrictSUIDSGID: "yes",
          LockPersonality: "yes",
          CapabilityBoundingSet:
            "CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_CHOWN CAP_FOWNER CAP_SETUID CAP_SETGID CAP_KILL",
        },
      }),
    },
    {
      name: "site-backup-failed@.service",
      text: unit({
        Unit: { Description: "Says that a backup of the site failed: %i" },
        Service: {
          Type: "oneshot",
          ExecStart: `/usr/bin/systemd-cat -p crit -t site-backup echo "the %i backup of this site failed: journalctl -u site-backup@%i"`,
        },
      }),
    },
  ];
}

/** The timers of all tiers. One that was missed, since the server was off, is made up for. */
export function backupTimers(backups: NonNullable<Site["backups"]>): Unit[] {
  const hours = backups.hourly.every / 3600;
  const timer = (tier: string, calendar: string, delay: string): Unit => ({
    name: `site-backup@${tier}.timer`,
    text: unit({
      Unit: { Description: `Backup of the site: ${tier}` },
      Timer: { OnCalendar: calendar, RandomizedDelaySec: delay, Persistent: "yes" },
      Install: { WantedBy: "timers.target" },
    }),
  });
  return [
    timer("hourly", `*-*-* ${hours === 24 ? "00" : `00/${hours}`}:00`, "5min"),
    timer("daily", `*-*-* ${backups.at}`, "10min"),
    timer("weekly", `Sun *-*-* ${backups.at}`, "10min"),
    timer("monthly", `*-*-01 ${backups.at}`, "10min"),
  ];
}

function unit(sections: Record<string, Record<string, string>>): string {
  return Object.entries(sections)
    .map(([name, fields]) =>
      [`[${name}]`, ...Object.entries(fields).map(([field, value]) => `${field}=${value}`), ""].join("\n"),
    )
    .join("\n");
}
