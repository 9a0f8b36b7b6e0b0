import fc from "fast-check";
import { homedir } from "node:os";
import { expect, test } from "vitest";
import { runId } from "../../../run/run-id.ts";
import { stateDirectory } from "../../../run/state-directory.ts";

test("what is kept of a site lies in a folder of its own under the XDG state directory", () => {
  expect(stateDirectory("club", { XDG_STATE_HOME: "/srv/state" })).toBe("/srv/state/recovery-stack/club");
});

test.each([{}, { XDG_STATE_HOME: "" }, { XDG_STATE_HOME: "state" }, { XDG_STATE_HOME: "./state" }])(
  "without an absolute path there, it is the specification's own: %o",
  (environment) => {
    expect(stateDirectory("club", environment)).toBe(`${homedir()}/.local/state/recovery-stack/club`);
  },
);

test("a run is named after its start, to the second, and what it is", () => {
  expect(runId("drill", new Date("2026-03-01T02:00:00.999Z"))).toBe("20260301T020000Z-drill");
  expect(runId("rebuild", new Date("2026-12-31T23:59:59Z"))).toBe("20261231T235959Z-rebuild");
});

test("names of runs sort as they began", () => {
  const moments = fc.date({ min: new Date("1970-01-01"), max: new Date("9999-12-31"), noInvalidDate: true });
  fc.assert(
    fc.property(moments, moments, (one, other) => {
      const inSeconds = (date: Date) => Math.floor(date.getTime() / 1000);
      const [first, second] = [runId("drill", one), runId("drill", other)];
      expect(first < second).toBe(inSeconds(one) < inSeconds(other));
      expect(first).toMatch(/^\d{8}T\d{6}Z-drill$/);
    }),
  );
});
