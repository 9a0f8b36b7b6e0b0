import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Pin } from "../../../backups/restore-point.ts";
import { type BegunRebuild, nextRebuild, readBegun, writeBegun } from "../../../run/begun-rebuild.ts";
import { exitCodes, OperatorError } from "../../../site/operator-error.ts";

const hostKey = "ssh-ed25519 AAAAhost";
const pin: Pin = {
  id: "full_backup_20250301_020000",
  manifestSha256: "a".repeat(64),
  archiveSha256: "b".repeat(64),
};
const otherPin: Pin = {
  id: "full_backup_20250302_020000",
  manifestSha256: "c".repeat(64),
  archiveSha256: "d".repeat(64),
};
const cutShort: BegunRebuild = {
  hostKey,
  pin,
  attempt: 3,
  run: "20250301T080000Z-rebuild",
  startedAt: "2025-03-01T08:00:00.000Z",
};
const recovered: BegunRebuild = { ...cutShort, recoveredAt: "2025-03-01T09:30:00.000Z" };

const now = new Date("2025-03-04T12:34:56.789Z");
const wish = { hostKey, pin, again: false, now };
const newRun = { run: "20250304T123456Z-rebuild", startedAt: "2025-03-04T12:34:56.789Z" };

describe("the rebuild that follows", () => {
  test.each([false, true])("is the first one when there was none, host named twice: %s", (again) => {
    expect(nextRebuild(undefined, { ...wish, again })).toStrictEqual({ hostKey, pin, attempt: 1, ...newRun });
  });

  test.each([
    ["cut short", cutShort],
    ["recovered", recovered],
  ])("is the first one of another host, whatever became of the one before: %s", (_, before) => {
    const replaced = "ssh-ed25519 AAAAreplaced";
    for (const again of [false, true]) {
      for (const wished of [pin, otherPin]) {
        expect(nextRebuild(before, { ...wish, hostKey: replaced, pin: wished, again })).toStrictEqual({
          hostKey: replaced,
          pin: wished,
          attempt: 1,
          ...newRun,
        });
      }
    }
  });

  test("goes on with the one that was cut short: its run, its clock, its attempt", () => {
    expect(nextRebuild(cutShort, wish)).toStrictEqual(cutShort);
  });

  test("goes on also when the same archive is found under another name", () => {
    const renamed = { ...pin, id: "full_backup_copy" };
    expect(nextRebuild(cutShort, { ...wish, pin: renamed })).toStrictEqual(cutShort);
  });

  test("is a new run with the steps of the one before when that one ended well with the same point", () => {
    expect(nextRebuild(recovered, wish)).toMatchObject({ hostKey, pin, attempt: 3, ...newRun });
  });

  test("takes another point when the one before was cut short: nobody was served from it yet", () => {
    expect(nextRebuild(cutShort, { ...wish, pin: otherPin })).toStrictEqual({
      hostKey,
      pin: otherPin,
      attempt: 3,
      ...newRun,
    });
  });

  test.each([
    ["cut short", cutShort],
    ["recovered", recovered],
  ])("does everything again from the same point when the host is named twice: %s", (_, before) => {
    expect(nextRebuild(before, { ...wish, again: true })).toStrictEqual({
      hostKey,
      pin,
      attempt: 4,
      ...newRun,
    });
  });

  test.each([
    ["cut short", cutShort],
    ["recovered", recovered],
  ])("restores another point over it when the host is named twice: %s", (_, before) => {
    expect(nextRebuild(before, { ...wish, pin: otherPin, again: true })).toStrictEqual({
      hostKey,
      pin: otherPin,
      attempt: 3,
      ...newRun,
    });
  });

  // The id is only a name: what was restored is told by the two hashes.
  test.each<[string, Partial<Pin>]>([
    ["its manifest", { manifestSha256: "c".repeat(64) }],
    ["its archive", { archiveSha256: "d".repeat(64) }],
  ])("is refused when a recovered host would get another point, told by %s", (_, change) => {
    let refusal: unknown;
    try {
      nextRebuild(recovered, { ...wish, pin: { ...pin, ...change } });
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(OperatorError);
    expect(refusal).toMatchObject({
      exitCode: exitCodes.refused,
      what: "this host was recovered from full_backup_20250301_020000 at 2025-03-01T09:30:00.000Z, and has served since",
      next: expect.stringContaining("--again ADDRESS") as string,
    });
  });
});

describe("what is kept of it", () => {
  let directory: string;
  let file: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "begun-"));
    file = join(directory, "rebuild.json");
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  test("is nothing before the first rebuild", async () => {
    expect(await readBegun(file)).toBeUndefined();
  });

  test.each([
    ["cut short", cutShort],
    ["recovered", recovered],
  ])("is read as it was written, over what was there, for its owner's eyes only: %s", async (_, content) => {
    await writeBegun(file, { ...cutShort, attempt: 1, pin: otherPin });
    await writeBegun(file, content);
    expect(await readBegun(file)).toStrictEqual(content);
    expect(readdirSync(directory)).toEqual(["rebuild.json"]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test("survives a write that was cut in the middle, and the next write clears it away", async () => {
    await writeBegun(file, recovered);
    writeFileSync(`${file}.new`, '{"hostKey":');
    expect(await readBegun(file)).toStrictEqual(recovered);
    await writeBegun(file, cutShort);
    expect(await readBegun(file)).toStrictEqual(cutShort);
    expect(readdirSync(directory)).toEqual(["rebuild.json"]);
  });

  // Taken for none, it would let a recovered host be restored over.
  test.each([
    ["cut", '{"hostKey":'],
    ["of another shape", JSON.stringify({ ...recovered, attempt: 0 })],
    ["without its host", JSON.stringify({ ...recovered, hostKey: undefined })],
    ["with a word too many", JSON.stringify({ ...recovered, host: "192.0.2.10" })],
    ["empty", ""],
  ])("is never taken for none when it cannot be read: %s", async (_, text) => {
    writeFileSync(file, text);
    await expect(readBegun(file)).rejects.toThrow();
  });

  test("is never taken for none when the file itself cannot be read", async () => {
    await expect(readBegun(directory)).rejects.toThrow("EISDIR");
  });
});
