import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { watchSilence } from "../../../run/silence.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("a silence is told once, when it has lasted as long as was allowed when something was last heard", () => {
  let limit = 10;
  const told: number[] = [];
  const watch = watchSilence(
    () => limit,
    (seconds) => told.push(seconds),
  );
  vi.advanceTimersByTime(9_999);
  limit = 100;
  watch.heard();
  vi.advanceTimersByTime(99_999);
  expect(told).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(told).toEqual([100]);
  watch.heard();
  vi.advanceTimersByTime(1_000_000);
  expect(told).toEqual([100]);
});

test("what was never heard of is silent too", () => {
  const told: number[] = [];
  watchSilence(
    () => 10,
    (seconds) => told.push(seconds),
  );
  vi.advanceTimersByTime(10_000);
  expect(told).toEqual([10]);
});

test("what has ended may be silent", () => {
  const told: number[] = [];
  const watch = watchSilence(
    () => 10,
    (seconds) => told.push(seconds),
  );
  watch.stop();
  watch.heard();
  vi.advanceTimersByTime(1_000_000);
  expect(told).toEqual([]);
});
