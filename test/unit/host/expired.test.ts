import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect, test } from "vitest";

const program = fileURLToPath(new URL("../../../host/resident/expired.jq", import.meta.url));
const hour = 3600;
const day = 24 * hour;
const now = Date.parse("2026-03-31T12:00:00Z") / 1000;
const tiers = {
  hourly: { keepSeconds: 2 * day, atLeast: 48 },
  daily: { keepSeconds: 7 * day, atLeast: 7 },
  manual: { stores: [] },
};

interface Point {
  id: string;
  good: boolean;
}
const name = (seconds: number) => new Date(seconds * 1000).toISOString().replace(/[-:]|\.\d+/g, "");
const point = (tier: string, age: number, good = true): Point => ({ id: `${tier}/${name(now - age)}`, good });

function expired(points: Point[], at = now): { expired: string[]; doubt: string | null } {
  const { stdout, stderr } = spawnSync("jq", ["-c", "-f", program], {
    input: JSON.stringify({ now: at, tiers, points }),
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  return JSON.parse(stdout) as ReturnType<typeof expired>;
}

const every = (tier: string, seconds: number, count: number) =>
  Array.from({ length: count }, (_, index) => point(tier, index * seconds));

test("a point goes when its tier keeps none so old, and has as many newer good ones as are made in that time", () => {
  const points = [...every("hourly", hour, 50), ...every("daily", day, 9)];
  expect(expired(points)).toEqual({ expired: [points[49]?.id, points[58]?.id], doubt: null });
});

test("one that is bad takes nobody's place, and goes with those of its time", () => {
  const points = every("daily", day, 9);
  const bad = points.map((one, index) => (index < 2 ? { ...one, good: false } : one));
  expect(expired(bad).expired).toEqual([]);
  const old = [...points.slice(0, 8), point("daily", 8 * day, false)];
  expect(expired(old).expired).toEqual([old[8]?.id]);
});

test("what was made by hand stays", () => {
  expect(expired([point("manual", 900 * day), point("manual", 0)]).expired).toEqual([]);
});

test("a clock that is a year ahead removes no more than a right one would", () => {
  const points = every("daily", day, 7);
  expect(expired(points, now + 365 * day)).toEqual({ expired: [], doubt: null });
  const made = { id: `daily/${name(now + 365 * day)}`, good: true };
  expect(expired([made, ...points], now + 365 * day).expired).toEqual([points[6]?.id]);
});

test("when a point is of a time that is yet to come, the clock is not trusted", () => {
  const points = every("daily", day, 20);
  expect(expired(points, now - 365 * day)).toEqual({
    expired: [],
    doubt: `${points[0]?.id ?? ""} is of a time that is yet to come: this server's clock is wrong, or was`,
  });
});

test("whatever there is, the newest good ones of a tier stay", { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: 100 * 24 }), fc.boolean()), {
        selector: ([age]) => age,
        maxLength: 60,
      }),
      fc.integer({ min: 0, max: 1000 * day }),
      (made, later) => {
        const points = made.map(([age, good]) => point("daily", age * hour, good));
        const gone = expired(points, now + later).expired;
        const good = points.filter((one) => one.good).sort((one, other) => other.id.localeCompare(one.id));
        expect(good.slice(0, 7).filter(({ id }) => gone.includes(id))).toEqual([]);
      },
    ),
    { numRuns: 30 },
  );
});
