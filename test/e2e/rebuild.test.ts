import { once } from "node:events";
import { createInterface } from "node:readline";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runRecordSchema, type RunRecord } from "../../evidence/record.ts";
import { prepareSample } from "../../examples/chatbot/prepare.ts";
import { besides, recoveryHost, trustAnAuthority, visit, type RecoveryHost } from "./recovery-host.ts";

/** Planted in the site's environment file: nothing that a run leaves behind may hold them. */
const planted = {
  OPENAI_API_KEY: "sk-planted-4f1c9a7e2b",
  ADMIN_TOKEN: "planted#token$with'quotes-8d21",
};

let host: RecoveryHost;
let steps: { id: string; title: string; runbook: string }[] = [];

const rebuildArguments = () => [
  "rebuild",
  "--site",
  host.site,
  "--host",
  `root@${host.machine.address}`,
  "--host-key",
  host.machine.hostKey,
  ...besides,
  "--yes",
];

interface Attempt {
  result: { step: string; outcome: string };
}

async function attempts(): Promise<Attempt[]> {
  const text = await host.onHost("cat /var/lib/recovery/history.jsonl");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Attempt);
}

/** Runs a rebuild and kills the operator's process with SIGKILL at the first step not in the list; undefined when it ended. */
async function killedAtFirstBesides(
  titles: ReadonlyMap<string, string>,
  ids: readonly string[],
  ...more: string[]
) {
  const child = host.start(...rebuildArguments(), ...more);
  if (!child.stderr) throw new Error("no stderr");
  const ended = once(child, "exit");
  let killedAt: string | undefined;
  for await (const line of createInterface({ input: child.stderr })) {
    const begun = titles.get(/begin (.*)$/.exec(line)?.[1] ?? "");
    if (killedAt !== undefined || begun === undefined || ids.includes(begun)) continue;
    child.kill("SIGKILL");
    killedAt = begun;
  }
  await ended;
  return killedAt;
}

function recordOf(stdout: unknown): RunRecord {
  return runRecordSchema.parse((JSON.parse(String(stdout)) as { record: unknown }).record);
}

beforeAll(async () => {
  host = await recoveryHost({ blank: true, environment: planted });
  await trustAnAuthority(host);
});

afterAll(async () => {
  await host.close();
});

describe("a lost site", { timeout: 900_000 }, () => {
  test("comes back although the operator's process is killed at every step and the next goes on without an engine, or with one again, with nothing done twice", async () => {
    steps = await planned();
    const titles = new Map(steps.map(({ id, title, runbook }) => [`${runbook} ${title}`, id]));
    const killed: string[] = [];
    // There are as many steps as make the run that nobody kills a direct one: the engine's state then lacks the last of them.
    const executors = [["--without-pulumi"], []];
    const next = () => executors[killed.length % 2] ?? [];
    for (let at; (at = await killedAtFirstBesides(titles, killed, ...next())) !== undefined;) killed.push(at);
    expect([...killed].sort()).toEqual(steps.map(({ id }) => id).sort());
    const last = await host.recovery(...rebuildArguments(), "--without-pulumi", "--json");
    expect(last.stderr).not.toContain("FAILED");
    const record = recordOf(last.stdout);
    expect(record.error).toBeUndefined();
    expect(record.outcome).toBe("recovered");
    expect(record.tool.executor).toBe("direct");
    expect(last.exitCode).toBe(0);
    const done = await attempts();
    expect(done.map(({ result }) => `${result.step} ${result.outcome}`).sort()).toEqual(
      steps.map(({ id }) => `${id} done`).sort(),
    );
  });

  test("has every row of every table and every uploaded file", async () => {
    const original = await mkdtemp(join(tmpdir(), "recovery-original-"));
    try {
      await execa("tar", ["-xzf", host.sample.archive, "-C", original, "--strip-components=1"]);
      await execa("gunzip", [join(original, "database/admin.db.gz")]);
      const { stdout: before } = await execa("sqlite3", [join(original, "database/admin.db"), ".dump"]);
      const after = await host.onHost(
        "runuser -u www-data -- sqlite3 -cmd '.timeout 5000' /var/www/chatbot/data/admin.db .dump",
      );
      const rowsAfter = new Set(after.split("\n"));
      const missing = before
        .split("\n")
        .filter((line) => line.startsWith("INSERT INTO") && !line.includes("sqlite_sequence"))
        .filter((line) => !rowsAfter.has(line));
      expect(missing).toEqual([]);
      expect(before.split("\n").filter((line) => line.startsWith("INSERT INTO")).length).toBeGreaterThan(300);

      const hashes = await host.onHost(
        "cd /var/www/chatbot/data/uploads && find . -type f ! -name 'recovery-check-*' -print0 | xargs -0 sha256sum",
      );
      const restored = hashes
        .trim()
        .split("\n")
        .map((line) => line.replace(/^([0-9a-f]+) {2}\.\//, "$1 "))
        .sort();
      expect(restored).toEqual(host.sample.uploads.map(({ sha256, path }) => `${sha256} ${path}`).sort());
    } finally {
      await rm(original, { recursive: true });
    }
  });

  test("is left alone by an engine whose state is behind what was done directly: it takes that down and runs nothing", async () => {
    const before = await attempts();
    const behind = await host.recovery(...rebuildArguments(), "--json");
    expect(behind.exitCode).toBe(0);
    const begun = behind.stderr.split("\n").filter((line) => line.includes("begin"));
    expect(begun.length).toBeGreaterThan(0);
    expect(await attempts()).toEqual(before);
    expect(recordOf(behind.stdout)).toMatchObject({ outcome: "recovered", tool: { executor: "pulumi" } });
  });

  test("is left alone by a second direct run, to which the host says of each step that it was done before", async () => {
    const before = await attempts();
    const again = await host.recovery(...rebuildArguments(), "--without-pulumi", "--json");
    expect(again.exitCode).toBe(0);
    const done = again.stderr.split("\n").filter((line) => line.includes("done "));
    expect(done).toHaveLength(steps.length);
    for (const line of done) expect(line).toContain("(before this run)");
    expect(await attempts()).toEqual(before);
  });

  test("is left alone by a second run, which runs no step and still asks the site itself", async () => {
    const before = await attempts();
    const again = await host.recovery(...rebuildArguments(), "--json");
    expect(again.exitCode).toBe(0);
    expect(again.stderr).not.toContain("begin");
    expect(await attempts()).toEqual(before);
    expect(recordOf(again.stdout).checks.length).toBeGreaterThan(20);
  });

  test("is left alone by an engine that lost all of its state: what the host remembers is enough", async () => {
    const before = await attempts();
    const files = await host.onHost("stat -c '%i %W' /var/www/chatbot /var/www/chatbot/data/admin.db");
    await rm(join(host.directory, "state/recovery-stack/chatbot/recovery"), { recursive: true });
    const again = await host.recovery(...rebuildArguments(), "--json");
    expect(again.exitCode, again.stderr).toBe(0);
    // It asks the host for each of them, which says that it was done.
    expect(again.stderr.split("\n").filter((line) => line.includes("done "))).toHaveLength(steps.length);
    expect(await attempts()).toEqual(before);
    expect(await host.onHost("stat -c '%i %W' /var/www/chatbot /var/www/chatbot/data/admin.db")).toBe(files);
    expect(recordOf(again.stdout)).toMatchObject({ outcome: "recovered", tool: { executor: "pulumi" } });
  });

  test("does not count as recovered when it broke after the engine was done with it", async () => {
    await host.onHost("systemctl stop chatbot-worker");
    const broken = await host.recovery(...rebuildArguments(), "--json");
    expect(broken.exitCode).toBe(1);
    expect(recordOf(broken.stdout).outcome).toBe("failed");
    expect(recordOf(broken.stdout).checks.filter(({ ok }) => !ok)).toEqual([
      {
        title: "chatbot-worker.service: running, enabled at boot",
        ok: false,
        expected: "active, enabled",
        seen: "inactive, enabled",
      },
    ]);
    await host.onHost("systemctl start chatbot-worker");
  });

  test("gets another point when one is asked for; a step that failed once is made up for from there, and nothing before it", async () => {
    const newer = await prepareSample({ directory: host.directory, agents: 25, environment: planted });
    // A file where the log's folder belongs makes the permissions step fail, once.
    await host.onHost("systemctl stop chatbot-worker; rm -rf /var/log/chatbot && touch /var/log/chatbot");
    const before = (await attempts()).length;
    const point = /([^/]+)\.tar\.gz$/.exec(newer.archive)?.[1] ?? "";
    // Who knows nothing of the first rebuild is refused like who made it: the host says that it has served.
    await visit(host);
    for (const operator of [host, host.anotherOperator()]) {
      const refused = await operator.recovery(...rebuildArguments(), "--point", point, "--json");
      expect(refused.exitCode).toBe(4);
      expect(refused.stderr).toMatch(/has served since\na request at \S+: \S+ would replace/);
    }
    expect((await attempts()).length).toBe(before);
    const again = ["--point", point, "--again", host.machine.address, "--json"];
    const failed = await host.recovery(...rebuildArguments(), ...again);
    expect(failed.exitCode).toBe(1);
    expect(recordOf(failed.stdout).error?.what).toContain("Owners and modes");
    const untilFailure = (await attempts())
      .slice(before)
      .map(({ result }) => `${result.step} ${result.outcome}`);
    expect([...untilFailure].sort()).toEqual(
      [
        "configuration done",
        "fetch done",
        "permissions failed",
        "restore done",
        "stage-databases done",
        "stage-files done",
        "unpack done",
        "web-server done",
      ].sort(),
    );
    await host.onHost("rm /var/log/chatbot");
    const mended = await host.recovery(...rebuildArguments(), "--json");
    expect(recordOf(mended.stdout).error).toBeUndefined();
    expect(mended.exitCode).toBe(0);
    const afterwards = (await attempts())
      .slice(before + untilFailure.length)
      .map(({ result }) => `${result.step} ${result.outcome}`);
    expect(afterwards).toEqual(
      ["permissions", "services", "health", "tls", "finish"].map((id) => `${id} done`),
    );
    expect(
      await host.onHost(
        "runuser -u www-data -- sqlite3 -cmd '.timeout 5000' /var/www/chatbot/data/admin.db 'SELECT count(*) FROM agents'",
      ),
    ).toBe("25\n");
  });

  test("keeps what stood in the way of a restore until the operator removes it", async () => {
    const kept = await host.onHost("find /var/lib/recovery/replaced -name admin.db | head -1");
    expect(kept.trim()).not.toBe("");
    expect(await host.onHost(`sqlite3 ${kept.trim()} 'SELECT count(*) FROM agents'`)).toBe("20\n");
  });

  test("serves with the certificate of its backup at once, although the authority is gone; root runs no hook that came with it", async () => {
    const work = await mkdtemp(join(tmpdir(), "recovery-certificate-"));
    try {
      const packed = await host.onHost(
        [
          "cd /etc && rm -rf /root/backup && mkdir /root/backup && cp -a letsencrypt /root/backup/ && cd /root/backup/letsencrypt",
          "mkdir -p renewal-hooks/deploy && printf '#!/bin/sh\ntouch /root/hooked\n' >renewal-hooks/deploy/planted && chmod 755 renewal-hooks/deploy/planted",
          "sed -i '/^\\[renewalparams\\]/a post_hook = touch /root/hooked' renewal/*.conf && grep -q post_hook renewal/*.conf",
          "cd .. && tar -czf - letsencrypt | base64 -w0",
        ].join(" && "),
      );
      const shown =
        "openssl s_client -connect 127.0.0.1:443 </dev/null 2>/dev/null | openssl x509 -noout -serial";
      const serial = await host.onHost(shown);
      const newest = await prepareSample({ directory: host.directory, agents: 30, environment: planted });
      await execa("tar", ["-xzf", newest.archive, "-C", work]);
      const [point = ""] = await readdir(work);
      await writeFile(join(work, point, "config/letsencrypt.tar.gz"), Buffer.from(packed, "base64"));
      await execa("tar", ["-czf", newest.archive, "-C", work, point]);
      const text = await readFile(host.site, "utf8");
      await writeFile(host.site, text.replace(/^tls:\n/m, "tls:\n  member: config/letsencrypt.tar.gz\n"));
      await host.onHost("systemctl stop test-authority");

      const again = ["--point", point, "--again", host.machine.address, "--json"];
      const recovered = await host.recovery(...rebuildArguments(), ...again);
      expect(recordOf(recovered.stdout).error).toBeUndefined();
      expect(recovered.exitCode).toBe(0);
      expect(await host.onHost(shown)).toBe(serial);
      expect(await host.onHost("grep -rl hooked /etc/letsencrypt || true")).toBe("");
      expect(
        await host.onHost(
          "find /etc/letsencrypt/live /etc/letsencrypt/archive ! -user root -o -perm /077 ! -type l",
        ),
      ).toBe("");
    } finally {
      await rm(work, { recursive: true });
    }
  });

  test("leaves no secret in state, records or logs, where a planted control is found", async () => {
    const values = Object.values(planted);
    const operatorFiles = await filesBelow(join(host.directory, "state"));
    expect(operatorFiles.length).toBeGreaterThan(5);
    for (const file of operatorFiles) {
      const text = await readFile(file, "latin1");
      for (const value of values) expect(text.includes(value), `${file} holds a secret`).toBe(false);
    }
    // The control: the same search does find the values where they belong.
    const found = await host.onHost(searchFor("/var/www/chatbot", values));
    expect(found).toContain("/var/www/chatbot/.env");
    expect(
      await host.onHost(
        searchFor(
          "/var/log /var/lib/recovery/logs /var/lib/recovery/ledger /var/lib/recovery/history.jsonl /run/recovery",
          values,
        ),
      ),
    ).toBe("");
    expect(await host.onHost("test ! -e /run/recovery/secrets && echo gone")).toBe("gone\n");
    expect(
      await host.onHost("journalctl -q -o cat | grep -cF -e sk-planted -e 'planted#token' || true"),
    ).toBe("0\n");
  });
});

async function planned(): Promise<{ id: string; title: string; runbook: string }[]> {
  const { prepareRecovery, sitePoints } = await import("../../stacks/prepare.ts");
  const { loadSite } = await import("../../site/load.ts");
  const { choosePoint } = await import("../../backups/choose-point.ts");
  const { pinOf } = await import("../../backups/restore-point.ts");
  const quiet = () => undefined;
  const pin = pinOf(choosePoint(await sitePoints(await loadSite(host.site), quiet)));
  if (!pin) throw new Error("the sample has no point");
  const { steps: planned } = await prepareRecovery(
    {
      siteFile: host.site,
      host: { address: host.machine.address, port: 22, user: "root", hostKey: host.machine.hostKey },
      pin,
      attempt: 1,
      run: { id: "test", who: "test", why: "test" },
    },
    { isolated: false, say: quiet },
  );
  return planned.map(({ id, title, runbook }) => ({ id, title, runbook }));
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

function searchFor(places: string, values: string[]): string {
  const quoted = values.map((value) => `-e '${value.replaceAll("'", String.raw`'\''`)}'`).join(" ");
  return `grep -rlF ${quoted} ${places} 2>/dev/null || true`;
}
