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

/** Hosts, by what their ledgers say. */
const blank = { attempt: 0, stands: false };
const restored = {
  pin,
  attempt: 3,
  at: "2025-03-01T08:20:00.000Z",
};
const untouched = { attempt: 3, restored, stands: true };
const served = { ...untouched, servedSince: "a request at 2025-03-02T10:00:00Z" };

describe("the rebuild that follows", () => {
  test.each([false, true])("is the first one when there was none, host named twice: %s", (again) => {
    expect(nextRebuild(undefined, { ...wish, again }, blank)).toStrictEqual({
      hostKey,
      pin,
      attempt: 1,
      ...newRun,
    });
  });

  test.each([
    ["cut short", cutShort],
    ["recovered", recovered],
  ])("is the first one of another host, whatever became of the one before: %s", (_, before) => {
    const replaced = "ssh-ed25519 AAAAreplaced";
    for (const again of [false, true]) {
      for (const wished of [pin, otherPin]) {
        expect(nextRebuild(before, { ...wish, hostKey: replaced, pin: wished, again }, blank)).toStrictEqual({
          hostKey: replaced,
          pin: wished,
          attempt: 1,
          ...newRun,
        });
      }
    }
  });

  test.each([
    ["reached no step", blank],
    ["restored already", untouched],
    ["restored, and its worker has written since", served],
  ])(
    "goes on with the one that was cut short: its run, its clock, its attempt; the host has %s",
    (_, host) => {
      expect(nextRebuild(cutShort, wish, host)).toStrictEqual(cutShort);
    },
  );

  test("does not go on with one of other databases, and refuses to replace those that were served", () => {
    const databases: Pin = {
      id: "hourly/20250301T070000Z",
      manifestSha256: "e".repeat(64),
      archiveSha256: null,
    };
    const combined = { ...cutShort, databases };
    expect(nextRebuild(combined, { ...wish, databases }, blank)).toStrictEqual(combined);
    expect(nextRebuild(combined, wish, blank)).toStrictEqual({ hostKey, pin, attempt: 3, ...newRun });
    expect(() => nextRebuild(undefined, { ...wish, databases }, served)).toThrow("has served since");
    expect(
      nextRebuild(undefined, { ...wish, databases }, { ...served, restored: { ...restored, databases } }),
    ).toMatchObject({ databases, attempt: 3 });
  });

  test("goes on with what it was told to replace, without being told again", () => {
    const begun = { ...cutShort, pin: otherPin, over: restored.at };
    expect(nextRebuild(begun, { ...wish, pin: otherPin }, served)).toStrictEqual(begun);
  });

  test("goes on also when it is told again to replace what it was told to replace, and that still stands", () => {
    const begun = { ...cutShort, pin: otherPin, over: restored.at };
    const repeated = { ...wish, pin: otherPin, again: true };
    expect(nextRebuild(begun, repeated, served)).toStrictEqual(begun);
    const since = { ...restored, at: "2025-03-03T00:00:00.000Z" };
    expect(nextRebuild(begun, repeated, { ...served, restored: since })).toMatchObject({
      attempt: 4,
      ...newRun,
    });
  });

  test("goes on also when the same archive is found under another name", () => {
    const renamed = { ...pin, id: "full_backup_copy" };
    expect(nextRebuild(cutShort, { ...wish, pin: renamed }, untouched)).toStrictEqual(cutShort);
  });

  test("does not go on with one that another operator has since raised", () => {
    expect(
      nextRebuild(cutShort, wish, { ...untouched, attempt: 4, restored: { ...restored, attempt: 4 } }),
    ).toStrictEqual({
      hostKey,
      pin,
      attempt: 4,
      ...newRun,
    });
  });

  test.each([
    ["that made it", recovered],
    ["of somebody who knows nothing of it", undefined],
  ])("has nothing to do on a host that serves the same point, from the computer %s", (_, before) => {
    expect(nextRebuild(before, wish, served)).toStrictEqual({ hostKey, pin, attempt: 3, ...newRun });
  });

  test.each([
    ["one that was cut short here", cutShort],
    ["none here", undefined],
  ])("takes another point when nobody was served from the last one: after %s", (_, before) => {
    expect(nextRebuild(before, { ...wish, pin: otherPin }, untouched)).toStrictEqual({
      hostKey,
      pin: otherPin,
      attempt: 3,
      ...newRun,
    });
  });

  test.each([
    ["recovered here", recovered],
    ["recovered by another", undefined],
  ])("does everything again from the same point when the host is named twice: %s", (_, before) => {
    expect(nextRebuild(before, { ...wish, again: true }, served)).toStrictEqual({
      hostKey,
      pin,
      attempt: 4,
      over: restored.at,
      ...newRun,
    });
  });

  test.each([
    ["recovered here", recovered],
    ["recovered by another", undefined],
  ])("restores another point over it when the host is named twice: %s", (_, before) => {
    expect(nextRebuild(before, { ...wish, pin: otherPin, again: true }, served)).toStrictEqual({
      hostKey,
      pin: otherPin,
      attempt: 3,
      over: restored.at,
      ...newRun,
    });
  });

  // The id is only a name: what was restored is told by the two hashes.
  test.each<[string, BegunRebuild | undefined, Partial<Pin>]>([
    ["its manifest, here", recovered, { manifestSha256: "c".repeat(64) }],
    ["its archive, here", recovered, { archiveSha256: "d".repeat(64) }],
    ["its manifest, from another computer", undefined, { manifestSha256: "c".repeat(64) }],
    ["its manifest, after one that was cut short", cutShort, { manifestSha256: "c".repeat(64) }],
  ])("is refused when a site that has served would get another point, told by %s", (_, before, change) => {
    let refusal: unknown;
    try {
      nextRebuild(before, { ...wish, pin: { ...pin, ...change } }, served);
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(OperatorError);
    expect(refusal).toMatchObject({
      exitCode: exitCodes.refused,
      what: `this site was restored here from ${pin.id} at ${restored.at}, and has served since`,
      why: `a request at 2025-03-02T10:00:00Z: ${pin.id} would replace what its users have done there`,
      next: expect.stringContaining("--again ADDRESS") as string,
    });
  });

  describe("of a part of the site", () => {
    const part = { ...wish, only: "database" as const };
    const standing = { attempt: 0, stands: true };

    test("is another restore than one of all of it, from the same point: after that has served, the host must be named twice", () => {
      expect(() => nextRebuild(recovered, part, served)).toThrow("has served since");
      expect(nextRebuild(recovered, { ...part, again: true }, served)).toStrictEqual({
        hostKey,
        pin,
        only: "database",
        attempt: 3,
        over: restored.at,
        ...newRun,
      });
      expect(nextRebuild(recovered, part, untouched)).toMatchObject({ only: "database", attempt: 3 });
    });

    test("goes on with itself, and with nothing else", () => {
      const begun = { ...cutShort, only: "database" as const, over: restored.at };
      expect(nextRebuild(begun, part, served)).toStrictEqual(begun);
      expect(nextRebuild(begun, { ...wish, again: true }, served)).toMatchObject({ attempt: 4, ...newRun });
      expect(nextRebuild(begun, wish, served)).not.toHaveProperty("only");
    });

    test("is made again when the host is named twice", () => {
      const host = { ...served, restored: { ...restored, only: "database" as const } };
      expect(nextRebuild(undefined, { ...part, again: true }, host)).toMatchObject({ attempt: 4 });
      expect(nextRebuild(undefined, part, host)).toMatchObject({ attempt: 3 });
    });

    test("leaves what it did not bring to be named: nobody was served since, and the rest is older", () => {
      const host = { ...untouched, restored: { ...restored, only: "database" as const } };
      for (const other of [wish, { ...wish, only: "application" as const }])
        expect(() => nextRebuild(undefined, other, host)).toThrow(
          expect.objectContaining({
            exitCode: exitCodes.refused,
            why: expect.stringMatching(/^only its database was restored then: /) as string,
          }) as Error,
        );
      expect(nextRebuild(undefined, { ...part, pin: otherPin }, host)).toMatchObject({ pin: otherPin });
    });

    test("may be made where no recovery put the site, when the host is named twice; all of it may not", () => {
      expect(nextRebuild(undefined, { ...part, again: true }, standing)).toMatchObject({
        over: "unrecovered",
      });
      expect(nextRebuild(undefined, part, standing)).not.toHaveProperty("over");
      expect(nextRebuild(undefined, { ...wish, again: true }, standing)).not.toHaveProperty("over");
    });
  });

  test("is left to the lock of the host while the steps of another run are under way there", () => {
    const lock = { id: "a", who: "b", why: "c", since: "d", busy: ["recovery-restore.service"] };
    expect(nextRebuild(undefined, { ...wish, pin: otherPin }, { ...served, lock }).pin).toEqual(otherPin);
    expect(() =>
      nextRebuild(undefined, { ...wish, pin: otherPin }, { ...served, lock: { ...lock, busy: [] } }),
    ).toThrow("has served since");
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
