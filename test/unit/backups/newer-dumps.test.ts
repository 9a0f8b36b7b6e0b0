import { expect, test } from "vitest";
import { newerDumps } from "../../../backups/newer-dumps.ts";
import { siteSchema, type Site } from "../../../site/schema.ts";
import { writtenPostgresql } from "../runbook/small-site.ts";

const member = "database/admin_postgres.sql.gz";

function newer(server: number, pgDump: number, release: Site["server"]["release"]) {
  const site = siteSchema.parse({ ...writtenPostgresql, server: { release } });
  return newerDumps(
    { members: [{ path: member, bytes: 1, unpackedBytes: 1, dumped: { server, pgDump } }] },
    site,
  );
}

test("a dump goes onto a server of its version or a newer one", () => {
  expect([newer(12, 12, "12"), newer(15, 15, "12"), newer(13, 17, "13")]).toEqual([[], [], []]);
});

test("a dump of a newer server, or of a newer pg_dump, does not", () => {
  expect(newer(17, 17, "12")).toEqual([{ member, dump: 17, server: 15 }]);
  expect(newer(15, 16, "12")).toEqual([{ member, dump: 16, server: 15 }]);
});

test("a member that tells no version is left to the server", () => {
  const site = siteSchema.parse(writtenPostgresql);
  expect(newerDumps({ members: [{ path: member, bytes: 1, unpackedBytes: 1 }] }, site)).toEqual([]);
});
