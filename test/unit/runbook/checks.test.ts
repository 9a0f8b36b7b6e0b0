import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  checkNeeds,
  checkRequest,
  databaseServerRequest,
  watchRequest,
  type CheckOptions,
} from "../../../runbook/checks.ts";
import type { Facts } from "../../../runbook/step.ts";
import { siteSchema } from "../../../site/schema.ts";
import { postgresql } from "./expected-plans.ts";
import { smallSite, written, writtenElsewhere, writtenPostgresql } from "./small-site.ts";

const options: CheckOptions = { transport: "verified", restored: true, isolated: true, mark: "mark-1" };

function checks(changes: Partial<CheckOptions>): Facts[] {
  return checkRequest(smallSite, { ...options, ...changes })["checks"] as Facts[];
}

const titles = (some: readonly Facts[]) => some.map(({ title }) => title);

test("the request of a restored and isolated host, whole: what only looks, what writes, then the traces of all that", () => {
  const path = "/var/www/club/data/club.db";
  const database = { name: "club", kind: "sqlite", path, member: "database/club.db.gz" };
  const ownedBy = { kind: "mode", owner: "www-data:www-data" };
  expect(checkRequest(smallSite, options)).toEqual({
    domain: "club.example.org",
    mark: "mark-1",
    environmentFile: "/var/www/club/.env",
    owner: "www-data",
    authorityFile: "/var/lib/recovery/acme-root.pem",
    transport: "verified",
    checks: [
      { kind: "unit", title: "php8.2-fpm.service: running, enabled at boot", unit: "php8.2-fpm.service" },
      { kind: "unit", title: "nginx.service: running, enabled at boot", unit: "nginx.service" },
      { kind: "unit", title: "thumbnails.service: running, enabled at boot", unit: "thumbnails.service" },
      { kind: "integrity", title: "database club: integrity", database },
      { kind: "references", title: "database club: references", database },
      { kind: "restored-files", title: "uploads: hashes" },
      { ...ownedBy, title: "/var/www/club: owner and mode", path: "/var/www/club", mode: "755" },
      { ...ownedBy, title: ".env: owner and mode", path: "/var/www/club/.env", mode: "600" },
      { ...ownedBy, title: "config.php: owner and mode", path: "/var/www/club/config.php", mode: "600" },
      { ...ownedBy, title: "data/club.db: owner and mode", path, mode: "660" },
      { ...ownedBy, title: "data: owner and mode", path: "/var/www/club/data", mode: "770" },
      { ...ownedBy, title: "/srv/uploads: owner and mode", path: "/srv/uploads", mode: "770" },
      {
        kind: "tree",
        title: "application: owner, nothing writable by all",
        path: "/var/www/club",
        owner: "www-data",
      },
      { kind: "log", title: "/var/log/club.log: writable", path: "/var/log/club.log" },
      { kind: "metrics", title: "/metrics: metrics", path: "/metrics" },
      {
        kind: "http",
        title: "GET /health",
        path: "/health",
        method: "GET",
        bearer: { variable: "TOKEN" },
        status: 200,
        json: { status: "ok" },
        jsonPresent: [],
      },
      {
        kind: "rows",
        title: "members: at least 3 rows",
        database,
        table: "members",
        minimum: 3,
      },
      {
        kind: "upload",
        title: "/upload.php: upload and read back",
        path: "/upload.php",
        field: "file",
        bearer: { secret: "MONITORING" },
        urlField: "url",
        alone: true,
      },
      {
        kind: "http",
        title: "Somebody can write",
        path: "/write",
        method: "POST",
        body: { text: "{mark}" },
        status: 200,
        json: {},
        jsonPresent: [],
        text: "{mark}",
        alone: true,
      },
      { kind: "no-errors", title: "logs: no fatal error", alone: true },
      { kind: "certificate", title: "club.example.org: certificate", domain: "club.example.org" },
      { kind: "certificate", title: "www.club.example.org: certificate", domain: "www.club.example.org" },
      { kind: "isolated", title: "isolation" },
    ],
  });
});

test("PostgreSQL's server must run, and its database has no file whose mode could be looked at", () => {
  const asked = checkRequest(siteSchema.parse(writtenPostgresql), options)["checks"] as Facts[];
  expect(asked.slice(0, 1)).toEqual([
    { kind: "unit", title: "postgresql.service: running, enabled at boot", unit: "postgresql.service" },
  ]);
  expect(asked.filter(({ kind }) => ["integrity", "references", "rows"].includes(kind as string))).toEqual([
    { kind: "integrity", title: "database club: integrity", database: postgresql.facts },
    { kind: "references", title: "database club: references", database: postgresql.facts },
    {
      kind: "rows",
      title: "members: at least 3 rows",
      table: "members",
      minimum: 3,
      database: postgresql.facts,
    },
  ]);
  expect(titles(asked)).not.toContain("club_data: owner and mode");
});

describe("a PostgreSQL on a server of its own", () => {
  const site = siteSchema.parse(writtenElsewhere);
  const kinds = ["integrity", "references", "rows"];
  const databaseChecks = (asked: unknown) =>
    (asked as Facts[]).filter(
      ({ kind, unit }) => kinds.includes(kind as string) || unit === "postgresql.service",
    );

  test("is asked over the site's own connection, where only that is there", () => {
    expect(databaseChecks(checkRequest(site, options)["checks"])).toMatchObject([
      { kind: "rows", table: "members", database: { name: "club", server: "own", asked: "connection" } },
    ]);
  });

  test("is asked like any other when it was restored beside the site", () => {
    const asked = checkRequest(site, { ...options, databases: "server" })["checks"];
    expect(databaseChecks(asked).map(({ kind }) => kind)).toEqual(["unit", ...kinds]);
  });

  test("is asked itself, about nothing of the site, while the site is asked about nothing of it", () => {
    const { checks: asked } = databaseServerRequest(site, options);
    expect(titles(asked as Facts[])).toEqual([
      "postgresql.service: running, enabled at boot",
      "database club: integrity",
      "database club: references",
      "members: at least 3 rows",
    ]);
    expect(databaseChecks(checkRequest(site, { ...options, databases: "not" })["checks"])).toEqual([]);
  });

  test("is not watched on the site's host", () => {
    const { checks: asked } = watchRequest(site, { isolated: false });
    expect(databaseChecks(asked)).toEqual([]);
  });
});

test("without a restore point to compare with, only what the site itself can tell is asked", () => {
  const left = titles(checks({ restored: false }));
  expect(titles(checks({})).filter((title) => !left.includes(title))).toEqual(["uploads: hashes"]);
});

test("before there is a certificate, none is asked for", () => {
  const request = checkRequest(smallSite, { ...options, transport: "any" });
  expect(request["transport"]).toBe("any");
  const left = titles(request["checks"] as Facts[]);
  expect(titles(checks({})).filter((title) => !left.includes(title))).toEqual([
    "club.example.org: certificate",
    "www.club.example.org: certificate",
  ]);
});

test("a real host may reach others, and its certificate is of a public authority", () => {
  const request = checkRequest(smallSite, { ...options, isolated: false });
  expect(request["authorityFile"]).toBe("");
  expect(titles(request["checks"] as Facts[])).not.toContain("isolation");
});

test("a site without databases, uploads and metrics is asked for none", () => {
  const bare = siteSchema.parse({
    ...written,
    databases: [],
    uploads: [],
    metrics: undefined,
    checks: [{ kind: "http", path: "/" }],
  });
  const kinds = (checkRequest(bare, options)["checks"] as Facts[]).map(({ kind }) => kind);
  for (const kind of ["integrity", "references", "restored-files", "metrics"]) {
    expect(kinds).not.toContain(kind);
  }
});

test("the request is plain JSON: nothing is lost on its way to the host", () => {
  const request = checkRequest(smallSite, options);
  expect(JSON.parse(JSON.stringify(request))).toStrictEqual(request);
});

test("host/check knows every kind that is asked for", () => {
  const known = readFileSync(new URL("../../../host/check", import.meta.url), "utf8");
  const kinds = new Set(checks({}).map(({ kind }) => kind as string));
  expect(kinds.size).toBeGreaterThan(10);
  for (const kind of kinds) expect(known).toMatch(new RegExp(`^check_${kind}\\(\\) \\{`, "m"));
});

test("a row check of a database that the site does not have is a fault of the program", () => {
  const wrong = { ...smallSite, databases: [] };
  expect(() => checkRequest(wrong, options)).toThrow("the check of members names no database of the site");
});

test("a request that may not write asks everything else", () => {
  const all = titles(checks({}));
  const reading = titles(checks({ readOnly: true }));
  expect(all.filter((title) => !reading.includes(title))).toEqual([
    "/upload.php: upload and read back",
    "Somebody can write",
  ]);
});

test("a host needs SQLite's program for the checks of an SQLite database alone", () => {
  expect(checkNeeds(smallSite)).toEqual(["jq", "curl", "openssl", "sqlite3"]);
  expect(checkNeeds(siteSchema.parse(writtenPostgresql))).toEqual(["jq", "curl", "openssl"]);
});

test("a watched site is asked for its units and its metrics, by what a visitor may see, and nothing is written", () => {
  const { checks: asked, ...head } = watchRequest(smallSite, { isolated: false });
  expect(head).toEqual({
    domain: "club.example.org",
    mark: "recovery-check-watch",
    environmentFile: "/var/www/club/.env",
    owner: "www-data",
    authorityFile: "",
    transport: "verified",
  });
  expect((asked as Facts[]).map(({ kind, unit, path }) => [kind, unit ?? path])).toEqual([
    ["unit", "php8.2-fpm.service"],
    ["unit", "nginx.service"],
    ["unit", "thumbnails.service"],
    ["metrics", "/metrics"],
  ]);
});
