import fc from "fast-check";
import { expect, test } from "vitest";
import type { RunRecord, StepRecord } from "../../../evidence/record.ts";
import { criticalPath, timeline } from "../../../evidence/timeline.ts";
import { failed, ran, recovered, sideBySide } from "./records.ts";

const notRun = (id: string, after: string[]): StepRecord => ({
  ...ran(id, after, 0, 0),
  outcome: "not-run",
  startedAt: null,
  seconds: null,
});

test("the critical path goes back from the step that ended last, each time to what was waited for longest", () => {
  expect(criticalPath(sideBySide.steps)).toEqual(["provision", "packages", "restore", "health"]);
});

test("a step that did not run is on no path, and one that ends a failed run beside the others is its end", () => {
  expect(
    criticalPath([
      ran("provision", [], 0, 1),
      ran("packages", ["provision"], 1, 9),
      ran("fetch", ["provision"], 1, 5),
      notRun("restore", ["packages", "fetch"]),
    ]),
  ).toEqual(["provision", "packages"]);
  expect(criticalPath([notRun("provision", [])])).toEqual([]);
});

test("steps that wait for each other, or for one that is not there, end the path", () => {
  expect(criticalPath([ran("a", ["b"], 0, 2), ran("b", ["a", "lost"], 2, 4)])).toEqual(["a", "b"]);
});

test("the parts of a drill's time: machine, making ready, steps, the ways between them, checks", () => {
  const { seconds, parts, steps, servingAt, notRun: missing, outside } = timeline(sideBySide);
  expect(seconds).toBe(66);
  expect(parts).toEqual([
    { kind: "machine", from: 0, to: 4 },
    { kind: "opening", from: 4, to: 10 },
    { kind: "step", step: "provision", from: 10, to: 11 },
    { kind: "between", from: 11, to: 12 },
    { kind: "step", step: "packages", from: 12, to: 40 },
    { kind: "between", from: 40, to: 41 },
    { kind: "step", step: "restore", from: 41, to: 50 },
    { kind: "between", from: 50, to: 51 },
    { kind: "step", step: "health", from: 51, to: 60 },
    { kind: "ending", from: 60, to: 62 },
    { kind: "checks", from: 62, to: 66 },
  ]);
  expect(steps.map(({ step, from, to, critical }) => [step.id, from, to, critical])).toEqual([
    ["provision", 10, 11, true],
    ["packages", 12, 40, true],
    ["fetch", 12, 14, false],
    ["restore", 41, 50, true],
    ["health", 51, 60, true],
  ]);
  expect({ servingAt, missing, outside }).toEqual({ servingAt: 60, missing: [], outside: [] });
});

test("a rebuild that was resumed: what lies before its last attempt is told apart from making ready for it", () => {
  const resumed: RunRecord = {
    ...sideBySide,
    kind: "rebuild",
    hostAt: "2026-03-01T08:00:30.000Z",
    steps: [ran("provision", [], 10, 11), ran("restore", ["provision"], 41, 50)],
  };
  expect(timeline(resumed).parts.map(({ kind, from, to }) => [kind, from, to])).toEqual([
    ["earlier", 0, 10],
    ["step", 10, 11],
    ["earlier", 11, 30],
    ["opening", 30, 41],
    ["step", 41, 50],
    ["ending", 50, 62],
    ["checks", 62, 66],
  ]);
});

test("a run that did not come to its first step was making ready until its end", () => {
  const early: RunRecord = {
    ...failed,
    kind: "drill",
    steps: [notRun("provision", [])],
  };
  const { parts, steps, notRun: missing } = timeline(early);
  expect(parts).toEqual([
    { kind: "machine", from: 0, to: 0.4 },
    { kind: "opening", from: 0.4, to: 71 },
  ]);
  expect(steps).toEqual([]);
  expect(missing.map(({ id }) => id)).toEqual(["provision"]);
});

test("steps by a clock that is not the run's are named, and take none of its time", () => {
  const hourAhead: RunRecord = {
    ...sideBySide,
    steps: [ran("provision", [], 3610, 3611), ran("fetch", [], 5, 7)],
  };
  const { outside, parts } = timeline(hourAhead);
  expect(outside).toEqual(["Title of provision"]);
  expect(parts.filter(({ kind }) => kind === "step")).toEqual([]);
});

/** Plans of any shape, whose steps ran at any time or not at all. */
const records = fc
  .array(
    fc.record({
      from: fc.integer({ min: -100, max: 400 }),
      seconds: fc.integer({ min: 0, max: 200 }),
      ran: fc.boolean(),
      after: fc.array(fc.nat({ max: 12 }), { maxLength: 4 }),
    }),
    { maxLength: 12 },
  )
  .chain((steps) =>
    fc
      .record({
        kind: fc.constantFrom("drill" as const, "rebuild" as const),
        host: fc.integer({ min: -10, max: 310 }),
        checks: fc.option(fc.integer({ min: 0, max: 310 })),
      })
      .map(({ kind, host, checks }): RunRecord => {
        const at = (seconds: number) =>
          new Date(Date.parse(recovered.startedAt) + seconds * 1000).toISOString();
        return {
          ...recovered,
          kind,
          hostAt: at(host),
          checksAt: checks === null ? null : at(checks),
          endedAt: at(300),
          steps: steps.map((step, index) =>
            step.ran
              ? ran(
                  `s${index}`,
                  step.after.map((id) => `s${id}`),
                  step.from,
                  step.from + step.seconds,
                )
              : notRun(`s${index}`, []),
          ),
        };
      }),
  );

test("whatever the steps: the parts cover the whole time, each second once", () => {
  fc.assert(
    fc.property(records, (record) => {
      const { parts, seconds } = timeline(record);
      expect(parts.every(({ from, to }) => to > from)).toBe(true);
      expect([0, ...parts.map(({ to }) => to)]).toEqual([...parts.map(({ from }) => from), seconds]);
    }),
  );
});

test("whatever the steps: the path ends with the last to end, and leads over `after` through the last to end of each", () => {
  fc.assert(
    fc.property(records, ({ steps }) => {
      const path = criticalPath(steps);
      const end = new Map(
        steps.flatMap(({ id, startedAt, seconds }) =>
          startedAt === null ? [] : [[id, Date.parse(startedAt) + (seconds ?? 0) * 1000] as const],
        ),
      );
      expect(new Set(path).size).toBe(path.length);
      expect(path.length === 0).toBe(end.size === 0);
      if (path.length > 0) expect(end.get(path.at(-1) ?? "")).toBe(Math.max(...end.values()));
      path.forEach((id, index) => {
        const waitedFor = steps.find((step) => step.id === id)?.after ?? [];
        const later = path.slice(index);
        const ends = waitedFor.filter((one) => !later.includes(one)).flatMap((one) => end.get(one) ?? []);
        const before = path[index - 1];
        if (before === undefined) expect(ends).toEqual([]);
        else {
          expect(waitedFor).toContain(before);
          expect(end.get(before)).toBe(Math.max(...ends));
        }
      });
    }),
  );
});
