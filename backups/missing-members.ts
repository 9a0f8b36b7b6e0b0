import type { RestorePoint } from "./restore-point.ts";
import { databaseMember, siteMembers } from "./site-members.ts";
import type { Site } from "../site/schema.ts";
import { serverFiles } from "../site/server-files.ts";

/** Something of a site that a restore point should hold and does not. */
export interface MissingMember {
  /** Relative to the archive's top folder, or the name of a member of our own format. */
  member: string;
  /** What it is to the site, such as `database club`. */
  of: string;
}

/** What a site is restored from and is not in the point, or is empty there. Pure. */
export function missingMembers(point: Pick<RestorePoint, "format" | "members">, site: Site): MissingMember[] {
  return point.format === "folder" ? missingInFolder(point, site) : missingInArchive(point, site);
}

function missingInArchive(point: Pick<RestorePoint, "members">, site: Site): MissingMember[] {
  const present = new Set(point.members.filter(({ bytes }) => bytes > 0).map(({ path }) => path));
  return [
    ...site.databases.map(({ name, member }) => ({ member, of: `database ${name}` })),
    ...site.uploads.map(({ path, member }) => ({ member, of: `uploads ${path}` })),
    ...site.data.map(({ path, member }) => ({ member, of: `data ${path}` })),
    ...(site.tls.member === undefined ? [] : [{ member: site.tls.member, of: "certificate" }]),
    ...configurationFiles(site).map((file) => ({ member: `config/${file}`, of: `configuration ${file}` })),
  ].filter(({ member }) => !present.has(member));
}

/** What is inside config.tar is only known where it is unpacked. */
function missingInFolder(point: Pick<RestorePoint, "members">, site: Site): MissingMember[] {
  const { databases, uploads, data, configuration } = siteMembers(point, site);
  return [
    ...site.databases.map((database, at) => ({
      member: databaseMember(database),
      of: `database ${database.name}`,
      found: databases[at],
    })),
    ...site.uploads.map(({ path }, at) => ({ member: "uploads", of: `uploads ${path}`, found: uploads[at] })),
    ...site.data.map(({ path }, at) => ({ member: "data", of: `data ${path}`, found: data[at] })),
    ...(configurationFiles(site).length === 0 && site.tls.member === undefined
      ? []
      : [{ member: "config.tar", of: "configuration", found: configuration }]),
  ]
    .filter(({ found }) => found === undefined || found.length === 0)
    .map(({ member, of }) => ({ member, of }));
}

/** What a site takes from the backup of its configuration. */
function configurationFiles(site: Site): string[] {
  return [
    ...site.configuration.files,
    ...serverFiles(site).flatMap(({ file, from }) => (from === "backup" ? [file] : [])),
  ];
}
