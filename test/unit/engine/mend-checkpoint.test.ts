import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { mendCheckpoint } from "../../../engine/mend-checkpoint.ts";

let stateDirectory: string;
let stacks: string;
const said: string[] = [];
const mend = () =>
  mendCheckpoint({ stateDirectory, projectName: "recovery-stack", stackName: "club.recovery" }, (line) => {
    said.push(line);
  });

beforeEach(() => {
  stateDirectory = mkdtempSync(join(tmpdir(), "checkpoint-"));
  stacks = join(stateDirectory, ".pulumi/stacks/recovery-stack");
  mkdirSync(stacks, { recursive: true });
  said.length = 0;
});
afterEach(() => {
  rmSync(stateDirectory, { recursive: true });
});

test("a whole checkpoint, and none at all, are left alone", async () => {
  await mend();
  writeFileSync(join(stacks, "club.recovery.json"), '{"version":3}');
  await mend();
  expect(readdirSync(stacks)).toEqual(["club.recovery.json"]);
  expect(said).toEqual([]);
});

test.each(["", '{"version":3,"chec'])(
  "the copy takes the place of one that was cut off: '%s'",
  async (cut) => {
    writeFileSync(join(stacks, "club.recovery.json"), cut);
    writeFileSync(join(stacks, "club.recovery.json.bak"), '{"version":3}');
    await mend();
    expect(readFileSync(join(stacks, "club.recovery.json"), "utf8")).toBe('{"version":3}');
    expect(readFileSync(join(stacks, "club.recovery.json.damaged"), "utf8")).toBe(cut);
    expect(said).toHaveLength(1);
  },
);

test("with a copy that is cut off as well the stack begins anew", async () => {
  writeFileSync(join(stacks, "club.recovery.json"), "");
  writeFileSync(join(stacks, "club.recovery.json.bak"), "{");
  await mend();
  expect(readdirSync(stacks).sort()).toEqual(["club.recovery.json.bak", "club.recovery.json.damaged"]);
});

test("attributes that were cut off go, whole ones stay", async () => {
  writeFileSync(join(stacks, "club.recovery.json"), "{}");
  writeFileSync(join(stacks, "club.recovery.json.attrs"), "");
  writeFileSync(join(stacks, "club.recovery.json.bak.attrs"), "{}");
  await mend();
  expect(readdirSync(stacks).sort()).toEqual(["club.recovery.json", "club.recovery.json.bak.attrs"]);
});
