import { contentName } from "./point-manifest.ts";
import type { Member, RestorePoint } from "./restore-point.ts";
import type { Site } from "../site/schema.ts";

/** A member of a restore point of our own format, as it is stored. */
export interface StoredMember {
  name: string;
  /** What it is within: `database-admin.db` of `database-admin.db.zst.age`. */
  content: string;
  /** As it is stored, and decrypted and decompressed. */
  bytes: number;
  unpackedBytes: number;
  /** Of the stored bytes, lower-case hexadecimal. */
  sha256: string;
}

/** What a site is restored from. Databases and folders stand in the order of site.yaml; what is not there is empty. */
export interface SiteMembers {
  inventory: StoredMember[];
  configuration: StoredMember[];
  databases: StoredMember[][];
  /** A folder may be in several members. */
  uploads: StoredMember[][];
  data: StoredMember[][];
}

const endings: Record<Site["databases"][number]["kind"], string> = {
  sqlite: "db",
  postgresql: "dump",
};

/** What the member of a database is called within. */
export function databaseMember({ name, kind }: Site["databases"][number]): string {
  return `database-${name}.${endings[kind]}`;
}

/** Finds what a site is restored from among a point's members. Pure. */
export function siteMembers({ members }: Pick<RestorePoint, "members">, site: Site): SiteMembers {
  const those = (wanted: (member: Member, content: string) => boolean): StoredMember[] =>
    members
      .filter((member) => wanted(member, contentName(member.path)))
      .map(({ path, bytes, unpackedBytes, sha256 = "" }) => ({
        name: path,
        content: contentName(path),
        bytes,
        unpackedBytes,
        sha256,
      }));
  const ofFolder = (kind: "uploads" | "data", path: string) =>
    those(({ folder }, content) => folder === path && content.startsWith(`${kind}-`));
  return {
    inventory: those((_, content) => content === "inventory.tar"),
    configuration: those((_, content) => content === "config.tar"),
    databases: site.databases.map((database) => those((_, content) => content === databaseMember(database))),
    uploads: site.uploads.map(({ path }) => ofFolder("uploads", path)),
    data: site.data.map(({ path }) => ofFolder("data", path)),
  };
}
