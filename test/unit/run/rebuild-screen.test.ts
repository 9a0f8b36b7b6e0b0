import { expect, test } from "vitest";
import type { RestorePoint } from "../../../backups/restore-point.ts";
import { rebuildScreen, type RebuildQuestion } from "../../../run/rebuild-screen.ts";

const point: RestorePoint = {
  id: "full_backup_20260301_020000",
  store: "disk",
  file: "full_backup_20260301_020000.tar.gz",
  format: "archive",
  aliases: [],
  kind: "full",
  state: "complete",
  reason: null,
  notes: [],
  timeOfData: "2026-03-01T02:00:00.000Z",
  storedAt: "2026-03-01T02:05:00.000Z",
  storedBytes: 1000,
  sha256: "a".repeat(64),
  manifestSha256: "b".repeat(64),
  root: "full_backup_20260301_020000",
  members: [],
  unpackedBytes: 5000,
  hostname: "web1",
};

const question: RebuildQuestion = {
  site: { name: "club", domain: "club.example.org" },
  resumed: false,
  host: {
    user: "root",
    address: "192.0.2.10",
    port: 22,
    fingerprint: "SHA256:host",
    known: "as you gave it",
  },
  look: {
    system: "Debian GNU/Linux 12 (bookworm)",
    name: "web2",
    machine: "0123",
    cores: 2,
    memoryBytes: 4 * 1024 ** 3,
    freeDiskBytes: 37 * 1024 ** 3,
    upSeconds: 245,
    clockAheadSeconds: 1,
    addresses: ["192.0.2.10"],
    listening: ["sshd 22"],
    stands: false,
    finished: false,
    attempt: 0,
  },
  point,
  passedOver: [],
  took: "43 s in the drill of 2026-02-01; no rebuild is recorded here",
  fencing: { how: "stop", address: "192.0.2.9" },
  dns: [
    "club.example.org is 192.0.2.9 (TTL 300 s): set A to 192.0.2.10",
    "www.club.example.org leads to this host",
  ],
  now: new Date("2026-03-01T08:12:00Z"),
};

test("a blank host: what it is, what comes onto it, what is lost, what becomes of the old server, what is to be changed in DNS", () => {
  expect(rebuildScreen(question)).toBe(`\
rebuild club (club.example.org)
  on    root@192.0.2.10, host key SHA256:host (as you gave it)
        web2: Debian GNU/Linux 12 (bookworm), 2 cores, 4.0 GiB of memory, 37 GiB free, up 4 min 5 s
        nothing of the site is there
        listening: sshd 22
  from  full_backup_20260301_020000 in disk, complete
  lost  all after 2026-03-01 02:00:00 UTC: 6 h 12 min
  took  43 s in the drill of 2026-02-01; no rebuild is recorded here
  old   192.0.2.9: nginx and workers are stopped there first, and disabled at boot
  dns   club.example.org is 192.0.2.9 (TTL 300 s): set A to 192.0.2.10
        www.club.example.org leads to this host`);
});

test("databases of a newer point: which, and what of them and of all else is lost", () => {
  const databases = {
    ...question.point,
    id: "hourly/20260301T080000Z",
    timeOfData: "2026-03-01T08:00:00.000Z",
  };
  expect(rebuildScreen({ ...question, databases })).toContain(`
  from  full_backup_20260301_020000 in disk, complete
        its databases from hourly/20260301T080000Z in disk, complete
  lost  the databases' rows after 2026-03-01 08:00:00 UTC: 12 min
        all else after 2026-03-01 02:00:00 UTC: 6 h 12 min
`);
});

test("a host whose clock is another than this computer's", () => {
  const screen = rebuildScreen({ ...question, look: { ...question.look, clockAheadSeconds: -3600 } });
  expect(screen).toContain("\n        ITS CLOCK IS WRONG, or this one: it is 1 h behind this computer's\n");
});

test("a host that serves, is worked on, and was named twice, from an older point than there might be", () => {
  const at = "2026-03-01T03:20:00.123Z";
  expect(
    rebuildScreen({
      ...question,
      resumed: true,
      host: { ...question.host, port: 2222, known: "as it is known here" },
      look: {
        ...question.look,
        cores: 1,
        listening: [],
        stands: true,
        finished: true,
        servedSince: "a request at 2026-03-01T07:00:00Z",
        attempt: 1,
        restored: {
          pin: { id: "full_backup_20260228_020000", manifestSha256: "m", archiveSha256: "a" },
          attempt: 1,
          at,
        },
        lock: {
          id: "20260301T080000Z-rebuild",
          who: "anna@office",
          why: "rebuild club",
          since: "2026-03-01T08:00:00Z",
          busy: ["recovery-fetch.service"],
        },
      },
      over: at,
      passedOver: ["passed over full_backup_20260301_080000 in disk: damaged, cut short"],
      fencing: { how: "decided-before" },
    }),
  ).toBe(`\
go on rebuilding club (club.example.org)
  on    root@192.0.2.10:2222, host key SHA256:host (as it is known here)
        web2: Debian GNU/Linux 12 (bookworm), 1 core, 4.0 GiB of memory, 37 GiB free, up 4 min 5 s
        recovered there from full_backup_20260228_020000 at 2026-03-01 03:20:00 UTC; SERVED SINCE: a request at 2026-03-01T07:00:00Z
        WHAT ITS USERS HAVE DONE THERE IS REPLACED, since you named it twice
        nothing listens there
        a run has it: 20260301T080000Z-rebuild of anna@office, since 2026-03-01T08:00:00Z, to rebuild club; recovery-fetch.service under way
  from  full_backup_20260301_020000 in disk, complete
        passed over full_backup_20260301_080000 in disk: damaged, cut short
  lost  all after 2026-03-01 02:00:00 UTC: 6 h 12 min
  took  43 s in the drill of 2026-02-01; no rebuild is recorded here
  old   this host has been the one that serves since an earlier recovery
  dns   club.example.org is 192.0.2.9 (TTL 300 s): set A to 192.0.2.10
        www.club.example.org leads to this host`);
});

test.each<[string, Partial<RebuildQuestion>, string]>([
  [
    "somebody's files stand there",
    { look: { ...question.look, stands: true } },
    "SOMETHING IS AT THE SITE'S PLACE that no recovery put there",
  ],
  [
    "the database comes back alone",
    { only: "database" },
    "rebuild club (club.example.org): the database alone",
  ],
  [
    "the database comes back alone, and what is lost",
    { only: "database" },
    "lost  the database's rows after 2026-03-01 02:00:00 UTC: 6 h 12 min",
  ],
  [
    "the application comes back alone, and what is lost",
    { only: "application" },
    "lost  uploads, data and configuration after 2026-03-01 02:00:00 UTC: 6 h 12 min",
  ],
  [
    "the application comes back alone, and what stays",
    { only: "application" },
    "the database stays as it is; what is replaced is set aside first",
  ],
  [
    "the site is led to the database that comes back",
    { only: "database", led: { site: "192.0.2.10", from: "10.0.0.5", to: "10.0.0.6" } },
    "led   the site on 192.0.2.10, which looks for its database at 10.0.0.5: to 10.0.0.6, and started anew",
  ],
  [
    "the old database server is left alone",
    { only: "database", led: { site: "192.0.2.10", from: "10.0.0.5", to: "10.0.0.6" } },
    "old   the old database server is left as it is; nothing of the site looks for it any more",
  ],
  [
    "a database that had a server of its own comes back too",
    { takesDatabase: true },
    "the database comes back on this host too: what is on its own server is not used any more",
  ],
  [
    "there is no old server",
    { fencing: { how: "this-host" } },
    "old   none: the site is mended on the host that it is on",
  ],
  ["the old server is said to be off", { fencing: { how: "said-to-be-off" } }, "  old   is off, as you say"],
  [
    "nobody said anything of the old server",
    { fencing: { how: "ask" } },
    "  old   NOT SAID: you are asked below whether it is off",
  ],
  [
    "a restore was cut short before anybody was served",
    {
      look: {
        ...question.look,
        restored: {
          pin: { id: "p", manifestSha256: "m", archiveSha256: "a" },
          databases: { id: "d", manifestSha256: "m", archiveSha256: null },
          attempt: 1,
          at: "2026-03-01T03:20:00Z",
        },
      },
    },
    "restored there from p with the databases of d at 2026-03-01 03:20:00 UTC; nobody was served since",
  ],
])("%s: that is said", (_, change, line) => {
  expect(
    rebuildScreen({ ...question, ...change })
      .split("\n")
      .some((one) => one.endsWith(line.trimStart())),
  ).toBe(true);
});
