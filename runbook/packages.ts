import { databasePackages } from "./databases.ts";
import type { Site } from "../site/schema.ts";

/** Debian packages of a site, in the order in which they are needed. The lists are sorted and share nothing. */
export interface Packages {
  /** With these the application is built, and its backup is looked at and put in place. */
  building: string[];
  /** Without these it does not serve. */
  serving: string[];
  /** These get its certificate. */
  certificates: string[];
  /** These are of no use before all is well. */
  guards: string[];
}

export function packagesOf(site: Site, options: { isolated: boolean }): Packages {
  const php = `php${site.php.version}`;
  const building = [
    // What opens any restore point of the site: the next one restored here may be of the other format.
    "age",
    "zstd",
    "ca-certificates",
    "curl",
    "git",
    "openssl",
    `${php}-cli`,
    ...site.php.extensions.map((extension) => `${php}-${extension}`),
    ...databasePackages(site),
    ...(options.isolated ? ["nftables"] : []),
    ...site.packages,
  ];
  const serving = ["nginx", `${php}-fpm`];
  const certificates = ["certbot", "python3-certbot-nginx", ...(options.isolated ? ["pebble"] : [])];
  const guards = ["fail2ban", "python3-systemd", "ufw"];
  // What several lists name, site.yaml's own among them, is installed with the first.
  const named = new Set<string>();
  const rest = (names: string[]) => {
    const list = [...new Set(names)].filter((name) => !named.has(name)).sort();
    for (const name of list) named.add(name);
    return list;
  };
  return {
    building: rest(building),
    serving: rest(serving),
    certificates: rest(certificates),
    guards: rest(guards),
  };
}

/** All of them, in that order. */
export function allPackages({ building, serving, certificates, guards }: Packages): string[] {
  return [...building, ...serving, ...certificates, ...guards];
}
