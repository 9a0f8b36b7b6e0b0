import { expect, test } from "vitest";
import { shortfalls } from "../../../offsite/shortfalls.ts";
import { siteSchema } from "../../../site/schema.ts";
import { written } from "../runbook/small-site.ts";

const offsite = {
  ...{ kind: "ssh", name: "offsite", host: "192.0.2.20", user: "keeper", path: "/srv/kept" },
  hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS",
};
const of = (changes: object) => shortfalls(siteSchema.parse({ ...written, ...changes }));
const stores = [...written.stores, offsite];

test("a site that makes no backups of its own is not judged", () => {
  expect(of({})).toEqual([]);
});

test("the defaults meet the runbook's objectives once there is another server", () => {
  expect(of({ backups: {}, stores })).toEqual([]);
});

test("backups on the server alone are lost with it: no class of data meets its objective", () => {
  expect(of({ backups: {} })).toEqual([
    "database may be 6h old, and nothing that holds it is sent to another server",
    "configuration may be 24h old, and nothing that holds it is sent to another server",
    "uploads may be 24h old, and nothing that holds it is sent to another server",
    "logs may be 7d old, and nothing that holds it is sent to another server",
    "metrics may be 7d old, and nothing that holds it is sent to another server",
  ]);
});

test.each([
  [
    "the database, sent with the daily ones alone",
    { hourly: { stores: [] } },
    ["database may be 6h old, and is sent to another server every 24h"],
  ],
  [
    "the database, made too seldom",
    { hourly: { every: "8h" } },
    ["database may be 6h old, and is sent to another server every 8h"],
  ],
  [
    "files, sent once a week",
    { daily: { stores: [] } },
    [
      "configuration may be 24h old, and is sent to another server every 7d",
      "uploads may be 24h old, and is sent to another server every 7d",
    ],
  ],
  [
    "logs and metrics, sent once a month",
    { weekly: { stores: [] } },
    [
      "logs may be 7d old, and is sent to another server every 31d",
      "metrics may be 7d old, and is sent to another server every 31d",
    ],
  ],
])("%s", (_, backups, expected) => {
  expect(of({ backups, stores })).toEqual(expected);
});

test("an objective that says so is met by less, and what a site does not have is not asked for", () => {
  expect(
    of({ backups: { hourly: { every: "12h" } }, stores, objectives: { rpo: { database: "12h" } } }),
  ).toEqual([]);
  expect(of({ backups: { weekly: { stores: [] } }, stores, logs: [], metrics: undefined })).toEqual([]);
});
