import type { Site } from "../site/schema.ts";

/** A unit of systemd, as it lies in /etc/systemd/system. */
export type Unit = Record<"name" | "text", string>;

/** The unit that makes a backup of the tier that is its instance, the one that tells that none was made, and the one that watches them all. */
export function backupUnits({
  programs,
  writable,
  textfile,
}: {
  /** The folder of host/resident on the server. */
  programs: string;
  /** Folders that a backup writes to. */
  writable: string[];
  /** The folder that a watch writes to. */
  textfile: string;
}): Unit[] {
  const watching = (command: string, more: Record<string, string>) => ({
    Type: "oneshot",
    ExecStart: command,
    // It reads backups for ten minutes, and what it has begun to its end.
    TimeoutStartSec: "6h",
    Nice: "19",
    IOSchedulingClass: "idle",
    IgnoreSIGPIPE: "no",
    UMask: "0077",
    StateDirectory: "site-backup",
    StateDirectoryMode: "0700",
    RuntimeDirectory: "%N",
    RuntimeDirectoryMode: "0700",
    ...walls([textfile]),
    CapabilityBoundingSet: "CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH",
    ...more,
  });
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
          ExecStart: `${programs}/backup %i`,
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
          RuntimeDirectory: "%N",
          RuntimeDirectoryMode: "0700",
          // Who stops it ends the program that says what became of it, and what that has begun after it.
          KillMode: "mixed",
          // Copies of databases end with it.
          ...walls(writable),
          CapabilityBoundingSet:
            "CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_CHOWN CAP_FOWNER CAP_SETUID CAP_SETGID CAP_KILL",
        },
      }),
    },
    {
      name: "site-backup-failed@.service",
      text: unit({
        Unit: { Description: "Tells that a backup of the site failed: %i" },
        // What it finds is no fault of its own.
        Service: watching(`${programs}/watch %i`, { SuccessExitStatus: "1 2" }),
      }),
    },
    {
      name: "site-watch.service",
      text: unit({
        Unit: {
          Description: "Looks at the backups of the site",
          Wants: "network-online.target",
          After: "network-online.target",
        },
        Service: watching(`${programs}/watch`, { SuccessExitStatus: "1" }),
      }),
    },
  ];
}

/** Of a server that keeps backups of a site: each day it removes what need not be kept. */
export function pruningUnits({
  programs,
  user,
  path,
}: {
  /** The folder of host/resident on the server. */
  programs: string;
  /** The account that they are, and their folder. */
  user: string;
  path: string;
}): Unit[] {
  const name = `site-backup-prune-${user}`;
  return [
    {
      name: `${name}.service`,
      text: unit({
        Unit: { Description: `Removes the backups in ${path} that need not be kept` },
        Service: {
          Type: "oneshot",
          ExecStart: `${programs}/prune ${path} /etc/site-backup-server/${user}.json`,
          User: user,
          UMask: "0077",
          Nice: "19",
          IOSchedulingClass: "idle",
          ...walls([path]),
          PrivateNetwork: "yes",
          CapabilityBoundingSet: "",
        },
      }),
    },
    {
      name: `${name}.timer`,
      text: unit({
        Unit: { Description: `Removes the backups in ${path} that need not be kept, each day` },
        Timer: { OnCalendar: "daily", RandomizedDelaySec: "1h", Persistent: "yes" },
        Install: { WantedBy: "timers.target" },
      }),
    },
  ];
}

/** It reads everything, and writes there alone. */
function walls(writable: string[]): Record<string, string> {
  return {
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
  };
}

/** Between the backups that begin with an hour. */
export const watchTimer: Unit = {
  name: "site-watch.timer",
  text: unit({
    Unit: { Description: "Looks at the backups of the site, each hour" },
    Timer: { OnCalendar: "*-*-* *:30", RandomizedDelaySec: "5min", Persistent: "yes" },
    Install: { WantedBy: "timers.target" },
  }),
};

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
