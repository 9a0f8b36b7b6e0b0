import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { earlierRuns, tookLastTime, type EarlierRun } from "../../../run/took-last-time.ts";
import { recovered } from "../evidence/records.ts";

const run = (kind: string, minutes: number, outcome = "recovered"): EarlierRun => ({
  kind,
  outcome,
  startedAt: "2026-03-01T08:00:00.000Z",
  recoveredAt: outcome === "recovered" ? new Date(Date.UTC(2026, 2, 1, 8, minutes)).toISOString() : null,
});

test.each([
  [
    "the newest rebuild that recovered",
    [run("rebuild", 20), run("rebuild", 12), run("rebuild", 0, "failed"), run("drill", 1)],
    "12 min when it was rebuilt on 2026-03-01",
  ],
  [
    "a drill, said as such, when no rebuild recovered",
    [run("drill", 3), run("drill", 1), run("rebuild", 0, "failed")],
    "1 min in the drill of 2026-03-01; no rebuild is recorded here",
  ],
  [
    "nothing when the only one had its packages baked in",
    [{ ...run("drill", 1), baked: true }],
    "not known: no run of this site is recorded here",
  ],
  [
    "nothing when no run recovered",
    [run("drill", 0, "interrupted")],
    "not known: no run of this site is recorded here",
  ],
  ["nothing when there was none", [], "not known: no run of this site is recorded here"],
])("it took as long as %s", (_, runs, expected) => {
  expect(tookLastTime(runs)).toBe(expected);
});

test("a part of a site took as long as that part, and all of it as long as all", () => {
  const runs = [run("rebuild", 20), { ...run("rebuild", 5), only: "database" }];
  expect(tookLastTime(runs)).toMatch(/^20 min/);
  expect(tookLastTime(runs, "database")).toMatch(/^5 min/);
  expect(tookLastTime(runs, "application")).toBe("not known: no run of this kind is recorded here");
});

test("records are read in the order of their runs; what is no record, or of a later format, is no obstacle", async () => {
  expect(await earlierRuns("/does/not/exist")).toEqual([]);
  const runs = mkdtempSync(join(tmpdir(), "runs-"));
  const put = (name: string, text: string) => {
    mkdirSync(join(runs, name));
    writeFileSync(join(runs, name, "run.json"), text);
  };
  put("20260302T080000Z-drill", JSON.stringify({ ...recovered, version: 2, news: true }));
  put("20260301T080000Z-rebuild", JSON.stringify({ ...recovered, kind: "rebuild" }));
  put("20260303T080000Z-drill", "{ cut");
  mkdirSync(join(runs, "20260304T080000Z-drill"));
  const found = await earlierRuns(runs);
  rmSync(runs, { recursive: true });
  expect(found.map(({ kind }) => kind)).toEqual(["rebuild", "drill"]);
});
