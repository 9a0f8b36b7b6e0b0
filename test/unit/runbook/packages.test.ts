import { expect, test } from "vitest";
import { allPackages, packagesOf } from "../../../runbook/packages.ts";
import { siteSchema } from "../../../site/schema.ts";
import { written, writtenPostgresql } from "./small-site.ts";

function packages(changes: Partial<Record<keyof typeof written, unknown>>, isolated = false) {
  return packagesOf(siteSchema.parse({ ...written, ...changes }), { isolated });
}

test("a site without databases and extensions asks for PHP, nginx and what opens and checks them", () => {
  const none = { databases: [], packages: [], php: { version: "8.4" }, checks: written.checks.slice(0, 3) };
  expect(packages(none)).toEqual({
    building: ["age", "ca-certificates", "curl", "git", "openssl", "php8.4-cli", "zstd"],
    serving: ["nginx", "php8.4-fpm"],
    certificates: ["certbot", "python3-certbot-nginx"],
    guards: ["fail2ban", "python3-systemd", "ufw"],
  });
});

test("a database brings its tool and PHP's driver, once even when the driver is among the extensions", () => {
  const { building } = packages({ php: { version: "8.2", extensions: ["sqlite3", "curl"] } });
  expect(building).toEqual([
    "age",
    "ca-certificates",
    "composer",
    "curl",
    "git",
    "openssl",
    "php8.2-cli",
    "php8.2-curl",
    "php8.2-sqlite3",
    "sqlite3",
    "zstd",
  ]);
});

test("PostgreSQL is of the version that the Debian release packages", () => {
  const { databases } = writtenPostgresql;
  expect(packages({ databases }).building).toEqual(
    expect.arrayContaining(["php8.2-pgsql", "postgresql-15", "postgresql-client-15"]),
  );
  expect(packages({ databases }).building).not.toContain("sqlite3");
  expect(packages({ databases, server: { release: "13" }, php: { version: "8.4" } }).building).toEqual(
    expect.arrayContaining(["php8.4-pgsql", "postgresql-17", "postgresql-client-17"]),
  );
});

test("a drill's host closes its egress and is its own certificate authority", () => {
  const [real, drill] = [packages({}), packages({}, true)];
  expect(drill).toEqual({
    ...real,
    building: [...real.building, "nftables"].sort(),
    certificates: [...real.certificates, "pebble"].sort(),
  });
});

test("what site.yaml names is there for the build, and is installed only once", () => {
  expect(packages({ packages: ["ufw", "certbot", "nginx"] })).toMatchObject({
    building: expect.arrayContaining(["certbot", "nginx", "ufw"]) as string[],
    serving: ["php8.2-fpm"],
    certificates: ["python3-certbot-nginx"],
    guards: ["fail2ban", "python3-systemd"],
  });
});

test("all of them are each once in the list, in the order of their need", () => {
  expect(
    allPackages({ building: ["git"], serving: ["nginx"], certificates: ["certbot"], guards: ["ufw"] }),
  ).toEqual(["git", "nginx", "certbot", "ufw"]);
});
