import type { Site } from "./schema.ts";

/** A file of the server's own configuration: it is installed under /etc, never among the application's files. */
export interface ServerFile {
  /** Where site.yaml names it. */
  field: string[];
  /** A path in the application's repository, or a name in the backup's config/. */
  file: string;
  from: "application" | "backup";
}

/** Those that a site names. A section that is undefined names none. */
export function serverFiles({ nginx, php }: Partial<Pick<Site, "nginx" | "php">>): ServerFile[] {
  return [
    ...(nginx ? [{ field: ["nginx", "site"], file: nginx.site, from: nginx.from }] : []),
    ...(php?.pool ? [{ field: ["php", "pool", "file"], ...php.pool }] : []),
  ];
}
