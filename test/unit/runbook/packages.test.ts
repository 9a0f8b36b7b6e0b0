import { expect, test } from "vitest";
import { packagesOf } from "../../../runbook/packages.ts";
import { siteSchema } from "../../../site/schema.ts";
import { written, writtenPostgresql } from "./small-site.ts";

const remaining = ["certbot", "fail2ban", "python3-certbot-nginx", "python3-systemd", "ufw"];

function packages(changes: Partial<Record<keyof typeof written, unknown>>, isolated = false) {
  return packagesOf(siteSchema.parse({ ...written, ...changes }), { isolated });
}

test("a site without databases and extensions asks for PHP, nginx and what fetches and checks them", () => {
  const none = { databases: [], packages: [], php: { version: "8.4" }, checks: written.checks.slice(0, 3) };
  expect(packages(none)).toEqual({
    serving: ["ca-certificates", "curl", "git", "nginx", "openssl", "php8.4-cli", "php8.4-fpm"],
    remaining,
  });
});

test("a database brings its tool and PHP's driver, once even when the driver is among the extensions", () => {
  const { serving } = packages({ php: { version: "8.2", extensions: ["sqlite3", "curl"] } });
  expect(serving).toEqual([
    "ca-certificates",
    "composer",
    "curl",
    "git",
    "nginx",
    "openssl",
    "php8.2-cli",
    "php8.2-curl",
    "php8.2-fpm",
    "php8.2-sqlite3",
    "sqlite3",
  ]);
});

test("PostgreSQL is of the version that the Debian release packages", () => {
  const { databases } = writtenPostgresql;
  expect(packages({ databases }).serving).toEqual(
    expect.arrayContaining(["php8.2-pgsql", "postgresql-15", "postgresql-client-15"]),
  );
  expect(packages({ databases }).serving).not.toContain("sqlite3");
  expect(packages({ databases, server: { release: "13" }, php: { version: "8.4" } }).serving).toEqual(
    expect.arrayContaining(["php8.4-pgsql", "postgresql-17", "postgresql-client-17"]),
  );
});

test("a drill's host closes its egress and is its own certificate authority", () => {
  const [real, drill] = [packages({}), packages({}, true)];
  expect(drill.serving).toEqual([...real.serving, "nftables"].sort());
  expect(drill.remaining).toEqual([...real.remaining, "pebble"].sort());
});

test("what the site needs to serve is installed first and only once", () => {
  expect(packages({ packages: ["ufw", "certbot"] })).toMatchObject({
    serving: expect.arrayContaining(["certbot", "ufw"]) as string[],
    remaining: ["fail2ban", "python3-certbot-nginx", "python3-systemd"],
  });
});
