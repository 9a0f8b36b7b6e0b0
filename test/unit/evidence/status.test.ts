import { describe, expect, test } from "vitest";
import type { RestorePoint } from "../../../backups/restore-point.ts";
import type { Verdict } from "../../../backups/verdict.ts";
import { judgeStatus, type MeasuredRun, type Status } from "../../../evidence/status.ts";
import { statusMetrics, statusReport } from "../../../evidence/status-report.ts";
import { siteSchema } from "../../../site/schema.ts";
import { written } from "../runbook/small-site.ts";

const now = new Date("2026-03-10T12:00:00Z");
const verification = { signers: ["ssh-ed25519 AAAA verifier"] };
const site = siteSchema.parse({ ...written, backups: {}, verification });

function point(id: string, changes: Partial<RestorePoint> = {}): RestorePoint {
  const time = id.replace(/^\w+\/(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6.000Z");
  const names = ["database-club.db", "config.tar", "inventory.tar"];
  const folders = [
    ...site.uploads.map(({ path }, at) => ({ name: `uploads-${at + 1}.tar`, folder: path })),
    ...site.data.map(({ path }, at) => ({ name: `data-${at + 1}.tar`, folder: path })),
  ];
  return {
    ...{ format: "folder", id, store: "disk", file: id, aliases: [], kind: "full", state: "complete" },
    ...{ reason: null, notes: [], timeOfData: time, storedAt: time, storedBytes: 1000, sha256: null },
    ...{ manifestSha256: "m", root: null, unpackedBytes: 5000, hostname: null },
    members: [...names.map((name) => ({ name })), ...folders].map(({ name, ...folder }) => ({
      ...{ path: `${name}.zst.age`, bytes: 1, unpackedBytes: 1 },
      ...folder,
    })),
    ...changes,
  };
}

const hourly = (id: string) =>
  point(id, {
    kind: "database",
    members: [{ path: "database-club.db.zst.age", bytes: 1, unpackedBytes: 1 }],
  });
const drill: MeasuredRun = {
  ...{ kind: "drill", outcome: "recovered" },
  ...{ startedAt: "2026-03-02T06:00:00.000Z", recoveredAt: "2026-03-02T06:01:00.000Z" },
};
const proven: Verdict = {
  ...{ version: 1, site: "club", store: "disk", level: "proven", result: "passed", why: null },
  ...{
    pin: { id: "x", manifestSha256: "m", archiveSha256: null },
    at: "2026-03-02T06:01:00.000Z",
    tool: "x",
  },
};

function judged(changes: Partial<Parameters<typeof judgeStatus>[0]> = {}): Status {
  const points = [
    hourly("hourly/20260310T110000Z"),
    point("daily/20260310T020000Z", { state: "readable" }),
    point("daily/20260309T020000Z", { state: "proven" }),
    point("daily/20260310T030000Z", { state: "damaged" }),
  ];
  return judgeStatus({ site, points, verdicts: [proven], runs: [drill], now, ...changes });
}

describe("the status of a site", () => {
  test("says for each class of data what would be lost now, and what of it somebody has tried", () => {
    const { classes, scenarios, overdue } = judged();
    expect(
      classes.map(({ name, newest, readable, proven: tried, met }) => [
        name,
        newest?.id,
        readable?.id,
        tried?.id,
        met,
      ]),
    ).toEqual([
      ["database", "hourly/20260310T110000Z", "daily/20260310T020000Z", "daily/20260309T020000Z", true],
      ["configuration", "daily/20260310T020000Z", "daily/20260310T020000Z", "daily/20260309T020000Z", true],
      ["uploads", "daily/20260310T020000Z", "daily/20260310T020000Z", "daily/20260309T020000Z", true],
      ["logs", undefined, undefined, undefined, false],
      ["metrics", undefined, undefined, undefined, false],
    ]);
    expect(classes[0]?.newest).toEqual({
      ...{ id: "hourly/20260310T110000Z", store: "disk" },
      ...{ dataTime: "2026-03-10T11:00:00.000Z", ageSeconds: 3600 },
    });
    expect(scenarios.find(({ name }) => name === "completeFailure")).toEqual({
      ...{ name: "completeFailure", rtoSeconds: 4 * 3600, met: true },
      last: { kind: "drill", at: "2026-03-02T06:00:00.000Z", seconds: 60 },
    });
    expect(scenarios.find(({ name }) => name === "databaseCorruption")).toMatchObject({
      last: null,
      met: null,
    });
    expect(overdue).toEqual(
      ["logs", "metrics"].map((name) => `no good backup holds the ${name}: all of it would be lost`),
    );
  });

  test.each<[string, Partial<Parameters<typeof judgeStatus>[0]>, string]>([
    [
      "data that is older than it may be",
      { points: [point("daily/20260308T020000Z", { state: "proven" })] },
      "the uploads of the newest backup is 2 d 10 h old, and may be 1 d",
    ],
    [
      "that nobody verifies",
      { site: siteSchema.parse(written) },
      "nobody tries the backups: site.yaml has no section verification",
    ],
    [
      "a backup that nobody has read for more than a day",
      { points: [point("daily/20260310T020000Z"), point("daily/20260309T020000Z")] },
      "nobody has read 1 backups that are older than a day, such as daily/20260309T020000Z: npx recovery points verify --new --sign",
    ],
    [
      "that none was proven",
      { verdicts: [{ ...proven, result: "failed" }] },
      "no backup was ever proven by a drill: npx recovery drill --sign",
    ],
    [
      "that the last proof is older than a month",
      { verdicts: [{ ...proven, at: "2026-02-07T06:00:00.000Z" }] },
      "no backup has been proven by a drill since 2026-02-07: npx recovery drill --sign",
    ],
    [
      "that a drill failed since the last that passed",
      { runs: [drill, { ...drill, outcome: "failed", startedAt: "2026-03-05T06:00:00.000Z" }] },
      "a drill failed on 2026-03-05, and none has passed since: npx recovery drill",
    ],
    [
      "that one failed by the word of a verifier, however well it went here before",
      { verdicts: [{ ...proven, result: "failed", at: "2026-03-06T06:00:00.000Z" }, proven] },
      "a drill failed on 2026-03-06, and none has passed since: npx recovery drill",
    ],
    [
      "that no recovery is recorded",
      { runs: [{ ...drill, outcome: "failed" }], verdicts: [] },
      "no recovery is recorded here: npx recovery drill",
    ],
    [
      "a recovery that took too long",
      { runs: [{ ...drill, recoveredAt: "2026-03-02T11:00:00.000Z" }] },
      "completeFailure took 5 h on 2026-03-02, and may take 4 h",
    ],
    [
      "that the last good backup of a store ends before long",
      { points: [point("daily/20260305T020000Z", { state: "proven" })] },
      "the last good backup in disk that is kept longest, daily/20260305T020000Z, is kept for 1 d 14 h more",
    ],
    [
      "that a store holds nothing good any more",
      { points: [point("daily/20260310T020000Z", { state: "damaged" })] },
      "disk holds no good backup of the whole site",
    ],
    [
      "that a proof is of a time that is yet to come",
      { verdicts: [{ ...proven, at: "2099-01-01T00:00:00.000Z" }] },
      "no backup was ever proven by a drill: npx recovery drill --sign",
    ],
    [
      "a database that the site has and no backup holds",
      {
        site: {
          ...site,
          databases: site.databases.flatMap((one) => [one, { ...one, name: "second" }]),
        },
      },
      "no good backup holds the database: all of it would be lost",
    ],
    [
      "that it should have ended",
      { points: [point("daily/20260301T020000Z", { state: "proven" }), point("manual/20260310T020000Z")] },
      "every good backup in disk is older than its tier keeps it: the last is daily/20260301T020000Z",
    ],
  ])("says as overdue %s", (_, changes, line) => {
    expect(judged(changes).overdue).toContain(line);
  });

  test("takes a drill that a verifier signed for one, wherever it was", () => {
    expect(judged({ runs: [] }).overdue).toEqual(judged().overdue);
  });

  test.each<[string, Partial<Parameters<typeof judgeStatus>[0]>]>([
    [
      "one has passed since, wherever that was",
      { runs: [{ ...drill, outcome: "failed", startedAt: "2026-03-01T06:00:00.000Z" }] },
    ],
    [
      "it was interrupted",
      { runs: [{ ...drill, outcome: "interrupted", startedAt: "2026-03-09T06:00:00.000Z" }] },
    ],
    [
      "that is of a time that is yet to come",
      { verdicts: [proven, { ...proven, result: "failed", at: "2099-01-01T00:00:00.000Z" }] },
    ],
    [
      "it was a rebuild",
      {
        runs: [
          drill,
          { ...drill, kind: "rebuild", outcome: "failed", startedAt: "2026-03-09T06:00:00.000Z" },
        ],
      },
    ],
  ])("does not say that a drill failed when %s", (_, changes) => {
    expect(judged(changes).overdue.filter((line) => line.includes("failed"))).toEqual([]);
  });

  test("says as overdue a tier that no longer arrives in one of its stores, though it does in another", () => {
    const offsite = (name: string) => ({
      ...{ kind: "ssh", name, host: "192.0.2.20", user: "keeper", path: "/srv/kept" },
      hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS",
    });
    const stores = [...written.stores, offsite("first"), offsite("second")];
    const backups = { monthly: { stores: ["second"] } };
    const sent = siteSchema.parse({ ...written, stores, backups, verification });
    const on = (store: string, one: RestorePoint): RestorePoint => ({ ...one, store });
    const arriving = (...points: RestorePoint[]) =>
      judged({ site: sent, points }).overdue.filter((line) => line.includes("arrive"));
    const first = [
      on("first", hourly("hourly/20260310T110000Z")),
      on("first", point("daily/20260310T020000Z")),
    ];
    // The others have not been long enough for a tier that is yet to come.
    expect(arriving(...first)).toEqual([]);
    expect(arriving(...first, on("second", hourly("hourly/20260310T093000Z")))).toEqual([]);
    expect(
      arriving(
        ...first,
        on("second", hourly("hourly/20260310T093000Z")),
        on("second", point("hourly/20260310T110000Z", { state: "damaged" })),
        on("second", point("daily/20260308T020000Z")),
      ),
    ).toEqual(["daily backups no longer arrive in second: the newest there is 2 d 10 h old"]);
    // It may still be on its way.
    expect(
      arriving(
        ...first,
        on("second", hourly("hourly/20260310T093000Z")),
        on("second", point("daily/20260309T020000Z")),
      ),
    ).toEqual([]);
    expect(
      arriving(
        ...first,
        on("second", hourly("hourly/20260310T092959Z")),
        on("second", point("manual/20260201T020000Z")),
      ),
    ).toEqual([
      "hourly backups no longer arrive in second: the newest there is 2 h 30 min old",
      "no daily backup has arrived in second",
      "no weekly backup has arrived in second",
      "no monthly backup has arrived in second",
    ]);
  });

  test("takes no time for a measure in which the packages were there already", () => {
    const { scenarios } = judged({ runs: [{ ...drill, baked: true }] });
    expect(scenarios.every(({ last }) => last === null)).toBe(true);
  });

  test("is read on one screen, and by Prometheus", () => {
    const status = judged();
    expect(statusReport(status).split("\n")).toEqual([
      "club, at 2026-03-10T12:00:00.000Z",
      "",
      "DATA           LOST NOW  ALLOWED          READ WHOLE  PROVEN",
      "database       1 h       6 h      met     10 h old    1 d 10 h old",
      "configuration  10 h      1 d      met     10 h old    1 d 10 h old",
      "uploads        10 h      1 d      met     10 h old    1 d 10 h old",
      "logs           all       7 d      MISSED  none        none",
      "metrics        all       7 d      MISSED  none        none",
      "",
      "RECOVERY                    LAST TIME                   ALLOWED",
      "complete failure            1 min, drill of 2026-03-02  4 h      met",
      "database corruption         not measured here           2 h",
      "database server failure     not measured here           1 h",
      "application server failure  not measured here           30 min",
      "data deletion               not measured here           4 h",
      "configuration error         not measured here           1 h",
      "compromise                  not measured here           8 h",
      "",
      "OVERDUE: no good backup holds the logs: all of it would be lost",
      "OVERDUE: no good backup holds the metrics: all of it would be lost",
    ]);
    expect(statusMetrics(status)).toContain(
      `\nrecovery_data_timestamp_seconds{site="club",class="database",level="newest"} ${Date.parse("2026-03-10T11:00:00Z") / 1000}\n`,
    );
    expect(statusMetrics(status)).toContain('\nrecovery_overdue{site="club"} 2\n');
  });
});
