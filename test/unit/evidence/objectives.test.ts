import { expect, test } from "vitest";
import { judgeObjectives } from "../../../evidence/objectives.ts";
import { siteSchema } from "../../../site/schema.ts";
import { written } from "../runbook/small-site.ts";

const site = siteSchema.parse({
  ...written,
  objectives: {
    rpo: { database: "6h", configuration: "24h", uploads: "12h" },
    rto: { completeFailure: "2h" },
  },
});
const failureAt = new Date("2026-03-01T12:00:00Z");
const judged = (dataTime: string, recoveredAt: string | null, of = site, databaseTime = dataTime) =>
  judgeObjectives(of, {
    failureAt,
    dataTime: new Date(dataTime),
    databaseTime: new Date(databaseTime),
    recoveredAt: recoveredAt === null ? null : new Date(recoveredAt),
  });

test("what was kept to the second is met, in every class of data", () => {
  expect(judged("2026-03-01T06:00:00Z", "2026-03-01T14:00:00Z")).toEqual([
    { name: "rto", objectiveSeconds: 7200, seconds: 7200, met: true },
    { name: "rpo database", objectiveSeconds: 21_600, seconds: 21_600, met: true },
    { name: "rpo configuration", objectiveSeconds: 86_400, seconds: 21_600, met: true },
    { name: "rpo uploads", objectiveSeconds: 43_200, seconds: 21_600, met: true },
  ]);
});

test("what was missed by a tenth of a second is missed, each class by its own measure", () => {
  expect(judged("2026-02-28T23:59:59.900Z", "2026-03-01T14:00:00.100Z")).toEqual([
    { name: "rto", objectiveSeconds: 7200, seconds: 7200.1, met: false },
    { name: "rpo database", objectiveSeconds: 21_600, seconds: 43_200.1, met: false },
    { name: "rpo configuration", objectiveSeconds: 86_400, seconds: 43_200.1, met: true },
    { name: "rpo uploads", objectiveSeconds: 43_200, seconds: 43_200.1, met: false },
  ]);
});

test("a run that did not recover has no time and missed its RTO; how old its data is stays true", () => {
  const [rto, ...rpo] = judged("2026-03-01T11:00:00Z", null);
  expect(rto).toEqual({ name: "rto", objectiveSeconds: 7200, seconds: null, met: false });
  expect(rpo.map(({ seconds, met }) => [seconds, met])).toEqual(Array(3).fill([3600, true]));
});

test("data of after the failure, by clocks that differ, is no loss", () => {
  const [, database] = judged("2026-03-01T12:00:05Z", "2026-03-01T12:10:00Z");
  expect(database).toMatchObject({ seconds: 0, met: true });
});

test("databases of a newer point are judged by their own age", () => {
  const [, ...rpo] = judged("2026-02-28T23:00:00Z", null, site, "2026-03-01T11:00:00Z");
  expect(rpo.map(({ name, seconds, met }) => [name, seconds, met])).toEqual([
    ["rpo database", 3600, true],
    ["rpo configuration", 46_800, true],
    ["rpo uploads", 46_800, false],
  ]);
});

test("a class of data that the site does not have is not judged", () => {
  const bare = siteSchema.parse({ ...written, databases: [], uploads: [] });
  expect(judged("2026-03-01T11:00:00Z", null, bare).map(({ name }) => name)).toEqual([
    "rto",
    "rpo configuration",
  ]);
});

test("of the failure of one server its own RTO counts, and the classes of data that it restored", () => {
  const times = {
    failureAt,
    dataTime: new Date("2026-03-01T06:00:00Z"),
    databaseTime: new Date("2026-03-01T06:00:00Z"),
    recoveredAt: new Date("2026-03-01T12:45:00Z"),
  };
  const names = (only: "application" | "database") =>
    judgeObjectives(site, times, only).map(({ name, objectiveSeconds, met }) => [
      name,
      objectiveSeconds,
      met,
    ]);
  expect(names("application")).toEqual([
    ["rto", 1800, false],
    ["rpo configuration", 86_400, true],
    ["rpo uploads", 43_200, true],
  ]);
  expect(names("database")).toEqual([
    ["rto", 3600, true],
    ["rpo database", 21_600, true],
  ]);
});
