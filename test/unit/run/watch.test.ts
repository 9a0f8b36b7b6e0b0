import { expect, test } from "vitest";
import { everySeconds } from "../../../run/watch.ts";

test.each([
  [1, 1],
  [10, 2],
  [40, 8],
  [1800, 30],
])("a watch of %s s looks every %s s", (seconds, every) => {
  expect(everySeconds(seconds)).toBe(every);
});
