import { describe, expect, test } from "vitest";
import { leadSite, readsIt, type SeenWay, wayOf } from "../../../run/own-database.ts";
import type { LoadedSite } from "../../../site/load.ts";
import { siteSchema } from "../../../site/schema.ts";
import { newKeyPair } from "../ssh/key-pair.ts";
import { writtenElsewhere } from "../runbook/small-site.ts";

const site = siteSchema.parse(writtenElsewhere);
const server = {
  target: { user: "root", address: "192.0.2.10", port: 22, hostKey: "ssh-ed25519 AAAA" },
  address: "db2.internal",
};
const connection = { user: "club", password: "pw", host: "10.0.0.5", port: "5432", database: "club_data" };
const seen: SeenWay = {
  connections: [connection],
  to: "10.0.0.6",
  from: "10.0.0.1",
  units: ["php8.2-fpm.service", "nginx.service", "thumbnails.service"],
  busy: "",
  machine: "of the site",
};
const way = (other: Partial<SeenWay>) => wayOf(site, server, { ...seen, ...other }, "of the database");

test("a new database server is told its address, whom it lets in, and the role's password", () => {
  expect(way({})).toEqual({
    way: { address: "10.0.0.6", from: "10.0.0.1" },
    secrets: { "password-of-club": "pw" },
    now: "10.0.0.5",
  });
});

describe("nothing is done", () => {
  test.each<[string, Partial<SeenWay>, string]>([
    ["a recovery is at work there", { busy: "recovery-fetch.service" }, "recovery-fetch.service is at work"],
    ["both are one host", { machine: "of the database" }, "are the same host"],
    [
      "it is another server",
      { units: ["nginx.service"] },
      "it has no php8.2-fpm.service, thumbnails.service",
    ],
    [
      "its environment file is not there",
      { connections: [null] },
      "does not say how it reaches the database",
    ],
    [
      "it logs in as somebody else, to another database, elsewhere, with nothing",
      { connections: [{ user: "a", password: "", host: "h", port: "6432", database: "b" }] },
      "it logs in as a, and site.yaml says club; it names the database b, and site.yaml says club_data; it holds no password; it names port 6432, and the new server listens on 5432",
    ],
    ["it does not know the name", { to: "", from: "" }, "it does not know that name"],
    ["there is no way", { from: "" }, "it has no route there"],
  ])("when %s on the site's server", (_, other, words) => {
    expect(() => way(other)).toThrow(words);
  });
});

test.each([
  ["that was opened and closed", { ended: 7, open: 0 }, true],
  ["that is still open", { ended: 5, open: 1 }, true],
  ["that never was", { ended: 5, open: 0 }, false],
])("a site reads its database by a session %s: that is seen, or missed", (_, after, ok) => {
  expect(readsIt({ ended: 5, open: 0 }, after).ok).toBe(ok);
});

test("nothing but an address of the site's server gets into the database server's configuration", () => {
  expect(() => way({ from: "10.0.0.1/32 trust\nhost all all 0.0.0.0" })).toThrow();
});

test("a site that cannot be reached any more is told as one that was not led to its database", async () => {
  // Nobody listens on port 1.
  const target = { ...server.target, address: "127.0.0.1", port: 1, hostKey: newKeyPair().public };
  const loaded = { site } as LoadedSite;
  const told: string[] = [];
  const led = leadSite(
    {
      ...{ loaded, target, address: "10.0.0.6", signal: new AbortController().signal },
      say: () => undefined,
    },
    (line) => told.push(line),
  );
  await expect(led).rejects.toMatchObject({
    what: "the database is back, and the site on 127.0.0.1 could not be led to it",
    why: expect.stringContaining("127.0.0.1:1") as string,
    next: expect.stringContaining("the same command again") as string,
  });
  expect(told).toEqual([]);
});
