import { databasePackages } from "./databases.ts";
import type { Site } from "../site/schema.ts";

/** Debian packages of a site, by when they are needed. Both lists are sorted and share nothing. */
export interface Packages {
  /** Without these the site does not serve. */
  serving: string[];
  /** Certificates and guards: installed once it serves. */
  remaining: string[];
}

/** `unpacking`: what the restore point is opened with, if that is more than every Debian has. */
export function packagesOf(
  site: Site,
  options: { isolated: boolean; unpacking?: readonly string[] },
): Packages {
  const php = `php${site.php.version}`;
  const serving = new Set([
    "ca-certificates",
    "curl",
    "git",
    "nginx",
    "openssl",
    `${php}-cli`,
    `${php}-fpm`,
    ...site.php.extensions.map((extension) => `${php}-${extension}`),
    ...databasePackages(site),
    ...(options.isolated ? ["nftables"] : []),
    ...(options.unpacking ?? []),
    ...site.packages,
  ]);
  const remaining = ["certbot", "fail2ban", "python3-certbot-nginx", "python3-systemd", "ufw"];
  if (options.isolated) remaining.push("pebble");
  return {
    serving: [...serving].sort(),
    remaining: remaining.filter((name) => !serving.has(name)).sort(),
  };
}
