import { debianVersions } from "../site/debian-versions.ts";
import type { Site } from "../site/schema.ts";
import type { RestorePoint } from "./restore-point.ts";

/** A dump that the replacement server's PostgreSQL is too old for. */
export interface NewerDump {
  member: string;
  /** Major versions. */
  dump: number;
  server: number;
}

/** The dumps of a point that PostgreSQL of the site's Debian release cannot restore. What says no version is left to it. Pure. */
export function newerDumps(point: Pick<RestorePoint, "members">, site: Site): NewerDump[] {
  const server = debianVersions[site.server.release].postgresql;
  return site.databases.flatMap(({ kind, member }) => {
    const versions = point.members.find(({ path }) => path === member)?.dumped;
    if (kind !== "postgresql" || versions === undefined) return [];
    const dump = Math.max(versions.server, versions.pgDump);
    return dump > server ? [{ member, dump, server }] : [];
  });
}
