import type { Site } from "./schema.ts";

/** What each Debian release packages: https://packages.debian.org/php, https://packages.debian.org/postgresql */
export const debianVersions: Record<Site["server"]["release"], { php: string; postgresql: number }> = {
  "12": { php: "8.2", postgresql: 15 },
  "13": { php: "8.4", postgresql: 17 },
};
