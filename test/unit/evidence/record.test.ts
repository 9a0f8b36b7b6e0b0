import { expect, test } from "vitest";
import { runRecordSchema } from "../../../evidence/record.ts";
import { failed, recovered } from "./records.ts";

test("the record of a run is read back as it was written", () => {
  for (const record of [recovered, failed]) {
    expect(runRecordSchema.parse(JSON.parse(JSON.stringify(record)))).toEqual(record);
  }
});

test.each([
  ["another version", { version: 2 }],
  ["a field that nobody knows", { password: "x" }],
  ["a moment without a zone", { endedAt: "2026-03-01T08:01:11" }],
  ["negative time", { preparationSeconds: -1 }],
  ["an outcome of its own", { outcome: "fine" }],
])("a record with %s is none", (_, change) => {
  expect(runRecordSchema.safeParse({ ...recovered, ...change }).success).toBe(false);
});
