import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runRecordSchema, type RunRecord } from "../../evidence/record.ts";
import { prepareSample } from "../../examples/chatbot/prepare.ts";
import { besides, recoveryHost, trustAnAuthority, type RecoveryHost } from "./recovery-host.ts";

let host: RecoveryHost;

beforeAll(async () => {
  host = await recoveryHost();
  await trustAnAuthority(host);
});

afterAll(async () => {
  await host.close();
});

const rebuildArguments = (...more: string[]) => [
  ...["rebuild", "--site", host.site, "--host", `root@${host.machine.address}`],
  ...["--host-key", host.machine.hostKey, ...besides, "--yes", "--json", ...more],
];

function recordOf(stdout: unknown): RunRecord {
  return runRecordSchema.parse((JSON.parse(String(stdout)) as { record: unknown }).record);
}

async function attempts(): Promise<string[]> {
  const history = await host.onHost("cat /var/lib/recovery/history.jsonl");
  return history
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { result: { step: string; outcome: string } }).result)
    .map(({ step, outcome }) => `${step} ${outcome}`);
}

const agents = () =>
  host.onHost(
    "sqlite3 -readonly -cmd '.timeout 5000' /var/www/chatbot/data/admin.db 'SELECT count(*) FROM agents'",
  );

describe("a rebuild", { timeout: 600_000 }, () => {
  test("gives up within half a minute on a host that takes connections and says nothing, and on one that drops every packet, in either way", async () => {
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const port = (silent.address() as AddressInfo).port;
    const silently = rebuildArguments().with(4, `root@127.0.0.1:${port}`);
    // Side by side, each an operator of its own: an engine's and a direct one.
    const both = async (args: string[]) => {
      const startedAt = performance.now();
      const ends = await Promise.all([
        host.recovery(...args),
        host.anotherOperator().recovery(...args, "--without-pulumi"),
      ]);
      expect((performance.now() - startedAt) / 1000).toBeLessThan(30);
      expect(ends.map(({ exitCode, stdout }) => ({ exitCode, stdout }))).toEqual([
        { exitCode: 1, stdout: "" },
        { exitCode: 1, stdout: "" },
      ]);
      return ends.map(({ stderr }) => stderr);
    };
    for (const said of await both(silently)) {
      expect(said).toContain(`127.0.0.1:${port} is silent.`);
    }
    silent.close();
    const dropped = ["INPUT", "-i", host.machine.networkInterface, "-j", "DROP"];
    await execa("iptables", ["-I", ...dropped]);
    try {
      for (const said of await both(rebuildArguments())) {
        expect(said).toContain(`${host.machine.address}:22 cannot be reached.`);
      }
    } finally {
      await execa("iptables", ["-D", ...dropped]);
    }
  });

  test("tries a mirror that stays away again and again, and ends as told", async () => {
    // Each pause between two tries is told here, and nobody waits for it.
    await host.onHost(
      [
        "mv /etc/apt/apt.conf.d/00recovery-proxy /root/proxy && rm -f /run/recovery-lists-updated",
        `echo 'Acquire::http::Proxy "http://127.0.0.1:1"; Acquire::Retries "0";' >/etc/apt/apt.conf.d/00test-proxy`,
        "printf '#!/bin/sh\\necho tried >>/root/pauses\\n' >/usr/local/bin/sleep && chmod 755 /usr/local/bin/sleep",
      ].join(" && "),
    );
    const { exitCode, stdout } = await host.recovery(...rebuildArguments("--without-pulumi"));
    expect(exitCode).toBe(1);
    expect(recordOf(stdout)).toMatchObject({
      outcome: "failed",
      recoveredAt: null,
      error: {
        what: "System up to date, packages downloaded: the package lists could not be brought up to date",
        why: expect.stringContaining("apt-get said: E: Failed to fetch http://") as string,
        next: expect.stringContaining("run the recovery again: it goes on with this step") as string,
      },
    });
    expect(await host.onHost("wc -l </root/pauses")).toBe("12\n");
  });

  test("goes on there when it is run again, and waits for a mirror that comes back; when its restore dies half way with all that is kept in memory, as in a restart of the host, it says so, and the next one goes on from there", async () => {
    // In the second pause from now the mirror is back.
    await host.onHost(
      String.raw`printf '%s\n' '#!/bin/sh' 'echo tried >>/root/pauses' '[ "$(wc -l </root/pauses)" -lt 14 ] || { rm /etc/apt/apt.conf.d/00test-proxy /usr/local/bin/sleep; mv /root/proxy /etc/apt/apt.conf.d/00recovery-proxy; }' >/usr/local/bin/sleep`,
    );
    // The restore has stopped the site and put the files in place when it comes to the database: there it is held.
    await host.onHost(
      [
        "mkfifo /root/reached",
        String.raw`printf '%s\n' '#!/bin/sh' 'case "$*" in *staging/databases*) echo >/root/reached; exec sleep 600 ;; esac' 'exec /usr/bin/chown "$@"' >/usr/local/bin/chown`,
        "chmod 755 /usr/local/bin/chown",
      ].join(" && "),
    );
    const child = host.start(...rebuildArguments());
    if (!child.stdout || !child.stderr) throw new Error("no output");
    const ended = Promise.all([once(child, "exit"), text(child.stdout), text(child.stderr)]);
    await Promise.race([
      host.onHost("cat /root/reached"),
      ended.then(([, , said]) => {
        throw new Error(`the rebuild ended first: ${said}`);
      }),
    ]);
    await host.onHost(
      "rm -r /usr/local/bin/chown /run/recovery && systemctl kill --signal=KILL recovery-restore.service",
    );
    const [, stdout] = await ended;
    expect(await host.onHost("wc -l </root/pauses")).toBe("14\n");
    expect((await attempts()).filter((one) => one.startsWith("download-packages "))).toEqual([
      "download-packages failed",
      "download-packages done",
    ]);
    expect(child.exitCode).toBe(1);
    expect(recordOf(stdout)).toMatchObject({
      outcome: "failed",
      recoveredAt: null,
      error: { why: expect.stringContaining("step restore ended without a result") as string },
    });

    const before = await attempts();
    const again = await host.recovery(...rebuildArguments());
    expect(recordOf(again.stdout).error).toBeUndefined();
    expect(again.exitCode).toBe(0);
    const since = (await attempts()).slice(before.length);
    expect(since).toContain("restore done");
    expect(since.filter((one) => /^(provision|application|unpack|stage-\w+) /.test(one))).toEqual([]);
    expect(await agents()).toBe("20\n");
  });

  test("of a point whose database is corrupt is none, and what served before serves", async () => {
    const newer = await prepareSample({ directory: host.directory, agents: 25 });
    const point = basename(newer.archive, ".tar.gz");
    const work = await mkdtemp(join(tmpdir(), "recovery-corrupt-"));
    try {
      await execa("tar", ["-xzf", newer.archive, "-C", work]);
      const file = join(work, point, "database/admin.db.gz");
      const database = await promisify(gunzip)(await readFile(file));
      database.fill(0xff, 4096, 8192);
      await writeFile(file, await promisify(gzip)(database));
      await execa("tar", ["-czf", newer.archive, "-C", work, point]);
    } finally {
      await rm(work, { recursive: true });
    }
    const again = ["--point", point, "--again", host.machine.address];
    for (const executor of [[], ["--without-pulumi"]]) {
      const { exitCode, stdout } = await host.recovery(...rebuildArguments(...again, ...executor));
      expect(exitCode).toBe(1);
      expect(recordOf(stdout)).toMatchObject({
        outcome: "failed",
        recoveredAt: null,
        error: {
          what: "Databases whole and not empty: the database admin is corrupt",
          why: expect.stringContaining("integrity_check said: ") as string,
          next: "choose an older restore point: npx recovery points list",
        },
      });
      expect(await agents()).toBe("20\n");
      expect(
        await host.onHost(
          "curl -sf --resolve chatbot.example.test:443:127.0.0.1 https://chatbot.example.test/",
        ),
      ).toContain("agents are ready to talk");
    }
  });
});
