import type { CompleteFailureRequest } from "../../../runbook/complete-failure.ts";
import { type Site, siteSchema } from "../../../site/schema.ts";

/** What site.yaml says of a small site that has one of everything. */
export const written = {
  version: 1,
  name: "club",
  domain: "club.example.org",
  aliases: ["www.club.example.org"],
  application: {
    git: "https://git.example.org/club.git",
    revision: "v1",
    path: "/var/www/club",
    build: ["composer install --no-dev"],
  },
  php: { version: "8.2", extensions: ["curl"] },
  packages: ["composer"],
  nginx: { site: "deploy/nginx.conf" },
  tls: { email: "webmaster@club.example.org" },
  workers: [{ unit: "thumbnails.service", file: "deploy/thumbnails.service" }],
  databases: [{ name: "club", kind: "sqlite", path: "data/club.db", member: "database/club.db.gz" }],
  uploads: [{ path: "/srv/uploads" }],
  data: [{ path: "data" }],
  configuration: { files: [".env", "config.php"], requiredVariables: ["TOKEN"], load: "config.php" },
  secrets: [{ name: "MONITORING", from: "command:pass show club/monitoring" }],
  logs: [{ path: "/var/log/club.log" }],
  metrics: { path: "/metrics" },
  server: { release: "12", cores: 2, memory: "1GiB", disk: "4GiB" },
  checks: [
    { kind: "upload", path: "/upload.php", bearer: { secret: "MONITORING" } },
    { kind: "http", path: "/health", bearer: { variable: "TOKEN" }, json: { status: "ok" } },
    {
      kind: "http",
      title: "Somebody can write",
      path: "/write",
      method: "POST",
      body: { text: "{mark}" },
      text: "{mark}",
    },
    { kind: "rows", database: "club", table: "members", minimum: 3 },
  ],
  stores: [{ kind: "directory", name: "disk", path: "backups" }],
};

/** What the small site says of its database when that is in PostgreSQL. */
export const writtenPostgresql = {
  ...written,
  databases: [
    {
      name: "club",
      kind: "postgresql",
      database: "club_data",
      role: "club",
      roles: ["reporting"],
      extensions: ["postgres_fdw"],
      connection: { password: "DB_PASSWORD" },
    },
  ],
};

/** And when that PostgreSQL has a server of its own. */
export const writtenElsewhere = {
  ...writtenPostgresql,
  databases: writtenPostgresql.databases.map((database) => ({
    ...database,
    server: "own",
    connection: { host: "DB_HOST", password: "DB_PASSWORD" },
  })),
};

export const smallSite: Site = siteSchema.parse(written);

const commit = "c".repeat(40);

/** A request for the small site; `bundle` says how its application comes. */
export function request(options: {
  isolated: boolean;
  bundle: boolean;
  site?: Site;
}): CompleteFailureRequest {
  return {
    site: options.site ?? smallSite,
    point: {
      id: "full_backup_20260301_020000",
      manifestSha256: "0123456789abcdef".repeat(4),
      archive: { name: "point.tar.gz", bytes: 1000, sha256: "a".repeat(64) },
      unpackedBytes: 5000,
    },
    application: {
      commit,
      ...(options.bundle
        ? { bundle: { name: "application.bundle", bytes: 70, sha256: "b".repeat(64) } }
        : {}),
    },
    hostKeyFingerprint: "SHA256:host",
    attempt: 1,
    over: "",
    isolated: options.isolated,
  };
}
