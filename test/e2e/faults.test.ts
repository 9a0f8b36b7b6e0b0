import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runRecordSchema, type RunRecord } from "../../evidence/record.ts";
import { prepareSample } from "../../examples/chatbot/prepare.ts";
import { commandLine, run } from "./drill-process.ts";
import { besides, recoveryHost, trustAnAuthority, visit, type RecoveryHost } from "./recovery-host.ts";

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

/** How many have asked the host for the restore, and a wait there for all of them. */
let followers = 0;
const asked = () =>
  `until (($(pgrep -fcx 'systemctl start recovery-restore.service') == ${followers})); do /bin/sleep 0.1; done`;

/** Command plugins that take no notice when the connection is lost, by their folders; `hang` is called in that moment. */
async function unaware(): Promise<{ name: string; folder: string; hang: () => Promise<void> }[]> {
  const name = "pulumi-resource-command";
  const ours = fileURLToPath(new URL(`../../engine/command-provider/${name}`, import.meta.url));
  const folder = join(host.directory, "plugin");
  await mkdir(folder);
  const script = `#!/bin/sh\necho $$ >'${folder}/pid'\nexec '${ours}' "$@"\n`;
  await writeFile(join(folder, name), script, { mode: 0o755 });
  const hang = async () => {
    process.kill(Number(await readFile(join(folder, "pid"), "utf8")), "SIGSTOP");
  };
  const vendors = process.env["RECOVERY_VENDOR_PLUGINS"];
  return [
    { name: "one that hangs", folder, hang },
    ...(vendors !== undefined && existsSync(join(vendors, name))
      ? [{ name: "the vendor's", folder: vendors, hang: () => Promise.resolve() }]
      : []),
  ];
}

const agents = () =>
  host.onHost(
    "runuser -u www-data -- sqlite3 -readonly -cmd '.timeout 5000' /var/www/chatbot/data/admin.db 'SELECT count(*) FROM agents'",
  );

describe("a rebuild", { timeout: 600_000 }, () => {
  test("gives up within a minute on a host that takes connections and says nothing, and on one that drops every packet, in either way", async () => {
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
      expect((performance.now() - startedAt) / 1000).toBeLessThan(60);
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

  test("whose application cannot be had from git begins nothing, and says how to go on without; from then on it has a bundle", async () => {
    const text = await readFile(host.site, "utf8");
    const git = "  git: https://127.0.0.1:1/chatbot.git\n";
    await writeFile(host.site, text.replace(/^ {2}bundle: .*\n/m, git));
    const { exitCode, stdout, stderr } = await host.recovery(...rebuildArguments());
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr.trim().split("\n").slice(-3)).toEqual([
      "the application's source https://127.0.0.1:1/chatbot.git cannot be read",
      expect.stringMatching(/^git said: fatal: unable to access /),
      expect.stringContaining("git bundle create FILE --all"),
    ]);
    expect(stderr).not.toContain("Server fit and free");
    expect(await host.onHost("ls /var/lib/recovery 2>&1 || true")).toContain("No such file");
    await writeFile(host.site, text.replace(/^(?= {2}bundle: )/m, git));
  });

  test("tries a mirror that stays away again and again, and ends as told", async () => {
    // Each pause between two tries is told here, and nobody waits for it.
    await host.onHost(
      [
        "mv /etc/apt/apt.conf.d/00recovery-proxy /root/proxy && rm -f /var/lib/apt/lists/recovery-updated",
        `echo 'Acquire::http::Proxy "http://127.0.0.1:1"; Acquire::Retries "0";' >/etc/apt/apt.conf.d/00test-proxy`,
        "printf '#!/bin/sh\\necho tried >>/root/pauses\\n' >/usr/local/bin/sleep && chmod 755 /usr/local/bin/sleep",
      ].join(" && "),
    );
    const { exitCode, stdout, stderr } = await host.recovery(...rebuildArguments("--without-pulumi"));
    expect(stderr).toContain("its bundle is taken");
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

  test("goes on there when it is run again, and waits for a mirror that comes back; is given up within a minute when the host vanishes, also where the engine's plugin does not notice", async () => {
    // In the second pause from now the mirror is back.
    await host.onHost(
      String.raw`printf '%s\n' '#!/bin/sh' 'echo tried >>/root/pauses' '[ "$(wc -l </root/pauses)" -lt 14 ] || { rm /etc/apt/apt.conf.d/00test-proxy /usr/local/bin/sleep; mv /root/proxy /etc/apt/apt.conf.d/00recovery-proxy; }' >/usr/local/bin/sleep`,
    );
    // The restore has stopped the site and put the files in place when it comes to the database: there it is held.
    await host.onHost(
      [
        String.raw`printf '%s\n' '#!/bin/sh' 'case "$*" in *staging/databases*) exec sleep 600 ;; esac' 'exec /usr/bin/chown "$@"' >/usr/local/bin/chown`,
        "chmod 755 /usr/local/bin/chown",
      ].join(" && "),
    );
    for (const { name, folder, hang } of await unaware()) {
      const attempt = run(process.execPath, [commandLine, ...rebuildArguments()], {
        cwd: host.directory,
        env: {
          ...process.env,
          ...host.environment,
          CI: "true",
          PATH: [folder, process.env["PATH"]].join(delimiter),
        },
      });
      await Promise.race([attempt.says("Everything put in place"), attempt.ended]);
      // Those that were cut off before wait there too: their sshd has heard nothing of it.
      followers += 1;
      await host.onHost(asked());
      const seconds = await host.withoutNetwork(async () => {
        await hang();
        const cutAt = performance.now();
        expect(await attempt.ended, name).toBe(1);
        return (performance.now() - cutAt) / 1000;
      });
      expect(seconds, name).toBeLessThan(60);
      expect(recordOf(attempt.stdout())).toMatchObject({
        outcome: "failed",
        recoveredAt: null,
        error: {
          what: `the connection to ${host.machine.address} was lost`,
          why: expect.stringMatching(
            /^no sign of life came over it, and for 20 s no word of .*restore$/,
          ) as string,
          next: "see whether the host can be reached, then run the same command again: it goes on where it stopped",
        },
      });
      expect(await host.onHost("systemctl show --property=ActiveState --value recovery-restore")).toBe(
        "activating\n",
      );
    }
    expect(await host.onHost("wc -l </root/pauses")).toBe("14\n");
    expect((await attempts()).filter((one) => one.startsWith("download-packages "))).toEqual([
      "download-packages failed",
      "download-packages done",
    ]);
  });

  test("follows that restore when it is run again; when the host is restarted meanwhile it says so, and the next one goes on from there", async () => {
    const rebuilding = host.recovery(...rebuildArguments());
    followers += 1;
    await Promise.race([host.onHost(asked()), rebuilding]);
    const boot = () => host.onHost("cat /proc/sys/kernel/random/boot_id").catch(() => "none");
    const booted = await boot();
    await host.onHost("rm /usr/local/bin/chown; systemctl reboot");
    const restarted = await rebuilding;
    expect(restarted.exitCode).toBe(1);
    // By its result, or by the loss of the connection: it depends on which of the two the shutdown ends first.
    expect(recordOf(restarted.stdout)).toMatchObject({
      outcome: "failed",
      recoveredAt: null,
      error: { why: expect.stringMatching(/without a result|was lost/) as string },
    });
    await expect.poll(boot, { timeout: 60_000 }).toMatch(new RegExp(`^(?!none|${booted.trim()})`));
    // As a real one, it is there again after a restart.
    await trustAnAuthority(host);

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

  test("of the same point over it replaces nothing, the application neither, until all of the point is proven", async () => {
    const point = ["--point", basename(host.sample.archive, ".tar.gz")];
    const before = (await attempts()).length;
    await host.onHost(
      "touch /var/www/chatbot/since && mount -t tmpfs -o nr_inodes=1 tmpfs /var/lib/recovery/restored",
    );
    const again = () => host.recovery(...rebuildArguments(...point, "--again", host.machine.address));
    const failed = await again();
    expect({ exitCode: failed.exitCode, outcome: recordOf(failed.stdout).outcome }).toEqual({
      exitCode: 1,
      outcome: "failed",
    });
    const since = (await attempts()).slice(before);
    expect(since).toContain("application done");
    expect(since).not.toContain("restore done");
    await visit(host);
    expect(await agents()).toBe("20\n");
    await host.onHost("test -e /var/www/chatbot/since && umount /var/lib/recovery/restored");

    const { exitCode, stderr } = await again();
    expect(exitCode, stderr).toBe(0);
    expect(
      await host.onHost(
        "ls -d /var/www/chatbot* && find /var/lib/recovery/replaced -name since | grep -o /var/www.*",
      ),
    ).toBe("/var/www/chatbot\n/var/www/chatbot/since\n");
  });

  test("of a host that was installed anew at the same address is refused until its new key is given, and then does everything again", async () => {
    const point = ["--point", basename(host.sample.archive, ".tar.gz")];
    const before = await attempts();
    await host.onHost(
      [
        "systemctl stop nginx php8.2-fpm chatbot-worker && systemctl disable -q chatbot-worker",
        "rm -rf /var/lib/recovery /usr/local/lib/recovery /run/recovery /var/www/chatbot /var/log/chatbot /etc/letsencrypt /etc/systemd/system/chatbot-worker.service",
        "find /etc/nginx -name '*chatbot*' -delete",
        "rm /etc/machine-id /etc/ssh/ssh_host_*_key* && systemd-machine-id-setup 2>/dev/null && ssh-keygen -q -A && systemctl restart ssh",
      ].join(" && "),
    );
    const refused = await host.recovery(...rebuildArguments(...point));
    expect({ exitCode: refused.exitCode, stdout: refused.stdout }).toEqual({ exitCode: 4, stdout: "" });
    expect(refused.stderr).toContain("is not the host it should be: its host key differs.");
    expect(refused.stderr).toContain("If the host was reinstalled, read its key on its console");
    expect(await host.onHost("ls /var/lib/recovery 2>&1 || true")).toContain("No such file");

    const key = (await host.onHost("cat /etc/ssh/ssh_host_ed25519_key.pub")).trim();
    const { exitCode, stdout } = await host.recovery(...rebuildArguments(...point).with(6, key));
    const record = recordOf(stdout);
    expect(record.error).toBeUndefined();
    expect(exitCode).toBe(0);
    expect((await attempts()).sort()).toEqual(record.steps.map(({ id }) => `${id} done`).sort());
    expect(before.length).toBeGreaterThan(record.steps.length);
    expect(await agents()).toBe("20\n");
  });

  test("on a host whose clock is wrong is told so, ends in words when it is behind, and recovers when it is an hour ahead; set right, the clock hides no visitor", async () => {
    const point = ["--point", basename(host.sample.archive, ".tar.gz")];
    const key = (await host.onHost("cat /etc/ssh/ssh_host_ed25519_key.pub")).trim();
    const rebuild = (...more: string[]) => host.recovery(...rebuildArguments(...point, ...more).with(6, key));
    const again = ["--again", host.machine.address];
    // For all that is started from now on, over ssh and by systemd. The kernel's times of files are read so too.
    const library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
    await host.onHost(
      [
        "apt-get -qq update && apt-get -qq -y install --no-install-recommends faketime >/dev/null",
        `systemctl set-environment LD_PRELOAD=${library} && echo 'SetEnv LD_PRELOAD=${library}' >>/etc/ssh/sshd_config`,
        "echo -4000d >/etc/faketimerc && rm -f /var/lib/apt/lists/recovery-updated && systemctl restart ssh",
        "printf '#!/bin/sh\\n' >/usr/local/bin/sleep && chmod 755 /usr/local/bin/sleep",
      ].join(" && "),
    );
    const behind = await rebuild(...again);
    expect(behind.exitCode).toBe(1);
    expect(behind.stderr).toMatch(/ITS CLOCK IS WRONG, or this one: it is \d+ d.* behind this computer's/);
    expect(recordOf(behind.stdout)).toMatchObject({
      outcome: "failed",
      error: {
        what: "System up to date, packages downloaded: the package lists could not be brought up to date",
        why: expect.stringContaining("is not valid yet") as string,
        next: expect.stringMatching(/^the clock of this server is behind: it says 201\d-/) as string,
      },
    });
    expect(await agents()).toBe("20\n");
    await visit(host);

    await host.onHost("echo +3600 >/etc/faketimerc && rm /usr/local/bin/sleep");
    const ahead = await rebuild(...again);
    expect(ahead.stderr).toMatch(/ITS CLOCK IS WRONG, or this one: it is 1 h ahead of this computer's/);
    const record = recordOf(ahead.stdout);
    expect(record.error).toBeUndefined();
    expect(ahead.exitCode).toBe(0);
    expect(record.notes).toContain("the host's clock was 1 h ahead of this computer's");
    expect(Date.parse(record.servingAt ?? "")).toBeLessThan(Date.parse(record.endedAt));
    const unchanged = await rebuild();
    expect(unchanged.exitCode).toBe(0);
    expect(unchanged.stderr).toContain("nobody was served since");

    await host.onHost("echo +0 >/etc/faketimerc");
    const hidden = await rebuild();
    expect(hidden.stderr).toContain("SERVED SINCE: the clock of this server was set back since");
  });
});
