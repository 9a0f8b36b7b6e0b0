import { mkdtemp, readdir, readFile, rename, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pinOf } from "../../backups/restore-point.ts";
import { runRecordSchema, type RunRecord } from "../../evidence/record.ts";
import { type PreparedSample, prepareSample } from "../../examples/chatbot/prepare.ts";
import { loadSite } from "../../site/load.ts";
import { prepareRecovery, sitePoints } from "../../stacks/prepare.ts";
import { besides, needed, recoveryHost, trustAnAuthority, type RecoveryHost } from "./recovery-host.ts";

const planted = { OPENAI_API_KEY: "sk-planted-4f1c9a7e2b", ADMIN_TOKEN: "planted#token$with'quotes-8d21" };
const older = new Date(Date.now() - 24 * 3600 * 1000);

let host: RecoveryHost;
let sample: PreparedSample;
/** Another point of the same site, signed as well, whose members have the same sizes. */
let other: PreparedSample;
let key: string;
let id: string;

const inDirectory = (name: string) => join(host.directory, name);

async function rebuild(...more: string[]) {
  const target = ["--host", `root@${host.machine.address}`, "--host-key", host.machine.hostKey, ...besides];
  return host.recovery("rebuild", "--site", host.site, ...target, "--yes", "--json", ...more);
}

function recordOf(stdout: unknown): RunRecord {
  return runRecordSchema.parse((JSON.parse(String(stdout)) as { record: unknown }).record);
}

/** What the host did so far: nothing, before it is touched. */
async function attempts(): Promise<string[]> {
  const text = await host.onHost("cat /var/lib/recovery/history.jsonl 2>/dev/null || true");
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => (JSON.parse(line) as { result: { step: string; outcome: string } }).result)
    .map(({ step, outcome }) => `${step} ${outcome}`);
}

/** Changes a file of the point while something is done; its times stay, as an attacker would have it. */
async function changed<Result>(name: string, change: (bytes: Buffer) => Buffer, act: () => Promise<Result>) {
  const file = join(sample.archive, name);
  const manifest = join(sample.archive, "MANIFEST.json");
  const before = await readFile(file);
  await writeFile(file, change(Buffer.from(before)));
  try {
    await utimes(manifest, sample.time, sample.time);
    return await act();
  } finally {
    await writeFile(file, before);
    await utimes(manifest, sample.time, sample.time);
  }
}

const withKey = async <Result>(content: string, act: () => Promise<Result>) => {
  const file = inDirectory("key");
  await writeFile(file, content, { mode: 0o600 });
  try {
    return await act();
  } finally {
    await writeFile(file, key, { mode: 0o600 });
  }
};

beforeAll(async () => {
  host = await recoveryHost();
  await trustAnAuthority(host);
  await needed("age", "zstd");
  await rm(host.sample.archive);
  for (const name of ["signer", "stranger"]) {
    await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", inDirectory(name)]);
  }
  await execa("age-keygen", ["-o", inDirectory("key")]);
  key = await readFile(inDirectory("key"), "utf8");
  const { stdout: recipient } = await execa("age-keygen", ["-y", inDirectory("key")]);
  const signer = (await readFile(inDirectory("signer.pub"), "utf8")).trim();
  await writeFile(
    host.site,
    [
      await readFile(host.site, "utf8"),
      `restorePoints: { signers: ["${signer}"], recipients: ["${recipient}"], identity: BACKUP_KEY }`,
      `secrets: [{ name: BACKUP_KEY, from: "file:key" }]`,
      "",
    ].join("\n"),
  );
  const options = {
    directory: host.directory,
    format: "own",
    signingKey: inDirectory("signer"),
    environment: planted,
  } as const;
  other = await prepareSample({ ...options, time: older });
  sample = await prepareSample(options);
  id = `daily/${sample.archive.split("/").at(-1) ?? ""}`;
});

afterAll(async () => {
  await host.close();
});

describe("a lost site whose backup is encrypted and signed", { timeout: 900_000 }, () => {
  test("is not touched with a key that opens nothing, is locked, or is not there", async () => {
    const { stdout: anotherKey } = await execa("age-keygen", []);
    const wrong = await withKey(`${anotherKey}\n`, () => rebuild());
    expect(wrong).toMatchObject({ exitCode: 3 });
    expect(wrong.stderr).toContain("the secret BACKUP_KEY does not open this restore point");

    // Before an old server would be stopped. This one cannot be reached, which is found out when the key is the right one.
    const [address, hostKey] = [host.machine.address, host.machine.hostKey];
    const stops = () =>
      host.recovery(
        ...["rebuild", "--site", host.site, "--host", `root@${address}`, "--host-key", hostKey, "--yes"],
        ...["--old-host", "root@127.0.0.1:1", "--old-host-key", hostKey, "--skip-dns", "--watch", "0s"],
      );
    const stopsNone = await withKey(`${anotherKey}\n`, stops);
    expect(stopsNone).toMatchObject({ exitCode: 3 });
    expect(stopsNone.stderr).toContain("the secret BACKUP_KEY does not open this restore point");
    const wouldStop = await stops();
    expect(wouldStop).toMatchObject({ exitCode: 4 });
    expect(wouldStop.stderr).toContain("the old server is not known to be stopped");

    const file = inDirectory("locked");
    await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "a passphrase", "-f", file]);
    const locked = await readFile(file, "utf8");
    const refused = await withKey(locked, () => rebuild());
    expect(refused).toMatchObject({ exitCode: 3 });
    expect(refused.stderr).toContain("locked with a passphrase");

    await rename(inDirectory("key"), inDirectory("key.away"));
    const missing = await rebuild();
    await rename(inDirectory("key.away"), inDirectory("key"));
    expect(missing).toMatchObject({ exitCode: 3 });
    expect(missing.stderr).toContain("the secret BACKUP_KEY cannot be read");
    expect(await attempts()).toEqual([]);
  });

  test("is not touched with a point that was changed, is cut short, or that nobody known has signed", async () => {
    const edited = await changed(
      "MANIFEST.json",
      (bytes) => Buffer.from(bytes.toString().replace('"errors": []', '"errors":  []')),
      () => rebuild("--point", id),
    );
    expect(edited).toMatchObject({ exitCode: 4 });
    expect(edited.stderr).toContain("it was changed since");

    const cut = await changed(
      "uploads-1.tar.zst.age",
      (bytes) => bytes.subarray(0, -1),
      () => rebuild("--point", id),
    );
    expect(cut).toMatchObject({ exitCode: 4 });
    expect(cut.stderr).toMatch(/uploads-1\.tar\.zst\.age has \d+ bytes, and its manifest says \d+/);

    const manifest = join(sample.archive, "MANIFEST.json");
    const { stdout: signature } = await execa(
      "ssh-keygen",
      ["-Y", "sign", "-f", inDirectory("stranger"), "-n", "recovery-stack"],
      {
        inputFile: manifest,
        stripFinalNewline: false,
      },
    );
    const stranger = await changed(
      "MANIFEST.json.sig",
      () => Buffer.from(signature),
      () => rebuild("--point", id),
    );
    expect(stranger).toMatchObject({ exitCode: 4 });
    expect(stranger.stderr).toContain("its signature is of a key that site.yaml does not name");

    await rename(join(sample.archive, "MANIFEST.json.sig"), inDirectory("signature"));
    const unsigned = await rebuild("--point", id);
    await rename(inDirectory("signature"), join(sample.archive, "MANIFEST.json.sig"));
    expect(unsigned).toMatchObject({ exitCode: 4 });
    expect(unsigned.stderr).toContain("nobody signed it");
    expect(await attempts()).toEqual([]);
  });

  test("takes its databases from another pinned point that is newer, and from none that is older", async () => {
    const loaded = await loadSite(host.site);
    const pins = (await sitePoints(loaded, () => undefined)).map(pinOf);
    const pin = (of: PreparedSample) => {
      const found = pins.find((one) => of.archive.endsWith(`/${one?.id ?? ""}`));
      if (!found) throw new Error("it cannot be pinned");
      return found;
    };
    const prepare = (files: PreparedSample, databases: PreparedSample) =>
      prepareRecovery(
        {
          siteFile: host.site,
          host: { address: "192.0.2.1", port: 22, user: "root", hostKey: host.machine.hostKey },
          pin: pin(files),
          databases: pin(databases),
          attempt: 1,
          run: { id: "run", who: "anna", why: "a test" },
        },
        { isolated: false, say: () => undefined },
      );
    const { relayedFolders, databases, steps } = await prepare(other, sample);
    const inFolder = (name: string) =>
      (relayedFolders[name] ?? []).map((file) => "path" in file && file.path);
    expect(inFolder("databases")).toEqual(
      ["inventory.tar.zst.age", "database-admin.db.zst.age"].map((name) => join(sample.archive, name)),
    );
    expect(inFolder("point")).toContain(join(other.archive, "inventory.tar.zst.age"));
    expect(inFolder("point")).not.toContain(join(other.archive, "database-admin.db.zst.age"));
    expect(databases?.id).toBe(id);
    expect(steps.find((step) => step.id === "unpack-members")?.triggers).toContain(`databases ${id}`);
    for (const one of [sample, other]) {
      await expect(prepare(sample, one)).rejects.toMatchObject({
        exitCode: 4,
        what: `the databases are not restored from ${pin(one).id}`,
        why: `${id} holds newer ones itself`,
        next: "leave the pin of the databases out: pulumi config rm databases",
      });
    }
  });

  test("has nothing put in place when one bit of a member differs, or a member is that of another point", async () => {
    const flipped = await changed(
      "uploads-1.tar.zst.age",
      (bytes) => {
        bytes.writeUInt8(bytes.readUInt8(bytes.length - 100) ^ 1, bytes.length - 100);
        return bytes;
      },
      () => rebuild("--point", id),
    );
    expect(flipped.exitCode).toBe(1);
    expect(recordOf(flipped.stdout).error?.what).toContain(
      "uploads-1.tar.zst.age is not what the manifest says",
    );
    expect(await attempts()).toContain("unpack-members failed");

    const name = "database-admin.db.zst.age";
    const ofOther = await readFile(join(other.archive, name));
    const swapped = await changed(
      name,
      () => ofOther,
      () => rebuild("--point", id),
    );
    expect(swapped.exitCode).toBe(1);
    expect(recordOf(swapped.stdout).error?.what).toContain(`${name} is not what the manifest says`);
    expect(await attempts()).not.toContain("restore done");
    expect(await host.onHost("ls /var/www/chatbot/data 2>/dev/null || true")).not.toContain("admin.db");
    expect(await host.onHost("test ! -e /run/recovery/secrets && echo gone")).toBe("gone\n");
  });

  test("comes back once the point is as it was, with nothing done twice", async () => {
    const before = await attempts();
    const mended = await rebuild();
    expect(recordOf(mended.stdout).error).toBeUndefined();
    expect(mended.exitCode).toBe(0);
    const since = (await attempts()).slice(before.length);
    expect(since.filter((one) => /^(provision|download-packages|application) /.test(one))).toEqual([]);
    expect(since).toContain("unpack-members done");
    expect(recordOf(mended.stdout).point).toMatchObject({ id, sha256: null });
  });

  test("has every row of every table and every uploaded file", async () => {
    const original = await mkdtemp(join(tmpdir(), "recovery-original-"));
    try {
      const open = `age --decrypt --identity "$1" "$2/database-admin.db.zst.age" | zstd -d > "$3/admin.db"`;
      await execa("bash", ["-c", open, "open", inDirectory("key"), sample.archive, original]);
      const inserts = (dump: string) =>
        dump
          .split("\n")
          .filter((line) => line.startsWith("INSERT INTO") && !line.includes("sqlite_sequence"));
      const { stdout: before } = await execa("sqlite3", [join(original, "admin.db"), ".dump"]);
      const after = await host.onHost(
        "runuser -u www-data -- sqlite3 -cmd '.timeout 5000' /var/www/chatbot/data/admin.db .dump",
      );
      const rowsAfter = new Set(inserts(after));
      expect(inserts(before).length).toBeGreaterThan(300);
      expect(inserts(before).filter((line) => !rowsAfter.has(line))).toEqual([]);
    } finally {
      await rm(original, { recursive: true });
    }
    const hashes = await host.onHost(
      "cd /var/www/chatbot/data/uploads && find . -type f ! -name 'recovery-check-*' -print0 | xargs -0 sha256sum",
    );
    const restored = hashes
      .trim()
      .split("\n")
      .map((line) => line.replace(/^([0-9a-f]+) {2}\.\//, "$1 "));
    expect(restored.sort()).toEqual(sample.uploads.map(({ sha256, path }) => `${sha256} ${path}`).sort());
    expect(await host.onHost("cat /var/www/chatbot/.env")).toContain(planted.OPENAI_API_KEY);
  });

  test("is left alone by a second run, which does not even ask for the key", async () => {
    const before = await attempts();
    await rename(inDirectory("key"), inDirectory("key.away"));
    const again = await rebuild();
    await rename(inDirectory("key.away"), inDirectory("key"));
    expect(again.exitCode).toBe(0);
    expect(await attempts()).toEqual(before);
  });

  test.each([
    ["application", "rm -r /var/www/chatbot/src /var/www/chatbot/data/uploads; systemctl stop nginx"],
    [
      "database",
      "systemctl stop chatbot-worker php8.2-fpm && printf damaged >/var/www/chatbot/data/admin.db",
    ],
  ])("gets its %s back alone, from the members that hold it", async (part, damage) => {
    await host.onHost(damage);
    const { exitCode, stdout, stderr } = await rebuild(
      ...["--only", part, "--point", id, "--again", host.machine.address, "--without-pulumi"],
    );
    expect(exitCode, stderr).toBe(0);
    expect(recordOf(stdout)).toMatchObject({ only: part, outcome: "recovered" });
    expect(
      await host.onHost(
        "runuser -u www-data -- sqlite3 -cmd '.timeout 5000' /var/www/chatbot/data/admin.db 'SELECT count(*) FROM agents'",
      ),
    ).toBe(`${sample.rows["agents"]}\n`);
  });

  test("keeps the key nowhere: not on the host, not in state, records and logs; a planted control is found", async () => {
    const secret = /AGE-SECRET-KEY-1\w+/.exec(key)?.[0] ?? "no key";
    const everywhere = `grep -rlsF ${secret} /etc /home /opt /root /run /srv /tmp /usr/local /var || true`;
    expect(await host.onHost(everywhere)).toBe("");
    expect(await host.onHost(`journalctl -q -o cat | grep -cF ${secret} || true`)).toBe("0\n");
    await host.onHost(`mkdir -p /run/recovery && echo '${secret}' > /run/recovery/control`);
    expect(await host.onHost(everywhere)).toBe("/run/recovery/control\n");
    await host.onHost("rm /run/recovery/control");

    const entries = await readdir(inDirectory("state"), { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    expect(files.length).toBeGreaterThan(5);
    const holding = async (paths: string[]) => {
      const texts = await Promise.all(paths.map((path) => readFile(path, "latin1")));
      return paths.filter((_, index) => texts[index]?.includes(secret));
    };
    expect(await holding(files)).toEqual([]);
    expect(await holding([...files, inDirectory("key")])).toEqual([inDirectory("key")]);
  });
});
