import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { missingMembers } from "../../../backups/missing-members.ts";
import { partOf } from "../../../runbook/server-failure.ts";
import { parseSite } from "../../../site/load.ts";

const site = parseSite(readFileSync(new URL("../../../site/example.yaml", import.meta.url)));
if (Array.isArray(site)) throw new Error("the example is wrong");

const format = "archive";
const members = [
  "database/admin.db.gz",
  "files/uploads.tar.gz",
  "data/app_data.tar.gz",
  "config/.env",
  "config/config.php",
].map((path) => ({ path, bytes: 100, unpackedBytes: 100 }));

test("a point that holds all of a site misses nothing", () => {
  expect(missingMembers({ format, members }, site)).toEqual([]);
});

test("what is absent or empty is named, with what it is to the site", () => {
  expect(missingMembers({ format, members: members.slice(2) }, site)).toEqual([
    { member: "database/admin.db.gz", of: "database club" },
    { member: "files/uploads.tar.gz", of: "uploads data/uploads" },
  ]);
  expect(
    missingMembers(
      { format, members: members.map((one) => (one.path === "config/.env" ? { ...one, bytes: 0 } : one)) },
      site,
    ),
  ).toEqual([{ member: "config/.env", of: "configuration .env" }]);
});

test("a certificate that should be in the backup is missed there", () => {
  const certified = { ...site, tls: { ...site.tls, member: "config/letsencrypt.tar.gz" } };
  expect(missingMembers({ format, members }, certified)).toEqual([
    { member: "config/letsencrypt.tar.gz", of: "certificate" },
  ]);
});

test("the server's own configuration, when it comes from the backup, is missed there", () => {
  const from = "backup" as const;
  const fromBackup = {
    ...site,
    nginx: { site: "nginx.conf", from },
    php: { ...site.php, pool: { file: "pool.conf", from } },
  };
  expect(missingMembers({ format, members }, fromBackup)).toEqual([
    { member: "config/nginx.conf", of: "configuration nginx.conf" },
    { member: "config/pool.conf", of: "configuration pool.conf" },
  ]);
});

test("members of our own format are known by the database's name and the folder's path", () => {
  const own = [
    { path: "database-club.db.zst.age" },
    { path: "uploads-2.tar.zst.age", folder: "data/uploads" },
    { path: "data-1.tar.zst.age", folder: "data" },
    { path: "config.tar.zst.age" },
    { path: "inventory.tar.zst.age" },
  ].map((member) => ({ ...member, bytes: 100, unpackedBytes: 100 }));
  expect(missingMembers({ format: "folder", members: own }, site)).toEqual([]);
  const others = own.map((member) => ({
    ...member,
    path: member.path.replace("-club", "-shop"),
    ...(member.folder === undefined ? {} : { folder: "elsewhere" }),
  }));
  expect(missingMembers({ format: "folder", members: others.slice(0, 3) }, site)).toEqual([
    { member: "database-club.db", of: "database club" },
    { member: "uploads", of: "uploads data/uploads" },
    { member: "data", of: "data data" },
    { member: "config.tar", of: "configuration" },
  ]);
});

test("a point of our own format that holds databases alone misses nothing of what a site is without the rest", () => {
  const alone = ["database-club.db", "inventory.tar"].map((path) => ({
    path,
    bytes: 100,
    unpackedBytes: 100,
  }));
  expect(missingMembers({ format: "folder", members: alone }, partOf(site, "database"))).toEqual([]);
  const certified = {
    ...partOf(site, "database"),
    tls: { ...site.tls, member: "config/letsencrypt.tar.gz" },
  };
  expect(missingMembers({ format: "folder", members: alone }, certified)).toEqual([
    { member: "config.tar", of: "configuration" },
  ]);
});
