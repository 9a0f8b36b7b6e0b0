import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stateOf } from "../../../machines/machines.ts";
import { identifyProcess, isRunning, startTicksOf } from "../../../machines/process-identity.ts";
import type { MachineRecord } from "../../../machines/machine-record.ts";

const record: MachineRecord = {
  id: "0123abcd",
  name: "recovery-0123abcd",
  release: "12",
  createdAt: "2026-01-01T00:00:00.000Z",
  owner: { pid: 1, startTicks: 1 },
  keeper: { pid: 2, startTicks: 2 },
  released: false,
};

describe("the state of a machine", () => {
  const released = { ...record, released: true };
  it.each([
    ["in use while its owner lives", record, { owner: true, keeper: true }, "in use"],
    ["in use though its keeper was killed", record, { owner: true, keeper: false }, "in use"],
    ["being removed when only its keeper lives", record, { owner: false, keeper: true }, "being removed"],
    ["left behind when both are gone", record, { owner: false, keeper: false }, "left behind"],
    ["left behind when only pieces are left", undefined, { owner: false, keeper: false }, "left behind"],
    ["released when it was handed over", released, { owner: false, keeper: false }, "released"],
    ["released while its owner still works", released, { owner: true, keeper: false }, "released"],
    [
      "being removed when its owner died before handing it over",
      released,
      { owner: false, keeper: true },
      "being removed",
    ],
  ] as const)("is %s", (_title, of, running, state) => {
    expect(stateOf(of, running)).toBe(state);
  });
});

describe("a process", () => {
  it("is told from a later one with the same number by its start", () => {
    const own = identifyProcess(process.pid);
    expect(own && isRunning(own)).toBe(true);
    expect(own && isRunning({ ...own, startTicks: own.startTicks + 1 })).toBe(false);
    expect(identifyProcess(2 ** 22 + 1)).toBeUndefined();
  });

  it("may have any name", () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(), (name, startTicks) => {
        const after = ["S", ...Array.from({ length: 18 }, (_, index) => index), startTicks, 7, 8].join(" ");
        expect(startTicksOf(`42 (${name}) ${after}\n`)).toBe(startTicks);
      }),
    );
  });
});
