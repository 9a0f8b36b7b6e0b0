import { PassThrough } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { display, progressOutput } from "../../../scripts/display.ts";
import { bundleInDrill } from "../runbook/expected-plans.ts";

const steps = bundleInDrill({}).filter(({ id }) => ["provision", "fetch", "unpack"].includes(id));

/** Something to print on, and what was printed. */
function paper({ isTTY = false } = {}) {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 120, rows: 40 });
  let text = "";
  stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => text };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance", "setInterval", "clearInterval"] });
  vi.stubEnv("CI", undefined);
  vi.stubEnv("NO_COLOR", undefined);
  vi.stubEnv("TERM", "xterm");
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

test("where nobody looks on, a line is printed when something happens, with the time since the start", () => {
  const { stream, text } = paper();
  const reporter = display(progressOutput(stream));
  reporter.say("reading the store");
  reporter.plan(steps);
  vi.advanceTimersByTime(1500);
  reporter.started("provision");
  reporter.started("fetch");
  vi.advanceTimersByTime(800);
  reporter.ended("provision", "done");
  vi.advanceTimersByTime(120_000);
  reporter.ended("fetch", "failed");
  reporter.started("unpack");
  reporter.ended("unpack", "already-done");
  reporter.started("something-else");
  reporter.close();
  expect(text()).toBe(`\
    0 s  reading the store
  1.5 s  begin 1.2 Server fit and free for the site
  1.5 s  begin 1.5 Backup fetched and hashed
  2.3 s  done  1.2 Server fit and free for the site (0.8 s)
2 min 2 s  FAILED 1.5 Backup fetched and hashed (2 min)
2 min 2 s  begin 1.6 Archive unpacked, all members there
2 min 2 s  done  1.6 Archive unpacked, all members there (before this run)
2 min 2 s  begin something-else
`);
});

test("on a terminal all steps are shown with their time against the budget, and stay when it is over", () => {
  const { stream, text } = paper({ isTTY: true });
  const reporter = display(progressOutput(stream));
  reporter.plan(steps);
  reporter.started("provision");
  vi.advanceTimersByTime(800);
  reporter.ended("provision", "done");
  reporter.started("fetch");
  reporter.ended("fetch", "failed");
  reporter.started("unpack");
  vi.advanceTimersByTime(2000);
  reporter.close();
  const lines = stripVTControlCharacters(text()).trimEnd().split("\n");
  expect(lines.slice(-4)).toEqual([
    "✔ 1.2   Server fit and free for the site     0.8 s of 30 min",
    "✘ 1.5   Backup fetched and hashed            failed after 0 s",
    "> 1.6   Archive unpacked, all members there  2 s of 10 min",
    "elapsed 2.8 s",
  ]);
});

test("what is said on a terminal stands above the list, once, and the list below it", () => {
  const { stream, text } = paper({ isTTY: true });
  const reporter = display(progressOutput(stream));
  reporter.plan(steps);
  reporter.say("waiting for the lock");
  reporter.close();
  const lines = stripVTControlCharacters(text()).trimEnd().split("\n");
  expect(lines.filter((line) => line.includes("waiting for the lock"))).toHaveLength(1);
  expect(lines.at(-1)).toBe("elapsed 0 s");
});

// eslint-disable-next-line no-control-regex
const colour = /\x1b\[\d+m/;

test.each([
  ["a terminal", {}, true, true],
  ["a terminal with NO_COLOR", { NO_COLOR: "1" }, true, false],
  ["a terminal with an empty NO_COLOR, which says nothing", { NO_COLOR: "" }, true, true],
  ["a terminal that can do nothing", { TERM: "dumb" }, false, false],
  ["a terminal of a CI", { CI: "true" }, false, false],
])("%s", (_, environment, live, colours) => {
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  const { stream, text } = paper({ isTTY: true });
  const output = progressOutput(stream);
  expect(output).toEqual({ stream, live, colours });
  const reporter = display(output);
  reporter.plan(steps);
  reporter.started("provision");
  reporter.ended("provision", "failed");
  reporter.close();
  expect(colour.test(text())).toBe(colours);
});

test("a file or a pipe is never drawn on", () => {
  const { stream } = paper();
  expect(progressOutput(stream)).toMatchObject({ live: false, colours: false });
});
