import fc from "fast-check";
import { expect, test } from "vitest";
import type { RunRecord } from "../../../evidence/record.ts";
import { duration, report } from "../../../evidence/report.ts";
import { failed, recovered } from "./records.ts";

test("a recovered run reads so", () => {
  expect(`${report(recovered)}\n`).toBe(`\
STEP                           TIME        BUDGET
1.2   Server fit               0.8 s       30 min  done
1.6   Everything put in place  15 min 1 s  15 min  over budget

CHECK            SEEN
GET /health      status 200, 12 bytes  ok
club: integrity  ok                    ok

OBJECTIVE     MEASURED    ALLOWED
rto           1 min 10 s  4 h      met
rpo database  6 h 2 min   6 h      MISSED

note: refused by the wall: git.example.org
recovered club from full_backup_20260301_020000 in 1 min 10 s, serving after 42.5 s
`);
});

test("a run that failed reads so: what went wrong stands last, with what to do next", () => {
  expect(`${report(failed)}\n`).toBe(`\
STEP                           TIME        BUDGET
1.2   Server fit               0.8 s       30 min  done
1.6   Everything put in place  3 min 20 s  15 min  failed
1.11  Checks                   -           10 min  not-run

CHECK        SEEN
GET /health  status 502: Bad Gateway (expected status 200)  FAILED

OBJECTIVE     MEASURED     ALLOWED
rto           not reached  4 h      MISSED
rpo database  6 h          6 h      met

NOT RECOVERED: Everything put in place: the database is damaged
integrity_check said: row 3 missing
choose another restore point
`);
});

test("a run without a reason still says that nothing was recovered", () => {
  const unexplained: RunRecord = { ...recovered, outcome: "interrupted", recoveredAt: null };
  expect(report(unexplained).split("\n").at(-1)).toBe("NOT RECOVERED: interrupted");
});

test("a run that nobody saw serving does not claim when it did", () => {
  expect(
    report({ ...recovered, servingAt: null })
      .split("\n")
      .at(-1),
  ).toBe("recovered club from full_backup_20260301_020000 in 1 min 10 s");
});

test.each([
  [0, "0 s"],
  [0.8, "0.8 s"],
  [42.1, "42.1 s"],
  [59, "59 s"],
  [59.94, "59.9 s"],
  [59.96, "1 min"],
  [60, "1 min"],
  [200, "3 min 20 s"],
  [3600, "1 h"],
  [3659, "1 h"],
  [22_320, "6 h 12 min"],
  [86_399, "23 h 59 min"],
  [86_400, "1 d"],
  [86_700, "1 d"],
  [604_800, "7 d"],
])("%d seconds are %s", (seconds, expected) => {
  expect(duration(seconds)).toBe(expected);
});

test("a duration never tells more than there was, and less by no more than its smaller unit", () => {
  const unitSeconds = { d: 86_400, h: 3600, min: 60, s: 1 };
  fc.assert(
    fc.property(fc.nat({ max: 40 * 86_400 }), (seconds) => {
      const parts = [...duration(seconds).matchAll(/(\d+) (d|h|min|s)(?= |$)/g)];
      const told = parts.reduce((sum, [, count, unit]) => sum + Number(count) * unitSeconds[unit as "s"], 0);
      const slack = seconds >= 86_400 ? 3600 : seconds >= 3600 ? 60 : 1;
      expect(seconds - told).toBeGreaterThanOrEqual(0);
      expect(seconds - told).toBeLessThan(slack);
      expect(parts.length).toBeLessThanOrEqual(2);
    }),
  );
});

test("what was seen while the site was watched is told after the objectives, and its length apart from the RTO", () => {
  const watch: NonNullable<RunRecord["watch"]> = {
    of: ["/var/log/club.log"],
    wantedSeconds: 1800,
    seconds: 1800,
    looks: 60,
    endedBy: "time",
    errors: [],
  };
  const lines = (change: Partial<typeof watch>) =>
    report({ ...recovered, watch: { ...watch, ...change } }).split("\n");
  expect(lines({})).toContain("watched 30 min: no new error, metrics and units answer");
  expect(lines({ seconds: 180, endedBy: "operator" })).toContain(
    "watched 3 min of 30 min, ended by the operator: no new error, metrics and units answer",
  );
  expect(lines({ seconds: 180, endedBy: "fault", errors: ["the watch broke off: gone"] })).toContain(
    "WATCHED 3 min of 30 min, then it broke off, AND SEEN:",
  );
  const seen = lines({ errors: ["/var/log/club.log: ERROR no mail", "journal: PHP Fatal error"] });
  expect(seen.slice(seen.indexOf("WATCHED 30 min, AND SEEN:"), -1)).toEqual([
    "WATCHED 30 min, AND SEEN:",
    "  /var/log/club.log: ERROR no mail",
    "  journal: PHP Fatal error",
  ]);
  expect(seen.at(-1)).toMatch(/^recovered club/);
});

test.each<[Partial<NonNullable<RunRecord["fencing"]>>, string]>([
  [
    {
      how: "stopped",
      address: "192.0.2.9",
      units: [
        { unit: "mail.service", before: "active, enabled", after: "inactive, disabled" },
        { unit: "nginx.service", before: "active, enabled", after: "inactive, disabled" },
      ],
    },
    "old server 192.0.2.9: stopped by this run, disabled at boot: mail.service, nginx.service",
  ],
  [{ how: "said-to-be-off" }, "old server: off, as anna@office said; this run has not seen it"],
  [
    { how: "said-to-be-off", address: "192.0.2.9" },
    "old server 192.0.2.9: off, as anna@office said; this run has not seen it",
  ],
  [
    { how: "decided-before" },
    "old server: not asked for, since an earlier recovery came to its end on this host",
  ],
])("what became of the old server is told, of a failed run too: %j", (change, line) => {
  const about = { how: "decided-before" as const, who: "anna@office", at: recovered.startedAt, units: [] };
  for (const record of [recovered, failed])
    expect(report({ ...record, fencing: { ...about, ...change } }).split("\n")).toContain(line);
});

test("what came back alone is named", () => {
  expect(
    report({ ...recovered, only: "application" })
      .split("\n")
      .at(-1),
  ).toMatch(/^recovered the application of club from /);
});
