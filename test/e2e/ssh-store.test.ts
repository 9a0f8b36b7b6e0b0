import { siteIn } from "../site-in.ts";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { listPoints } from "../../backups/catalogue.ts";
import { openStore } from "../../backups/stores/open-store.ts";
import { prepareSample } from "../../examples/chatbot/prepare.ts";
import { exitCodes } from "../../site/operator-error.ts";
import { siteSchema, type Store } from "../../site/schema.ts";
import { startRelay } from "../../ssh/relay.ts";
import { manifest } from "../unit/backups/manifests.ts";
import { needed } from "./recovery-host.ts";
import { makeKey, startAgent, startSshd, type LoopbackSshd } from "./loopback-sshd.ts";

let sshd: LoopbackSshd;
let directory: string;
let folder: string;
let archive: string;

beforeAll(async () => {
  await needed();
  sshd = await startSshd();
  directory = mkdtempSync(join(tmpdir(), "recovery-test-"));
  ({ archive } = await prepareSample({ directory }));
  folder = join(archive, "..");
  symlinkSync(basename(archive), join(folder, "full_backup_latest.tar.gz"));
  mkdirSync(join(folder, "old"));
  writeFileSync(join(folder, "notes, of 'ours'.txt"), "nothing that a host may fetch\n");
});
beforeEach(() => {
  vi.stubEnv("SSH_AUTH_SOCK", sshd.target.agentSocketPath);
  vi.stubEnv("XDG_CACHE_HOME", join(directory, "cache"));
});
afterAll(() => {
  vi.unstubAllEnvs();
  sshd.close();
  rmSync(directory, { recursive: true });
});

function store(changes: Record<string, unknown> = {}): Extract<Store, { kind: "ssh" }> {
  const { address: host, port, user, hostKey } = sshd.target;
  return siteSchema.shape.stores.parse([
    { kind: "ssh", name: "offsite", host, port, user, hostKey, path: folder, ...changes },
  ])[0] as Extract<Store, { kind: "ssh" }>;
}

const logins = () => sshd.log().split("Accepted publickey").length - 1;

test("its points are those that the same folder has on this computer, although the server has other host keys as well; what is known is not read again", async () => {
  const before = logins();
  const points = await listPoints(store(), siteIn(directory), { site: "club", signers: [] });
  // To meet the server, to list its files, to read the archive, which `latest` links to, and to look at it once more.
  expect(logins() - before).toBe(4);
  const here = await listPoints({ ...store(), kind: "directory" }, siteIn(directory), {
    site: "club",
    signers: [],
  });
  // sftp tells times in whole seconds.
  const comparable = (point: (typeof points)[number]) => ({
    ...point,
    storedAt: point.storedAt.slice(0, 19),
  });
  expect(points.map(comparable)).toEqual(here.map(comparable));
  expect(points[0]).toMatchObject({
    id: basename(archive, ".tar.gz"),
    state: "complete",
    aliases: ["full_backup_latest.tar.gz"],
  });

  const known = logins();
  expect(await listPoints(store(), siteIn(directory), { site: "club", signers: [] })).toEqual(points);
  expect(logins() - known).toBe(2);
});

/** The same gzip file with so many more bytes: the name of a file in its header, which none has that tar made. */
function named(gzip: Buffer, bytes: number): Buffer {
  const header = Buffer.from(gzip.subarray(0, 10));
  expect(header[3]).toBe(0);
  header[3] = 8;
  return Buffer.concat([header, Buffer.from(`${"a".repeat(bytes - 1)}\0`), gzip.subarray(10)]);
}

test("two backups of one size that arrived within one second are not taken for each other", async () => {
  const { archive: other, time } = await prepareSample({ directory, time: new Date(Date.now() - 60_000) });
  try {
    const sizes = [archive, other].map((file) => statSync(file).size);
    for (const file of [archive, other]) {
      writeFileSync(file, named(readFileSync(file), 1 + Math.max(...sizes) - statSync(file).size));
      utimesSync(file, time, time);
    }
    expect(statSync(other).size).toBe(statSync(archive).size);
    const list = () => listPoints(store(), siteIn(directory), { site: "club", signers: [] });
    // One of them is known when the other comes.
    renameSync(other, `${folder}/.other`);
    await list();
    renameSync(`${folder}/.other`, other);
    const points = await list();
    expect(points.filter(({ kind }) => kind === "full").map(({ id, state }) => [id, state])).toEqual(
      [archive, other].map((file) => [basename(file, ".tar.gz"), "complete"]),
    );
    // Which of them it is, only its bytes tell.
    expect(points[0]?.aliases).toEqual(["full_backup_latest.tar.gz"]);
  } finally {
    rmSync(other);
  }
});

test("many points of our own format are listed with a few logins, as they are in the same folder on this computer", async () => {
  const point = manifest();
  const days = Array.from({ length: 28 }, (_, day) => String(day + 1).padStart(2, "0"));
  const tier = join(folder, "daily");
  for (const day of days) {
    const [startedAt, endedAt] = [`2026-02-${day}T02:00:00Z`, `2026-02-${day}T02:10:00Z`];
    const one = join(tier, `202602${day}T020000Z`);
    mkdirSync(one, { recursive: true });
    for (const { name, bytes } of point.members) writeFileSync(join(one, name), Buffer.alloc(bytes));
    writeFileSync(join(one, "MANIFEST.json"), JSON.stringify({ ...point, startedAt, endedAt }));
    utimesSync(join(one, "MANIFEST.json"), new Date(endedAt), new Date(endedAt));
  }
  // As no manifest is.
  writeFileSync(join(tier, "20260228T020000Z", "MANIFEST.json"), Buffer.alloc(2 * 1024 ** 2));
  try {
    const expected = { site: "club", signers: [] };
    const before = logins();
    const points = await listPoints(store(), siteIn(directory), expected);
    expect(logins() - before).toBeLessThan(20);
    const own = points.filter(({ file }) => file.startsWith("daily/"));
    expect(own.filter(({ state }) => state === "complete").map(({ id }) => id)).toEqual(
      days
        .slice(0, 27)
        .reverse()
        .map((day) => `daily/202602${day}T020000Z`),
    );
    expect(own.filter(({ state }) => state === "damaged").length).toBe(1);
    const here = await listPoints({ ...store(), kind: "directory" }, siteIn(directory), expected);
    const timeless = (points: typeof own) => points.map((point) => ({ ...point, storedAt: "" }));
    expect(timeless(own)).toEqual(timeless(here.filter(({ file }) => file.startsWith("daily/"))));
  } finally {
    rmSync(tier, { recursive: true });
  }
});

test.each([
  ["alone", []],
  ["beside the application", ["application"]],
  ["beside files of another folder of it", ["databases"]],
  ["beside both", ["application", "databases"]],
])(
  "it is read through the relay, %s, and of it no other file than those that were named",
  async (_, folders) => {
    const opened = await openStore(store(), siteIn(directory));
    const remote = opened.relayed(basename(archive), "archive", new Date());
    writeFileSync(join(folder, "old", "newer.txt"), "of another folder\n");
    writeFileSync(join(folder, "old", "notes.txt"), "nothing that a host may fetch\n");
    const besides = Object.fromEntries(
      folders.map((name) => [
        name,
        name === "application"
          ? [{ name: "application.bundle", path: "/etc/hostname" }]
          : [opened.relayed("old/newer.txt", "newer", new Date())],
      ]),
    );
    expect(remote.name).toBe(basename(archive));
    const relay = await startRelay({ point: [remote], ...besides });
    try {
      const authorization = `Basic ${Buffer.from(`${relay.user}:${relay.password}`).toString("base64")}`;
      const get = (name: string) =>
        fetch(`http://127.0.0.1:${relay.port}/${name}`, { headers: { authorization } });
      const bytes = async (name: string) => Buffer.from(await (await get(name)).arrayBuffer());
      expect((await bytes(`point/${remote.name}`)).equals(readFileSync(archive))).toBe(true);
      const told = async (name: string) => {
        const answer = await get(name);
        return answer.status === 200 ? await answer.text() : answer.status;
      };
      expect(await told("application/application.bundle")).toBe(
        folders.includes("application") ? readFileSync("/etc/hostname", "utf8") : 404,
      );
      expect(await told("databases/newer.txt")).toBe(
        folders.includes("databases") ? "of another folder\n" : 404,
      );
      for (const other of ["full_backup_latest.tar.gz", encodeURIComponent("notes, of 'ours'.txt"), "old/"])
        expect(await told(`point/${other}`), other).toBe(404);
      for (const other of [basename(archive), "notes.txt"])
        expect(await told(`databases/${other}`), other).toBe(404);
    } finally {
      await relay.close();
    }
  },
);

test("a connection that is cut while an archive is read is told as such, and damages no point; the next time it is read whole", async () => {
  const large = "full_backup_20250101_000000.tar.gz";
  writeFileSync(join(folder, large), Buffer.alloc(64 * 1024 ** 2));
  try {
    const reader = await openStore(store(), siteIn(directory));
    const file = (await reader.list()).find(({ name }) => name === large);
    if (file === undefined || "reason" in file) throw new Error("it is not listed");
    const read = (onFirst: () => void) =>
      reader.read(file, async (chunks) => {
        let bytes = 0;
        for await (const chunk of chunks) {
          if (bytes === 0) onFirst();
          bytes += chunk.length;
        }
        return bytes;
      });
    await expect(
      read(() => {
        sshd.cut();
      }),
    ).rejects.toMatchObject({
      exitCode: exitCodes.missingHere,
      what: "the store offsite cannot be read",
      why: expect.stringMatching(new RegExp(`^${large} broke off after \\d+ of 67108864 bytes: .`)) as string,
      next: "run the same command again: what was read to its end is not read again",
    });
    expect(await read(() => undefined)).toBe(file.bytes);
    const grown = read(() => {
      writeFileSync(join(folder, large), "another");
    });
    expect(await grown).toBeUndefined();
  } finally {
    rmSync(join(folder, large));
  }
});

test("a server that falls silent is given up, at the door after 15 s and while it is read after 30 s", async () => {
  const large = "full_backup_20250102_000000.tar.gz";
  writeFileSync(join(folder, large), Buffer.alloc(64 * 1024 ** 2));
  const silent = createServer().listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  const seconds = async (failing: Promise<unknown>, why: string) => {
    const began = performance.now();
    await expect(failing).rejects.toMatchObject({ why: expect.stringContaining(why) as string });
    return (performance.now() - began) / 1000;
  };
  try {
    const reader = await openStore(store(), siteIn(directory));
    const file = (await reader.list()).find(({ name }) => name === large);
    if (file === undefined || "reason" in file) throw new Error("it is not listed");
    const reading = reader.read(file, async (chunks) => {
      let bytes = 0;
      for await (const chunk of chunks) {
        if (bytes === 0) sshd.freeze();
        bytes += chunk.length;
      }
    });
    const [atTheDoor, inside] = await Promise.all([
      seconds(listPoints(store({ port }), siteIn(directory), { site: "club", signers: [] }), "is silent"),
      seconds(reading, "broke off after"),
    ]);
    // A busy computer is slower; what is silent for ever would be heard of by the test's own limit alone.
    expect(atTheDoor).toBeLessThan(25);
    expect(inside).toBeLessThan(50);
  } finally {
    sshd.cut();
    silent.close();
    rmSync(join(folder, large));
  }
});

test("what is said of a store that cannot be read, and with which exit code", async () => {
  makeKey(directory, "stranger", "ed25519");
  const key = readFileSync(join(directory, "stranger.pub"), "utf8").trim();
  const refusal = async (changes: Record<string, unknown>) => {
    const asked = logins();
    const error: unknown = await listPoints(store(changes), siteIn(directory), {
      site: "club",
      signers: [],
    }).catch((reason: unknown) => reason);
    return { error, logins: logins() - asked };
  };
  expect(await refusal({ hostKey: key })).toMatchObject({
    error: {
      exitCode: exitCodes.refused,
      what: "the store offsite cannot be read",
      why: expect.stringContaining("is not the host it should be") as string,
    },
    logins: 0,
  });
  expect(await refusal({ path: join(folder, "nowhere") })).toMatchObject({
    error: {
      exitCode: exitCodes.missingHere,
      what: "the store offsite cannot be read",
      why: `there is no folder ${join(folder, "nowhere")} on 127.0.0.1`,
    },
  });
  expect(await refusal({ port: 1 })).toMatchObject({
    error: { exitCode: exitCodes.failed, why: expect.stringContaining("cannot be reached") as string },
  });
  const agent = await startAgent(directory, "strangers-agent", ["stranger"]);
  vi.stubEnv("SSH_AUTH_SOCK", agent.socketPath);
  expect(await refusal({})).toMatchObject({
    error: { exitCode: exitCodes.missingHere, why: expect.stringContaining("refused to let") as string },
    logins: 0,
  });
  agent.close();
});
