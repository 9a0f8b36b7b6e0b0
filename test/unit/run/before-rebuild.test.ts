import { expect, test } from "vitest";
import type { Attempt } from "../../../run/ledger.ts";
import { clockDiffers, understand } from "../../../run/before-rebuild.ts";

const printed = `\
system\tDebian GNU/Linux 12 (bookworm)
clock\t1772352720
name\tweb2
machine\t0123456789abcdef0123456789abcdef
cores\t2
memoryBytes\t4110417920
freeDiskBytes\t39728447488
upSeconds\t245
address\t192.0.2.10
address\t2001:db8::10
listening\tnginx 443
listening\tsshd 22
`;
const askedAt = new Date(1_772_352_720_900);
const blank = {
  system: "Debian GNU/Linux 12 (bookworm)",
  name: "web2",
  machine: "0123456789abcdef0123456789abcdef",
  cores: 2,
  memoryBytes: 4_110_417_920,
  freeDiskBytes: 39_728_447_488,
  upSeconds: 245,
  clockAheadSeconds: 0,
  addresses: ["192.0.2.10", "2001:db8::10"],
  listening: ["nginx 443", "sshd 22"],
  stands: false,
  finished: false,
  attempt: 0,
};

const attempt = (step: string, outcome: "done" | "failed", triggers: string[], at: string): Attempt => ({
  triggers,
  result: { step, outcome, startedAt: at, seconds: 1, facts: {} },
});
const triggers = (point: string, number: number) => [
  `archive ${point}-archive`,
  `attempt ${number}`,
  "host-key SHA256:host",
  `manifest ${point}-manifest`,
  `point ${point}`,
];

test("a blank host is what it says of itself", () => {
  expect(understand(printed, [], askedAt)).toEqual(blank);
});

test("the last restore that was done is the one that counts, not the last that was tried", () => {
  const look = understand(
    `${printed}stands\t/var/www/club\nserved\ta request at 2026-03-02T10:00:00Z\n`,
    [
      attempt("restore", "done", triggers("first", 1), "2026-03-01T08:00:00.000Z"),
      attempt("finish", "done", triggers("first", 1), "2026-03-01T08:01:00.000Z"),
      attempt("restore", "done", triggers("second", 2), "2026-03-01T09:00:00.000Z"),
      attempt("restore", "failed", triggers("third", 3), "2026-03-01T10:00:00.000Z"),
      attempt("by-hand", "done", ["test"], "2026-03-01T11:00:00.000Z"),
    ],
    askedAt,
  );
  expect(look).toEqual({
    ...blank,
    stands: true,
    finished: true,
    servedSince: "a request at 2026-03-02T10:00:00Z",
    attempt: 3,
    restored: {
      pin: { id: "second", manifestSha256: "second-manifest", archiveSha256: "second-archive" },
      attempt: 2,
      at: "2026-03-01T09:00:00.000Z",
    },
  });
});

test("a run that has the host is told with its steps; a lock that cannot be read is none", () => {
  const lock = {
    run: { id: "r", who: "anna@office", why: "rebuild club" },
    since: "2026-03-01T08:00:00Z",
    holder: "1",
  };
  const withLock = (text: string) =>
    understand(
      `${printed}lock\t${text}\nbusy\trecovery-fetch.service recovery-unpack.service\n`,
      [],
      askedAt,
    );
  expect(withLock(JSON.stringify(lock)).lock).toEqual({
    id: "r",
    who: "anna@office",
    why: "rebuild club",
    since: "2026-03-01T08:00:00Z",
    busy: ["recovery-fetch.service", "recovery-unpack.service"],
  });
  expect(withLock("{").lock).toBeUndefined();
});

test("a restore of a part is told from one of all of it", () => {
  const part = triggers("first", 2).map((one) => (one === "attempt 2" ? "attempt 2 of the database" : one));
  expect(
    understand(printed, [attempt("restore", "done", part, "2026-03-01T08:00:00.000Z")], askedAt),
  ).toMatchObject({
    attempt: 2,
    restored: { pin: { id: "first" }, attempt: 2, only: "database" },
  });
});

test("databases of another point are told from those of the point itself", () => {
  const combined = [...triggers("first", 2), "databases hourly", "databases-manifest hourly-manifest"];
  const { restored } = understand(
    printed,
    [attempt("restore", "done", combined, "2026-03-01T08:00:00.000Z")],
    askedAt,
  );
  expect(restored).toMatchObject({
    pin: { id: "first", manifestSha256: "first-manifest" },
    databases: { id: "hourly", manifestSha256: "hourly-manifest", archiveSha256: null },
  });
});

test("a clock that differs is told, one that an answer's way explains is not", () => {
  const differs = (clock: number) =>
    clockDiffers(understand(`clock\t${1_772_352_720 + clock}\n`, [], askedAt));
  expect([differs(-60), differs(60)]).toEqual([undefined, undefined]);
  expect([differs(3600), differs(-3661)]).toEqual([
    "1 h ahead of this computer's",
    "1 h 1 min behind this computer's",
  ]);
});
