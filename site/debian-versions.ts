import type { Site } from "./schema.ts";

export type DebianRelease = Site["server"]["release"];

/** What each Debian release packages: https://packages.debian.org/php, https://packages.debian.org/postgresql */
export const debianVersions: Record<DebianRelease, { php: string; postgresql: number }> = {
  "12": { php: "8.2", postgresql: 15 },
  "13": { php: "8.4", postgresql: 17 },
};

/** The same site on another release of Debian, with the PHP of that. */
export function onRelease(site: Site, release: DebianRelease): Site {
  return {
    ...site,
    server: { ...site.server, release },
    php: { ...site.php, version: debianVersions[release].php },
  };
}
