import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const resident = fileURLToPath(new URL("../../../host/resident", import.meta.url));
const [minute, hour, day] = [60, 3600, 86_400];
const now = Date.parse("2026-03-31T12:00:00Z") / 1000;
/** What may be late is late half an hour after its time. */
const grace = 30 * minute;

interface Finding {
  id: string;
  level: string;
  text: string;
  next: string;
  since: number;
}
interface State {
  level: string;
  summary: string;
  findings: Finding[];
  newest: Record<string, Record<string, { point: string; at: number } | null>>;
  channels: Record<string, { failing: { since: number; why: string } | null; told: object }>;
}
interface Decided {
  state: State;
  messages: { mail: string | null; webhook: string | null };
}

const time = (seconds: number) => new Date(seconds * 1000).toISOString().replace(/[-:]|\.\d+/g, "");
const sha256 = "0".repeat(64);
const contents = {
  hourly: ["database-club.db.zst.age", "inventory.tar.zst.age"],
  daily: ["database-club.db.zst.age", "config.tar.zst.age", "uploads-1.tar.zst.age"],
};
type Tier = keyof typeof contents;

/** A good point of so many seconds ago, each member of it so large. */
function point(
  tier: Tier,
  age: number,
  { bytes = 1000, rows = { club: { members: 100 } } }: { bytes?: number; rows?: unknown } = {},
) {
  const members = contents[tier].map((name) => ({ name, bytes, sha256 }));
  return {
    id: `${tier}/${time(now - age)}`,
    sizes: Object.fromEntries(members.map((member) => [member.name, bytes])) as Record<string, number>,
    manifest: { errors: [], members } as unknown,
    rows,
  };
}
const every = (tier: Tier, seconds: number, count: number, first = 10 * minute) =>
  Array.from({ length: count }, (_, index) => point(tier, first + index * seconds));
const sent = (instance: Tier, age: number) => ({
  ...{ store: "offsite", instance },
  record: { point: `${instance}/${time(now - age)}`, members: contents[instance] } as unknown,
});
const readNow = (points: { id: string }[]) =>
  Object.fromEntries(points.map(({ id }) => [id, { at: now - hour, bad: [] as string[] }]));

const outcome = {
  ...{ point: "hourly/x", ok: true, packed: true, sent: { offsite: null } as Record<string, string | null> },
  endedAt: "2026-03-31T11:50:00Z",
};
const units = {
  ...{
    "site-backup@hourly.timer": { ActiveState: "active" },
    "site-backup@daily.timer": { ActiveState: "active" },
  },
  "site-watch.timer": { ActiveState: "active" },
};

/** A server with which all is well. */
function facts() {
  const points = [...every("hourly", hour, 48), ...every("daily", day, 7, 5 * hour)];
  return {
    now,
    since: now - 90 * day,
    host: "club",
    settings: {
      request: { site: "photo-club", databases: [{ name: "club" }] },
      rpo: { database: 6 * hour, uploads: day } as Record<string, number>,
      tiers: {
        hourly: { everySeconds: hour, keepSeconds: 2 * day, atLeast: 48, stores: ["offsite"] },
        daily: { everySeconds: day, keepSeconds: 7 * day, atLeast: 7, stores: ["offsite"] },
        manual: { stores: ["offsite"] },
      },
      alerts: { mail: { to: ["owner@example.org"] }, webhook: "HOOK", deadMan: "URL" } as Record<
        string,
        unknown
      >,
    },
    before: null as unknown,
    points,
    read: readNow(points) as Record<string, { at: number; bad: string[] }>,
    sent: [sent("hourly", 10 * minute), sent("daily", 5 * hour)],
    outcomes: { hourly: outcome, daily: outcome } as Record<string, unknown>,
    cutOff: {} as Record<string, number>,
    said: {} as Record<string, string | null>,
    units: units as Record<string, { ActiveState: string; Result?: string }> | null,
    disks: { "/": 79 } as Record<string, number | null>,
    textfile: true,
  };
}
type Facts = ReturnType<typeof facts>;

function jq(input: unknown, ...program: string[]): unknown {
  const { stdout, stderr } = spawnSync("jq", ["-c", "-L", resident, ...program], {
    input: JSON.stringify(input),
    encoding: "utf8",
    maxBuffer: 1024 ** 3,
  });
  expect(stderr).toBe("");
  return JSON.parse(stdout);
}
function watched(change: (given: Facts) => void = () => undefined): Decided {
  const given = facts();
  change(given);
  return jq(given, "-f", `${resident}/watch.jq`) as Decided;
}
/** The state once all its messages were sent, with these results. */
const told = (state: State, results: Record<string, string | null>) =>
  jq({ state, results }, 'include "told"; .results as $results | .state | told($results)') as State;
const found = (change: (given: Facts) => void) =>
  watched(change).state.findings.map(({ level, id, text }) => `${level} ${id}: ${text}`);

test("with a server whose backups are well nothing is wrong, and nobody is told", () => {
  const { state, messages } = watched();
  expect(state).toMatchObject({
    level: "ok",
    findings: [],
    summary: "nothing is wrong; newest elsewhere: database 10 min ago, uploads 5 h ago",
    newest: { database: { local: { point: `hourly/${time(now - 10 * minute)}`, at: now - 10 * minute } } },
  });
  expect(messages).toEqual({ mail: null, webhook: null });
});

describe("found is", () => {
  test("a tier whose newest good point is older than its interval, and at twice that it is critical", () => {
    const hourly = (age: number, more: Partial<Facts> = {}) =>
      found((given) => {
        given.points = [...every("hourly", hour, 48, age), ...every("daily", day, 7)];
        given.read = readNow(given.points);
        Object.assign(given, more);
      });
    expect(hourly(hour + grace)).toEqual([]);
    const late = "the newest good hourly backup is 90 min old, and one is made every 60 min";
    expect(hourly(hour + grace + 1)).toEqual([`warning overdue-hourly: ${late}`]);
    const running = { units: { ...units, "site-backup@hourly.service": { ActiveState: "activating" } } };
    expect(hourly(hour + grace + 1, running)).toEqual([]);
    expect(hourly(2 * hour + grace)).toEqual([expect.stringMatching(/^warning overdue-hourly: /)]);
    expect(hourly(2 * hour + grace + 1)).toEqual([expect.stringMatching(/^critical overdue-hourly: /)]);
    expect(hourly(2 * hour + grace + 1, running)).toEqual([
      expect.stringMatching(/^critical overdue-hourly: /),
    ]);
  });

  test("a class of data whose newest good point is older than its RPO, here and elsewhere apart", () => {
    expect(found((given) => (given.settings.rpo = { database: hour, uploads: 5 * hour }))).toEqual([]);
    const elsewhere = (age: number) =>
      found((given) => {
        given.settings.rpo = { database: 6 * hour };
        given.sent = [sent("hourly", age)];
      });
    expect(elsewhere(6 * hour + grace)).toEqual([]);
    expect(elsewhere(6 * hour + grace + 1)).toEqual([
      `critical rpo-database-elsewhere: the newest good backup of the database on another server is 6 h old, hourly/${time(now - 6 * hour - grace - 1)}: at most 6 h may be lost`,
    ]);
    expect(found((given) => (given.sent = [sent("hourly", 0)]))).toEqual([
      "critical rpo-uploads-elsewhere: no good backup of the uploads is on another server",
    ]);
  });

  test("what is missing altogether, once there was time for it since the server is protected", () => {
    const empty = (since: number) =>
      found((given) => {
        Object.assign(given, {
          since,
          points: [],
          read: {},
          sent: [],
          outcomes: { hourly: null, daily: null },
        });
      });
    expect(empty(now - hour - grace)).toEqual([]);
    expect(empty(now - hour - grace - 1)).toEqual(["warning overdue-hourly: there is no good hourly backup"]);
    // A clock that was wrong when it was protected excuses nothing.
    expect(empty(now + day)[0]).toBe("critical overdue-daily: there is no good daily backup");
    expect(empty(now - 7 * hour)).toEqual([
      "critical overdue-hourly: there is no good hourly backup",
      "critical rpo-database: no good backup of the database is on this server",
      "critical rpo-database-elsewhere: no good backup of the database is on another server",
      "warning few-hourly: there are 0 good hourly backups, and 7 should be there",
    ]);
  });

  test("a backup that failed, in its own words, and one that was ended from outside", () => {
    const failed = { ...outcome, point: null, ok: false, packed: false, sent: {} };
    const { state } = watched((given) => {
      given.outcomes["hourly"] = failed;
      given.said["hourly"] = "no backup was made; the disk is full";
    });
    expect(state.findings).toEqual([
      {
        id: "failed-hourly",
        level: "critical",
        text: "the last hourly backup failed: no backup was made; the disk is full",
        next: "journalctl -u site-backup@hourly; then make one: systemctl start site-backup@hourly",
        since: Date.parse(outcome.endedAt) / 1000,
      },
    ]);
    expect(
      found((given) => {
        given.units = {
          ...units,
          "site-backup@daily.service": { ActiveState: "failed", Result: "oom-kill" },
        };
        given.said["daily"] = "words of long ago";
      }),
    ).toEqual(["critical failed-daily: the last daily backup failed: it was ended (oom-kill)"]);
    // The one before had come to its end, but not to a store.
    expect(
      found((given) => {
        given.outcomes["daily"] = { ...outcome, ok: false, sent: { offsite: "no route to host" } };
        given.units = {
          ...units,
          "site-backup@daily.service": { ActiveState: "failed", Result: "signal" },
        };
      }),
    ).toContain("critical failed-daily: the last daily backup failed: it was ended (signal)");
  });

  test("one that the server went down with, though the one before was well and no unit has failed since", () => {
    const began = now - 40 * minute;
    expect(watched((given) => (given.cutOff["daily"] = began)).state.findings).toMatchObject([
      {
        id: "failed-daily",
        level: "critical",
        text: "the last daily backup failed: it was cut off: the server went down, or the unit was killed",
        since: began,
      },
    ]);
  });

  test("a store that did not take one, which is no failure of the backup itself", () => {
    expect(
      found((given) => {
        given.outcomes["hourly"] = { ...outcome, ok: false, sent: { offsite: "Permission denied" } };
        given.units = {
          ...units,
          "site-backup@hourly.service": { ActiveState: "failed", Result: "exit-code" },
        };
      }),
    ).toEqual(["warning send-offsite: offsite did not take hourly/x: Permission denied"]);
  });

  test("a store whose last backup of a tier is soon as old as the tier keeps them, while there is time to mend it", () => {
    const last = (age: number, change: (given: Facts) => void = () => undefined) =>
      found((given) => {
        // Those of each hour still arrive.
        given.settings.rpo = { database: 6 * hour };
        given.sent = [sent("hourly", 10 * minute), sent("daily", age)];
        change(given);
      });
    const three = 5.25 * day;
    expect(last(three)).toEqual([]);
    expect(last(three + 1)).toEqual([
      "critical expiring-offsite-daily: the last daily backup that offsite took is of 2026-03-26 05:59 UTC, and may be gone there from 2026-04-02 05:59 UTC on",
    ]);
    expect(last(30 * day)).toHaveLength(1);
    // None is asked for sooner than it could have arrived.
    const keptForADay = (given: Facts) => (given.settings.tiers.daily.keepSeconds = day);
    expect(last(1.5 * day, keptForADay)).toEqual([]);
    expect(last(1.5 * day + 1, keptForADay)).toHaveLength(1);
    expect(last(three + 1, (given) => (given.settings.tiers.daily.stores = []))).toEqual([]);
    expect(
      last(three + 1, (given) => given.sent.push({ ...sent("daily", day), store: "other" })),
    ).toHaveLength(1);
  });

  test.each([
    ["its manifest cannot be read", (one: Facts["points"][number]) => (one.manifest = null)],
    [
      "its manifest cannot be read",
      (one: Facts["points"][number]) => (one.manifest = { errors: [], members: [7] }),
    ],
    [
      "config.tar.zst.age is missing",
      (one: Facts["points"][number]) => delete one.sizes["config.tar.zst.age"],
    ],
    [
      "config.tar.zst.age is not as long as it was",
      (one: Facts["points"][number]) => (one.sizes["config.tar.zst.age"] = 999),
    ],
  ])("a point of which %s", (why, damage) => {
    const id = `daily/${time(now - 5 * hour - 3 * day)}`;
    expect(
      found((given) => {
        const one = given.points.find((each) => each.id === id);
        if (one) damage(one);
      }),
    ).toEqual([`critical damaged-${id.replace("/", "-")}: ${id} is damaged: ${why}`]);
  });

  test("bits that flipped, by what was read last; the newest one with them is no good backup", () => {
    const [first, second] = [10 * minute, 10 * minute + hour].map((age) => `hourly/${time(now - age)}`);
    const { state } = watched((given) => {
      given.read[first ?? ""] = { at: now, bad: ["database-club.db.zst.age"] };
    });
    expect(state.findings.map(({ text }) => text)).toContain(
      `${first ?? ""} is damaged: the bytes of database-club.db.zst.age are not those that were stored`,
    );
    expect(state.newest["database"]?.["local"]?.point).toBe(second);
  });

  test("what nobody has read for two weeks, and not what is new", () => {
    const of = (at: number) =>
      found((given) => {
        for (const { id } of given.points) given.read[id] = { at, bad: [] };
      });
    expect(of(now - 14 * day)).toEqual([]);
    expect(of(now - 14 * day - 1)).toEqual([
      expect.stringMatching(/^warning unread: 55 backups were not read/),
    ]);
    expect(found((given) => (given.read = {}))).toEqual([]);
  });

  test("when it is read: first of all what is new, then what was read longest ago, once that is a week", () => {
    const points = [...every("daily", day, 5), { ...point("hourly", 0), manifest: null }];
    const ids = points.map(({ id }) => id);
    const at = (age: number) => ({ at: now - age });
    const [first = "", second = "", third = "", fourth = "", fifth = ""] = ids;
    const read = { [second]: at(7 * day), [fourth]: at(8 * day), [fifth]: at(7 * day - 1) };
    const due = (seconds: number) => jq({ now: seconds, points, read }, "-f", `${resident}/due.jq`);
    expect(due(now)).toEqual([first, third, fourth, second]);
    // What was read by a clock that was a year ahead was not.
    expect(due(now - 365 * day)).toEqual(ids.slice(0, 5));
  });

  test("a point of a time that is yet to come, which counts for nothing", () => {
    const ahead = `hourly/${time(now + 3601)}`;
    const { state } = watched((given) => {
      given.points.push(point("hourly", -3601));
      given.sent.push(sent("hourly", -3601));
    });
    expect(state.findings.map(({ id, text }) => [id, text])).toEqual([
      [
        "clock",
        `${ahead} is of a time that is yet to come: this server's clock is wrong, or was, and nothing is removed`,
      ],
    ]);
    expect(state.newest["database"]).toMatchObject({
      local: { at: now - 10 * minute },
      elsewhere: { at: now - 10 * minute },
    });
    expect(found((given) => given.points.push(point("hourly", -3600)))).toEqual([]);
  });

  test("a newest point of less than half the usual size, once three tell what is usual", () => {
    const sizes = (...bytes: number[]) =>
      found((given) => {
        given.settings.tiers.daily.atLeast = 1;
        const others = given.points.filter(({ id }) => id.startsWith("hourly"));
        given.points = [
          ...others,
          ...bytes.map((each, at) => point("daily", 10 * minute + at * day, { bytes: each })),
        ];
      }).filter((line) => line.includes("size"));
    expect(sizes(500, 1000, 1000, 1000)).toEqual([]);
    expect(sizes(499, 1000, 1000)).toEqual([]);
    expect(sizes(499, 1000, 1000, 1000)).toEqual([
      `warning size-daily: the newest daily backup, daily/${time(now - 10 * minute)}, has 2 KiB, and 3 KiB are usual`,
    ]);
    expect(sizes(499, 1, 1000, 1000)).toHaveLength(1);
    expect(sizes(499, 1, 1, 1000)).toEqual([]);
  });

  test("a table that is gone, is empty, or lost more than half of its rows", () => {
    const tables = (newest: unknown, earlier: object = { members: 100 }, count = 3) =>
      found((given) => {
        given.points = given.points.map((one, index) => ({
          ...one,
          rows: index === 0 ? newest : index <= count ? { club: earlier } : null,
        }));
      });
    const id = `hourly/${time(now - 10 * minute)}`;
    expect(tables({ club: { members: 50 } })).toEqual([]);
    expect(tables({ club: { members: 49 } }, undefined, 2)).toEqual([]);
    expect(tables({ club: { members: 49 } })).toEqual([
      `warning table-club-members: the table members of club has 49 rows in ${id}, and 100 are usual`,
    ]);
    expect(tables({ club: { members: 0 } })).toEqual([
      `critical table-club-members: the table members of club has 0 rows in ${id}, and 100 are usual`,
    ]);
    expect(tables({ club: {} })).toEqual([
      `critical table-club-members: the table members of club is gone in ${id}: it had 100 rows`,
    ]);
    // What to do names the newest that has them.
    const { state } = watched((given) => {
      given.points = given.points.map((one, index) => ({
        ...one,
        rows: { club: index < 2 ? {} : { members: index === 2 ? 49 : 100 } },
      }));
    });
    expect(state.findings.map(({ next }) => next)).toEqual([
      `if nobody meant it, an older backup has them: npx recovery rebuild --only database --point hourly/${time(now - 10 * minute - 3 * hour)}`,
    ]);
    expect(tables({ club: { queue: 0 } }, { queue: 19 })).toEqual([]);
    expect(tables({ club: { queue: 0 } }, { queue: 20 })).toHaveLength(1);
    expect(tables(null)).toEqual([
      `warning rows: how many rows ${id} holds is not known: whether tables lost some cannot be told`,
    ]);
  });

  test("too few points of a tier, and too many", () => {
    const hourly = (count: number) =>
      found((given) => {
        given.points = [...every("hourly", 10, count), ...every("daily", day, 7)];
      });
    expect(hourly(24)).toEqual([]);
    expect(hourly(23)).toEqual([
      "warning few-hourly: there are 23 good hourly backups, and 48 should be there",
    ]);
    expect(hourly(98)).toEqual([]);
    expect(hourly(99)).toEqual([
      "warning many-hourly: there are 99 hourly backups, and 48 need be kept: they are not removed",
    ]);
  });

  test("a disk by 80 and 90 %, or one that does not say", () => {
    expect(found((given) => (given.disks = { "/": 80, "/var/backups": 90, "/gone": null }))).toEqual([
      "critical disk-/gone: how full the disk of /gone is cannot be told",
      "critical disk-/var/backups: the disk of /var/backups is 90 % full",
      "warning disk-/: the disk of / is 80 % full",
    ]);
    expect(found((given) => (given.disks = { "/": 89 }))).toEqual([
      "warning disk-/: the disk of / is 89 % full",
    ]);
  });

  test("a timer that does not run, and a systemd that does not answer", () => {
    expect(
      found((given) => (given.units = { ...units, "site-backup@daily.timer": { ActiveState: "inactive" } })),
    ).toEqual([
      "critical site-backup-daily-timer: site-backup@daily.timer does not run: nothing is done by itself",
    ]);
    expect(found((given) => (given.units = null))).toEqual([
      "critical systemd: systemd does not say whether the timers run",
    ]);
  });

  test("whatever was left and cannot be read", () => {
    expect(
      found((given) => {
        given.before = "unreadable";
        given.outcomes["daily"] = "unreadable";
        for (const record of [
          "unreadable",
          null,
          { point: "x", members: [] },
          { point: "hourly/20260331T110000Z" },
        ])
          given.sent.push({ store: "second", instance: "hourly", record });
        given.textfile = false;
        given.settings.alerts["textfile"] = "/srv/metrics";
      }).map((line) => line.split(":")[0]),
    ).toEqual([
      "warning outcome-daily",
      ...Array.from({ length: 4 }, () => "warning sent-second-hourly"),
      "warning state",
      "warning textfile",
    ]);
  });
});

describe("who is told", () => {
  const full = (percent: number, before: unknown, at = now) =>
    watched((given) => Object.assign(given, { disks: { "/": percent }, before, now: at }));
  const wellTold = { mail: null, webhook: null };

  test("hears of a finding when it begins: what, since when, what to do, and what would be lost", () => {
    const { messages } = full(85, null);
    expect(messages.mail).toBe(messages.webhook);
    expect(messages.webhook?.split("\n")).toEqual([
      "photo-club on club: NEW WARNING: the disk of / is 85 % full",
      "",
      "NEW WARNING: the disk of / is 85 % full",
      "  since 2026-03-31 12:00 UTC",
      "  what to do: make room there, or keep fewer backups (backups in site.yaml)",
      "",
      "If this server were lost now, with it would go:",
      "  database: what was written since 2026-03-31 11:50 UTC, 10 min ago: hourly/20260331T115000Z on offsite",
      "  uploads: what was written since 2026-03-31 07:00 UTC, 5 h ago: daily/20260331T070000Z on offsite",
      "The newest good backups on this server itself:",
      "  database: hourly/20260331T115000Z, 10 min ago",
      "  uploads: daily/20260331T070000Z, 5 h ago",
      "",
    ]);
  });

  test("hears no more of it for a day, unless it becomes worse, and once when it is over", () => {
    const first = told(full(85, null).state, wellTold);
    const later = full(85, first, now + hour);
    expect(later.messages).toEqual({ mail: null, webhook: null });
    expect(later.state.findings[0]?.since).toBe(now);

    const worse = full(95, first, now + hour);
    expect(worse.messages.mail).toMatch(/^photo-club on club: WORSE CRITICAL: the disk of \/ is 95 % full\n/);
    const afterwards = told(worse.state, wellTold);
    expect(full(85, afterwards, now + hour).messages.mail).toBeNull();
    expect(full(95, afterwards, now + hour).messages.mail).toBeNull();

    const nextDay = (at: number) =>
      watched((given) =>
        Object.assign(given, { disks: { "/": 85 }, before: first, now: at, since: at, points: [], sent: [] }),
      ).messages.mail;
    expect(nextDay(now + day - grace - 1)).toBeNull();
    expect(nextDay(now + day - grace)).toMatch(
      /^photo-club on club: STILL WARNING: the disk of \/ is 85 % full\n/,
    );

    // Told by a clock that was a year ahead.
    const known = { level: "warning", at: now + 365 * day, since: now, text: "" };
    const ahead = { ...first, channels: { mail: { failing: null, told: { "disk-/": known } } } };
    expect(full(85, ahead).messages.mail).toContain("STILL WARNING: the disk");

    const over = full(10, first, now + hour);
    expect(over.messages.webhook?.split("\n")[0]).toBe(
      "photo-club on club: OVER: the disk of / is 85 % full",
    );
    expect(full(10, told(over.state, wellTold), now + hour).messages).toEqual({ mail: null, webhook: null });
  });

  test("that takes nothing is critical, is tried again, and the others hear of it", () => {
    const first = told(full(85, null).state, { mail: null, webhook: "error: 503" });
    expect(first).toMatchObject({
      level: "critical",
      summary: expect.stringContaining("and 1 more") as string,
    });
    expect(first.channels["webhook"]?.failing).toEqual({ since: now, why: "error: 503" });
    expect(first.findings.map(({ id, text }) => [id, text])).toContainEqual([
      "alert-webhook",
      "the webhook takes no alerts: error: 503",
    ]);
    const second = full(85, first, now + hour);
    expect(second.messages.mail?.split("\n")[0]).toBe(
      "photo-club on club: NEW CRITICAL: the webhook takes no alerts: error: 503",
    );
    expect(second.messages.webhook?.split("\n")[0]).toBe(
      "photo-club on club: NEW WARNING: the disk of / is 85 % full",
    );
    expect(second.messages.webhook).toContain(
      "From 2026-03-31 12:00 UTC on, what was to be told here did not arrive: the webhook takes no alerts: error: 503",
    );
    expect(told(second.state, { webhook: "error: 500" }).channels["webhook"]?.failing).toEqual({
      since: now,
      why: "error: 500",
    });
    const third = told(second.state, wellTold);
    expect(third).toMatchObject({ level: "warning", channels: { webhook: { failing: null } } });
    const fourth = full(85, third, now + hour);
    expect(fourth.messages.mail?.split("\n")[0]).toContain("OVER: the webhook takes no alerts");
    expect(fourth.messages.webhook).toBeNull();
  });

  test("learns that something was not told, though it was over before the way was open again", () => {
    const first = told(full(85, null).state, { mail: null, webhook: "error: 503" });
    const { messages } = full(10, first, now + hour);
    expect(messages.webhook).toContain("what was to be told here did not arrive");
  });

  test("a dead-man's URL that does not answer is a warning", () => {
    expect(told(full(10, null).state, { deadMan: "timeout" })).toMatchObject({
      level: "warning",
      findings: [{ id: "alert-deadMan", level: "warning", since: now }],
    });
  });

  test("is nobody when site.yaml names nobody: what is found stands in the state", () => {
    const { state, messages } = watched((given) => {
      given.settings.alerts = {};
      given.disks = { "/": 95 };
    });
    expect(state).toMatchObject({ level: "critical", channels: {} });
    expect(messages).toEqual({ mail: null, webhook: null });
  });

  test("is not sent more than twenty findings at once", () => {
    const { messages } = watched((given) => {
      for (const one of given.points) one.manifest = null;
    });
    expect(messages.mail?.match(/^NEW /gm)).toHaveLength(20);
    expect(messages.mail).toMatch(/^and \d+ more: jq \.findings/m);
  });
});
