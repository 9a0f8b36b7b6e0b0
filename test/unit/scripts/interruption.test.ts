import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { interruption } from "../../../scripts/interruption.ts";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
let exits: unknown[];
let before: Map<string, NodeJS.SignalsListener[]>;

beforeEach(() => {
  exits = [];
  before = new Map(signals.map((signal) => [signal, process.listeners(signal)]));
  for (const signal of signals) process.removeAllListeners(signal);
  vi.spyOn(process, "exit").mockImplementation((code) => {
    exits.push(code);
    throw new Error("the process has ended");
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  for (const signal of signals) {
    process.removeAllListeners(signal);
    for (const listener of before.get(signal) ?? []) process.on(signal, listener);
  }
});

test("a run that has nothing to lose is ended by the first signal, the process by the second", () => {
  const said: string[] = [];
  const { signal, kill } = interruption("kill", (line) => said.push(line));
  expect([signal.aborted, kill.aborted]).toEqual([false, false]);
  process.emit("SIGTERM");
  expect([signal.aborted, kill.aborted]).toEqual([true, true]);
  expect(signal.reason).toMatchObject({ exitCode: 130 });
  expect(said).toEqual(["ending the run and cleaning up; once more to end at once"]);
  expect(() => process.emit("SIGINT")).toThrow("the process has ended");
  expect(exits).toEqual([130]);
});

test("steps that run on a real host come to their end at the first signal, and not at the second", () => {
  const said: string[] = [];
  const { signal, kill } = interruption("finish-steps", (line) => said.push(line));
  process.emit("SIGINT");
  expect([signal.aborted, kill.aborted]).toEqual([true, false]);
  process.emit("SIGINT");
  expect([signal.aborted, kill.aborted]).toEqual([true, true]);
  expect(said).toHaveLength(2);
  expect(exits).toEqual([]);
  expect(() => process.emit("SIGHUP")).toThrow("the process has ended");
  expect(exits).toEqual([130]);
});
