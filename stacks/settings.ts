import type { Pin } from "../backups/restore-point.ts";
import type { DatabaseWay, Part } from "../runbook/server-failure.ts";
import type { DebianRelease } from "../site/debian-versions.ts";
import type { RunIdentity } from "../ssh/host-session.ts";

/** What a recovery stack is told: from stack config under plain `pulumi up`, from run/ in our own command line. */
export interface RecoverySettings {
  /** Path of site.yaml. */
  siteFile: string;
  /** The Debian of the host, in the place of the one that site.yaml names. */
  release?: DebianRelease;
  host: { address: string; port: number; user: string; hostKey: string };
  /** The exact restore point; without one the stack refuses and prints the candidates. */
  pin?: Pin;
  /** The exact restore point of the databases, where they are of a newer one than all else. Of our own format, as that must be. */
  databases?: Pin;
  /** Raised to restore the same point over the same host once more. */
  attempt: number;
  /** The restore of that host which may be replaced although the site has served since: its time, as the host knows it. */
  over?: string;
  /** What is brought back alone; all of the site without. */
  only?: Part;
  /** How the site and a database server of its own find each other, when one of them comes back. */
  way?: DatabaseWay;
  run: RunIdentity;
}
