import { InvalidArgumentError } from "commander";
import { expect, test } from "vitest";
import { length } from "../../../scripts/length.ts";

test.each([
  ["0s", 0],
  ["10s", 10],
  ["30min", 1800],
  ["1h", 3600],
])("%s is %s s", (text, seconds) => {
  expect(length(text)).toBe(seconds);
});

test.each(["", "30", "1.5h", "30 min", "-1s", "soon"])("'%s' is no length of time", (text) => {
  expect(() => length(text)).toThrow(InvalidArgumentError);
});
