import { debianVersions } from "../site/debian-versions.ts";
import type { Database, Site } from "../site/schema.ts";
import { hostPath } from "./host-path.ts";
import type { Facts } from "./step.ts";

/** A database as host/databases.sh is told of it, in steps and checks alike; `kind` names the file in host/databases/. */
export function databaseFacts(site: Site, database: Database): Facts {
  switch (database.kind) {
    case "sqlite":
      return { ...database, path: hostPath(site, database.path) };
    case "postgresql":
      return {
        // Without the fields that are undefined: what remains is JSON.
        ...(JSON.parse(JSON.stringify(database)) as Facts),
        // As Debian's tools name the cluster that the package makes.
        cluster: `${debianVersions[site.server.release].postgresql}/main`,
        environmentFile: hostPath(site, site.configuration.environmentFile),
        environmentMember: `config/${site.configuration.environmentFile}`,
      };
  }
}

/** Whether the databases of a site are on a server of their own: all of them, or none. */
export function hasDatabaseServer(site: Site): boolean {
  return site.databases.some((database) => database.kind === "postgresql" && database.server === "own");
}

/** The databases of such a site, each with the address that the site's environment file is to name. */
export function ledTo(site: Site, address: string): Facts[] {
  return site.databases.map((database) => ({ ...databaseFacts(site, database), address }));
}

/** The name of the secret that is the password of a role, on a host that has no environment file to read it from. */
export function passwordSecret(database: { name: string }): string {
  return `password-of-${database.name}`;
}

/** The database files of a site: what lies in its folders, and has an owner and a mode there. */
export function databaseFiles(site: Site): string[] {
  return site.databases.flatMap((database) => (database.kind === "sqlite" ? [database.path] : []));
}

/** The Debian packages that a kind of database needs, for PHP of a version such as 8.2. */
export function databasePackages(site: Site): string[] {
  const php = `php${site.php.version}`;
  const version = debianVersions[site.server.release].postgresql;
  const tools = site.databases.flatMap(({ kind }) =>
    kind === "sqlite" ? ["sqlite3", `${php}-sqlite3`] : [`postgresql-client-${version}`, `${php}-pgsql`],
  );
  return [...databaseServers(site), ...tools];
}

/** The units of the servers that hold a site's databases on its own host, as Debian's packages name them. */
export function databaseUnits(site: Site): string[] {
  const version = debianVersions[site.server.release].postgresql;
  return site.databases.some(({ kind }) => kind === "postgresql")
    ? [`postgresql@${version}-main.service`]
    : [];
}

/** Those of them that are servers: to bring one up to date is to stop it. */
export function databaseServers(site: Site): string[] {
  const version = debianVersions[site.server.release].postgresql;
  return site.databases.some(({ kind }) => kind === "postgresql") ? [`postgresql-${version}`] : [];
}
