import { execa } from "execa";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { prepareCommandPlugin } from "../../engine/command-plugin.ts";
import { findEngine } from "../../engine/find.ts";
import { openStack } from "../../engine/stack.ts";
import type { BackupOutcome } from "../../run/back-up.ts";
import { declareProtection, prepareProtection } from "../../stacks/protection.ts";
import { typed } from "./typed.ts";
import { besides, needed, recoveryHost, say, trustAnAuthority, type RecoveryHost } from "./recovery-host.ts";

const local = "/var/backups/site";
const programs = "/usr/local/lib/recovery/current/resident";
/** The site's rows as its own account reads them; the checks of a recovery write some. */
const query = (sql: string) =>
  `runuser -u www-data -- sqlite3 -cmd '.timeout 5000' /var/www/chatbot/data/admin.db "${sql}"`;

let host: RecoveryHost;
let named: string[];
let runbookSite: string;
/** The id of the one that was made by hand. */
let byHand: string;

interface Point {
  id: string;
  store: string;
  state: string;
  kind: string;
}
const points = async (): Promise<Point[]> => {
  const { stdout } = await host.recovery("points", "list", "--site", host.site, "--json");
  return JSON.parse(stdout) as Point[];
};
const stored = () => host.onHost(`cd ${local} && ls -d */*`);

/** Carries out a line of the documentation where site.yaml lies. */
const carriedOut = (line: string) =>
  execa("bash", ["-c", line], {
    cwd: host.directory,
    env: { ...host.environment, CI: "true" },
    stdin: "ignore",
    reject: false,
  });
const server = () => ({ "root@192.0.2.10": `root@${host.machine.address}` });

/** Starts a unit of the backups and waits for its end, well or not. */
async function unit(instance: string): Promise<{ outcome: BackupOutcome; log: string }> {
  await host.onHost(
    `rm -f /var/lib/site-backup/${instance}.*; systemctl start site-backup@${instance}.service || true`,
  );
  return {
    outcome: JSON.parse(await host.onHost(`cat /var/lib/site-backup/${instance}.json`)) as BackupOutcome,
    log: await host.onHost(`cat /var/lib/site-backup/${instance}.log`),
  };
}

/** Has somebody keep the database locked, as the unit `locking`. */
const lockDatabase = () =>
  host.onHost(
    [
      "systemctl stop chatbot-worker php8.2-fpm",
      `systemd-run --quiet --uid=www-data --unit=locking bash -c "(echo 'PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; DELETE FROM audit_events;'; sleep 300) | sqlite3 -cmd '.timeout 60000' /var/www/chatbot/data/admin.db"`,
      `while ${query("SELECT count(*) FROM agents").replace("5000", "0")} >/dev/null 2>&1; do :; done`,
    ].join("; "),
  );

/** A second server that keeps backups, an account of the same host too: of uploads it takes one byte, and no more until it is told. */
const slow = {
  hasBegun: "until [ -e /srv/slow/begun ]; do sleep 0.05; done",
  goesOn: "touch /srv/slow/goes-on",
};
const largeUpload = "/var/www/chatbot/data/uploads/large";
const withSlowServer = <Result>(act: () => Promise<Result>): Promise<Result> =>
  withOtherSettings(
    [
      "id slow >/dev/null 2>&1 || useradd --create-home slow",
      "rm -rf /srv/slow; install -d -o slow -g slow -m 700 /srv/slow /srv/slow/kept /home/slow/.ssh",
      `echo "restrict,command=\\"receive-slowly\\" $(cat key.pub)" >/home/slow/.ssh/authorized_keys`,
      "sed 's/^offsite /slow /' /root/known_hosts >>known_hosts",
      `jq '.stores.slow = .stores.offsite + {user: "slow"} | .tiers.manual.stores |= ["slow"] + .' /root/settings.json >settings.json`,
      // More than there is room for on the way.
      `head -c 8M /dev/urandom >${largeUpload}`,
    ].join("; "),
    async () => {
      await place({
        "/usr/local/bin/receive-slowly": [
          "#!/bin/bash",
          "slowly() { head -c 1; touch /srv/slow/begun; until [ -e /srv/slow/goes-on ]; do sleep 0.05; done; cat; }",
          "if [[ $SSH_ORIGINAL_COMMAND == */uploads-* ]]; then slowly; else cat; fi | receive-backup /srv/slow/kept 1",
        ].join("\n"),
      });
      return await act();
    },
  ).finally(() => host.onHost(`rm -f ${largeUpload}`));

/** Does something while the host has other settings of its backups, as a command makes them; the right ones lie in /root meanwhile. */
async function withOtherSettings<Result>(command: string, act: () => Promise<Result>): Promise<Result> {
  await host.onHost(`cd /etc/site-backup && cp -p settings.json known_hosts /root && ${command}`);
  return await act().finally(() => host.onHost("mv /root/{settings.json,known_hosts} /etc/site-backup"));
}

/** A secret that nothing but its own file may ever hold. */
const planted = 'T0P-secret/with "quotes"'.replaceAll(/[ "]/g, "-");
const listener = `<?php // The webhook and the dead-man's URL.
file_put_contents("/srv/heard/requests", "$_SERVER[REQUEST_METHOD] $_SERVER[REQUEST_URI] " . file_get_contents("php://input") . "\\n", FILE_APPEND);
if (file_exists("/srv/heard/refuse")) http_response_code(503);`;
const mailServer = `<?php
$server = stream_socket_server("tcp://127.0.0.1:2525");
while ($client = stream_socket_accept($server, -1)) {
  fwrite($client, "220 ready\\r\\n");
  for ($inMail = false; ($line = fgets($client)) !== false && !str_starts_with($line, "QUIT"); ) {
    file_put_contents("/srv/heard/mail", $line, FILE_APPEND);
    if ($line === ".\\r\\n") $inMail = false;
    if (!$inMail) fwrite($client, str_starts_with($line, "DATA") ? "354 go\\r\\n" : "250 ok\\r\\n");
    if (str_starts_with($line, "DATA")) $inMail = true;
  }
  fclose($client);
}`;
/** Says how full a disk is, whatever the computer's own is; and what curl was told by its arguments. */
const disk = `#!/bin/sh
case $* in *pcent*) echo "Use% IUse% Mounted on"; echo "10% - /" ;; *) exec /usr/bin/df "$@" ;; esac`;
const curl = `#!/bin/sh
{ echo "$@"; env; } >>/srv/heard/arguments
exec /usr/bin/curl "$@"`;

/** Puts programs on the host. */
async function place(files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files))
    await host.onHost(`cat >${path} <<'END'\n${text}\nEND\nchmod 755 ${path}`);
}

/** Has somebody listen on the host to what is told of its backups. */
async function listen(): Promise<void> {
  await host.onHost("mkdir -p /srv/heard /srv/metrics");
  await place({
    "/srv/heard/hook.php": listener,
    "/srv/heard/mail.php": mailServer,
    "/usr/local/bin/df": disk,
    "/usr/local/bin/curl": curl,
  });
  // No hour comes in the middle of a test.
  await host.onHost(
    "cd /run/systemd/system && for timer in site-backup@hourly site-watch; do mkdir -p $timer.timer.d && printf '[Timer]\\nOnCalendar=\\nOnCalendar=2099-01-01\\n' >$timer.timer.d/never.conf; done; systemctl daemon-reload; systemctl try-restart 'site-*.timer'",
  );
  await host.onHost(
    "systemd-run --quiet --unit=heard-hook php -S 127.0.0.1:9099 /srv/heard/hook.php; systemd-run --quiet --unit=heard-mail php /srv/heard/mail.php; for port in 9099 2525; do until (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; do :; done; done; : >/srv/heard/mail",
  );
}
interface Watch {
  level: string;
  findings: { id: string; level: string; text: string }[];
  newest: Record<string, Record<string, { point: string; store?: string } | null>>;
  channels: Record<string, { failing: { why: string } | null }>;
}
/** What was sent since the last time, by webhook, and what is known after a watch. */
async function watch(
  program = "systemctl start site-watch || true",
): Promise<{ heard: string[]; state: Watch }> {
  await host.onHost(`: >/srv/heard/requests; ${program}`);
  return {
    heard: await heard(),
    state: JSON.parse(await host.onHost("cat /var/lib/site-backup/watch.json")) as Watch,
  };
}
async function heard(): Promise<string[]> {
  const requests = await host.onHost("cat /srv/heard/requests");
  return requests
    .split("\n")
    .filter(Boolean)
    .map((line) => line.replace(`/${planted}`, ""));
}
/** The text of a message to the webhook. */
const textOf = (request: string | undefined) =>
  (JSON.parse(/^POST \/new (.*)$/.exec(request ?? "")?.[1] ?? "{}") as { text?: string }).text ?? request;

const rebuild = (...more: string[]) =>
  host.recovery(
    ...["rebuild", "--site", host.site, ...named, ...besides, "--yes", "--without-pulumi", ...more],
  );
const protect = (...more: string[]) => host.recovery("protect", "--site", host.site, ...named, ...more);

beforeAll(async () => {
  host = await recoveryHost();
  await trustAnAuthority(host);
  await needed("age", "zstd");
  named = ["--host", `root@${host.machine.address}`, "--host-key", host.machine.hostKey];
  const first = await rebuild();
  expect(first.exitCode, first.stderr).toBe(0);
  // An account of the same host stands for the server that keeps the backups.
  await host.onHost("useradd --create-home keeper && install -d -o keeper -g keeper -m 700 /srv/kept");
  await execa("age-keygen", ["-o", join(host.directory, "key")]);
  runbookSite = await readFile(host.site, "utf8");
  await writeFile(join(host.directory, "hook"), `http://127.0.0.1:9099/${planted}/old\n`, { mode: 0o600 });
  await writeFile(join(host.directory, "dead-man"), `http://127.0.0.1:9099/${planted}/alive\n`, {
    mode: 0o600,
  });
}, 900_000);

afterAll(async () => {
  await host.close();
});

/** A server of mail that takes what somebody sends who logs in, and offers that through TLS alone. */
const exim = String.raw`primary_hostname = localhost
daemon_smtp_ports = 2587 : 2465
tls_on_connect_ports = 2465
local_interfaces = 127.0.0.1
tls_advertise_hosts = *
tls_certificate = /srv/mail/certificate
tls_privatekey = /srv/mail/key
auth_advertise_hosts = \${if eq{$tls_in_cipher}{}{}{*}}
acl_smtp_rcpt = recipients
begin acl
recipients:
  accept authenticated = *
  deny message = log in first
begin routers
all:
  driver = accept
  transport = kept
begin transports
kept:
  driver = appendfile
  file = /srv/mail/kept
  user = Debian-exim
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = \${if and{{eq{$auth2}{club}}{eq{$auth3}{\${readfile{/srv/mail/password}}}}}}
  server_set_id = $auth2`.replaceAll("\\${", "${");

async function configure(signer: string): Promise<void> {
  const { stdout: recipient } = await execa("age-keygen", ["-y", join(host.directory, "key")]);
  const { address, port, hostKey } = host.machine;
  await writeFile(
    host.site,
    [
      runbookSite,
      `  - { kind: ssh, name: offsite, host: "${address}", port: ${port}, user: keeper, path: /srv/kept, hostKey: "${hostKey}" }`,
      `restorePoints: { signers: ["${signer}"], recipients: ["${recipient}"], identity: BACKUP_KEY }`,
      `secrets: [{ name: BACKUP_KEY, from: "file:key" }, { name: HOOK, from: "file:hook" }, { name: DEAD_MAN, from: "file:dead-man" }]`,
      "backups: {}",
      `alerts: { mail: { to: [owner@example.org], from: club@example.org, smtp: "smtp://127.0.0.1:2525" }, webhook: HOOK, deadMan: DEAD_MAN, textfile: /srv/metrics }`,
      "",
    ].join("\n"),
  );
}

describe("a living server", { timeout: 300_000 }, () => {
  test("is not protected by backups that would count as nobody's, and makes none before it is", async () => {
    const file = join(host.directory, "stranger");
    await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file]);
    await configure((await readFile(`${file}.pub`, "utf8")).trim());
    const refused = await protect();
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain("restorePoints.signers in site.yaml does not name its host key");
    expect(refused.stderr).toContain(host.machine.hostKey.split(" ")[1]);
    const { exitCode, stderr } = await host.recovery("backup", "--site", host.site, ...named);
    expect(exitCode, stderr).toBe(4);
    expect(stderr).toContain("this server makes no backups");
  });

  test("is protected: its timers run, its settings are root's alone, and a second time changes nothing", async () => {
    await listen();
    await configure(host.machine.hostKey);
    const done = await protect("--json");
    expect(done.exitCode, done.stderr).toBe(0);
    const facts = JSON.parse(done.stdout) as { timers: string[]; key: string; left: string[] };
    expect(facts.timers).toHaveLength(5);
    const [task = "none", ...others] = facts.left;
    expect(task).toMatch(/^let the store offsite take the backups of this server \(.*Permission denied/);
    expect(task.endsWith(`: its key there is ${facts.key}`)).toBe(true);
    expect(others).toEqual([]);
    expect(await host.onHost("systemctl list-timers --no-legend 'site-backup@*' | wc -l")).toBe("4\n");
    expect(
      await host.onHost(
        "stat -c '%a %U' /etc/site-backup /etc/site-backup/settings.json /etc/site-backup/key /etc/site-backup/secrets /etc/site-backup/secrets/HOOK",
      ),
    ).toBe("700 root\n600 root\n600 root\n700 root\n600 root\n");
    expect(
      await host.onHost(
        "systemd-analyze verify /etc/systemd/system/site-{backup@hourly,watch}.timer 2>&1 || true",
      ),
    ).toBe("");
    const history = "grep -c backup-schedule /var/lib/recovery/history.jsonl";
    const before = await host.onHost(history);
    // But for a secret that is another one.
    await writeFile(join(host.directory, "hook"), `http://127.0.0.1:9099/${planted}/new\n`);
    const again = await carriedOut(typed("npx recovery protect --host root@192.0.2.10", server()));
    expect(again.exitCode, again.stderr).toBe(0);
    expect(again.stdout).toContain("see whether its alerts arrive: npx recovery alert");
    expect(again.stdout.split("\n")).toContain(`TO DO: ${task}`);
    expect(await host.onHost(history)).toBe(before);
    expect(await host.onHost("cat /etc/site-backup/secrets/HOOK")).toMatch(/\/new$/);

    await host.onHost(
      `install -d -o keeper -g keeper -m 700 /home/keeper/.ssh && install -m 755 ${programs}/receive /usr/local/bin/receive-backup && printf '%s\\n' '${host.agent.publicKey.trim()}' 'restrict,command="/usr/local/bin/receive-backup /srv/kept 1" ${facts.key.trim()}' >/home/keeper/.ssh/authorized_keys && chown keeper /home/keeper/.ssh/authorized_keys`,
    );
    expect(JSON.parse((await protect("--json")).stdout)).toEqual({ ...facts, left: [] });
    expect(await host.onHost(history)).toBe(before);
  });

  test("is declared by the stack `backup` too, whose engine it tells that all is done; without the stack it goes on", async () => {
    const engine = await findEngine({ allowBuild: true, say });
    if (!engine) throw new Error("no Pulumi engine can be had here");
    const { address, port, user, hostKey } = host.machine;
    const prepared = await prepareProtection({
      siteFile: host.site,
      host: { address, port, user, hostKey },
      run: { id: "test-stack", who: "test", why: "test" },
      agentSocketPath: host.agent.socketPath,
      say,
    });
    const history = "grep -c backup-schedule /var/lib/recovery/history.jsonl";
    const before = await host.onHost(history);
    try {
      const stack = await openStack({
        engine,
        plugin: await prepareCommandPlugin(engine, say),
        stackName: "chatbot.backup",
        directory: join(host.directory, "stack"),
        environment: { SSH_AUTH_SOCK: host.agent.socketPath },
        program: () => Promise.resolve({ ...declareProtection(prepared) }),
        say,
      });
      await stack.up();
      expect(await stack.outputs()).toMatchObject({ address: { value: address } });
      // The stack, the server, the schedule, its step.
      expect(await stack.changes()).toEqual({ create: 4 });
      await stack.up();
      expect(await stack.changes()).toEqual({ same: 4 });
      expect(await host.onHost(history)).toBe(before);
      await stack.destroy();
    } finally {
      await prepared.session.close();
    }
    expect(await host.onHost("systemctl list-timers --no-legend 'site-backup@*' | wc -l")).toBe("4\n");
  });

  test("makes a backup when it is told to, says how it goes, and has it on both servers", async () => {
    const { exitCode, stderr, stdout } = await carriedOut(
      typed("npx recovery backup --host root@192.0.2.10", server()),
    );
    expect(exitCode, stderr).toBe(0);
    byHand = /^made (manual\/\w+)\nsent to offsite$/.exec(stdout)?.[1] ?? stdout;
    expect(stderr).toMatch(/^database-admin\.db: \d+ bytes$/m);
    const there = (folder: string) => host.onHost(`cd ${folder}/${byHand} && sha256sum *`);
    expect(await there("/srv/kept")).toBe(await there(local));
    expect(await there(local)).toContain("metrics.prom.zst.age");

    const database = await carriedOut(
      typed("npx recovery backup --host root@192.0.2.10 --database", server()),
    );
    expect(database.exitCode, database.stderr).toBe(0);
    const offsite = (await points()).filter(({ store }) => store === "offsite");
    expect(offsite.map(({ kind, state }) => [kind, state])).toEqual([
      ["database", "complete"],
      ["full", "complete"],
    ]);
  });

  test("tells whom site.yaml names of nothing but a test, and says that it is alive, while all is well", async () => {
    await host.onHost(": >/srv/heard/requests; : >/srv/heard/mail");
    const { exitCode, stdout, stderr } = await carriedOut(
      typed("npx recovery alert --host root@192.0.2.10", server()),
    );
    expect(exitCode, stderr).toBe(0);
    expect(stdout).toBe(
      ["by mail", "to the webhook", "to the dead-man's URL"]
        .map((place) => `sent ${place}: see whether it arrived`)
        .join("\n"),
    );
    const [message, alive] = await heard();
    expect(textOf(message)).toMatch(/^chatbot on \S+: this is a test\n/);
    expect(alive).toBe("GET /alive ");
    const mail = await host.onHost("cat /srv/heard/mail");
    expect(mail).toContain("MAIL FROM:<club@example.org>");
    expect(mail).toMatch(/^RCPT TO:<owner@example.org>\r$/m);
    expect(mail).toMatch(/^Subject: chatbot on \S+: this is a test\r$/m);

    const { state, heard: said } = await watch();
    expect(state).toMatchObject({ level: "ok", findings: [] });
    expect(said).toEqual(["GET /alive "]);
    expect(await host.onHost("cat /srv/metrics/site_backup.prom")).toMatch(/^site_backup_watch_level 0$/m);
    // By the server's own program of mail, from within walls as the unit has them.
    const sendmail = await host.onHost(
      `printf '#!/bin/sh\\n{ echo "$@"; cat; } >/srv/heard/sendmail\\n' >/usr/sbin/sendmail && chmod 755 /usr/sbin/sendmail && jq 'del(.alerts.mail.smtp)' /etc/site-backup/settings.json >/srv/settings.json && systemd-run --quiet --collect --property=Type=oneshot --property=StandardOutput=file:/srv/heard/test --property=BindReadOnlyPaths=/srv/settings.json:/etc/site-backup/settings.json --property=ProtectSystem=strict --property=NoNewPrivileges=yes --property=RuntimeDirectory=site-watch ${programs}/alert --test; rm /usr/sbin/sendmail; cat /srv/heard/test`,
    );
    expect(JSON.parse(sendmail)).toEqual({ mail: null, webhook: null, deadMan: null });
    expect(await host.onHost("head -n 2 /srv/heard/sendmail")).toBe(
      "-oi -f club@example.org -- owner@example.org\nFrom: club@example.org\n",
    );
  });

  test("makes one by its timer's unit while the site writes, and it restores to what was there then", async () => {
    const insert =
      "INSERT INTO audit_events (actor, action, entity, entity_id, details, created_at) VALUES ('test', 'spoke', 'x', $i, '{}', '2026-01-01')";
    const writing = host.onHost(`for i in $(seq 400); do ${query(insert)}; done`);
    await host.onHost(
      `until [ "$(${query("SELECT count(*) FROM audit_events WHERE actor = 'test'")})" -gt 0 ]; do :; done`,
    );
    const { outcome, log } = await unit("daily");
    const after = Number(await host.onHost(query("SELECT count(*) FROM audit_events WHERE actor = 'test'")));
    expect(outcome, log).toMatchObject({ ok: true, sent: { offsite: null } });
    await writing;
    await host.onHost(
      "systemctl stop chatbot-worker php8.2-fpm; printf damaged >/var/www/chatbot/data/admin.db",
    );
    const back = await rebuild(
      ...["--only", "database", "--point", outcome.point ?? "", "--again", host.machine.address],
    );
    expect(back.exitCode, back.stderr).toBe(0);
    const restored = Number(
      await host.onHost(query("SELECT count(*) FROM audit_events WHERE actor = 'test'")),
    );
    expect(restored).toBeGreaterThan(0);
    expect(restored).toBeLessThanOrEqual(after);
    // One after the other, from the first: what is lost is what was written after it.
    expect(await host.onHost(query("SELECT max(entity_id) FROM audit_events WHERE actor = 'test'"))).toBe(
      `${restored}\n`,
    );
  });

  test("is told which table is gone, and gets its rows back from the backup that is named then", async () => {
    for (let made = 0; made < 3; made += 1) {
      const { outcome, log } = await unit("manual-database");
      expect(outcome, log).toMatchObject({ ok: true });
    }
    const count = query("SELECT count(*) FROM prompts");
    const rows = (await host.onHost(count)).trim();
    await host.onHost(query("DROP TABLE prompts"));
    const without = (await unit("manual-database")).outcome.point ?? "";
    const { heard: said, state } = await watch();
    const what = `the table prompts of admin is gone in ${without}: it had ${rows} rows`;
    expect(state.findings).toMatchObject([{ id: "table-admin-prompts", level: "critical", text: what }]);
    const [text = ""] = said.map(textOf);
    expect(text).toContain(`NEW CRITICAL: ${what}`);
    const [, options = "", older = ""] =
      /^ {2}what to do: .*: npx recovery rebuild (--only database --point (\S+))$/m.exec(text) ?? [];
    expect(older).not.toBe(without);
    const back = await rebuild(...options.split(" "), "--again", host.machine.address);
    expect(back.exitCode, back.stderr).toBe(0);
    expect((await host.onHost(count)).trim()).toBe(rows);
    expect((await unit("manual-database")).outcome).toMatchObject({ ok: true });
    expect((await watch()).heard.map(textOf).join()).toContain(`OVER: ${what}`);
  });

  test("lacks what it could not pack, says so, and keeps no piece of it", async () => {
    await host.onHost("head -c 200M /dev/urandom >/var/www/chatbot/data/uploads/large");
    const killing = host.onHost("until pkill -KILL -f '[t]ar --create .* -- uploads'; do :; done");
    const { outcome, log } = await unit("weekly");
    await killing;
    await host.onHost("rm /var/www/chatbot/data/uploads/large");
    expect(outcome.ok).toBe(false);
    expect(log).toContain("uploads-1.tar could not be backed up: tar ended with 137");
    const held = await host.onHost(`ls ${local}/${outcome.point ?? ""}`);
    expect(held).toContain("database-admin.db.zst.age");
    expect(held).not.toContain("uploads");
    expect(await host.onHost(`jq -c .errors ${local}/${outcome.point ?? ""}/MANIFEST.json`)).toContain(
      "uploads-1.tar",
    );
    await host.onHost("systemctl start site-backup-failed@weekly");
    expect(await host.onHost("journalctl -q -o cat -t site-backup")).toContain(
      "the weekly backup of this site failed",
    );
  });

  test("lacks a database of which the copying was killed in its middle, and has the rest", async () => {
    // More than can be copied before anybody sees that it has begun.
    await host.onHost(query("CREATE TABLE large AS SELECT randomblob(128000000) AS bytes"));
    const killing = host.onHost(
      "until [ -e /var/tmp/systemd-private-*-site-backup@weekly.service-*/tmp/backup.*/copies/admin/database.db ]; do :; done; pkill -KILL -x sqlite3",
    );
    const { outcome, log } = await unit("weekly");
    await killing;
    await host.onHost(query("DROP TABLE large; VACUUM"));
    expect(outcome).toMatchObject({ ok: false, packed: false });
    expect(log).toContain("database-admin.db could not be backed up: sqlite3 ended with 137");
    const held = await host.onHost(`ls ${local}/${outcome.point ?? ""}`);
    expect(held).toContain("uploads-1.tar.zst.age");
    expect(held).not.toContain("database");
    expect((await points()).find(({ id }) => id === outcome.point)).toMatchObject({ state: "partial" });
  });

  test("that is restarted in the middle of one has nothing of it, says so, and makes the next one", async () => {
    expect((await unit("daily")).outcome).toMatchObject({ ok: true });
    const before = await stored();
    const offsite = "cd /srv/kept && find * .backup | sort";
    const there = await host.onHost(offsite);
    const boot = () => host.onHost("cat /proc/sys/kernel/random/boot_id").catch(() => "none");
    const booted = (await boot()).trim();
    await lockDatabase();
    // Its uploads are packed while it waits for the database. It is told nothing, as when the power fails.
    const making = `${local}/.backup/making`;
    await host.onHost(
      `systemctl start --no-block site-backup@daily; until [ -s ${making}/uploads-1.tar.zst.age ]; do sleep 0.05; done`,
    );
    const meanwhile = (await watch()).state.findings.map(({ id }) => id);
    expect(meanwhile).not.toContain("failed-daily");
    await host.onHost("systemctl reboot --force --force").catch(() => undefined);
    await expect.poll(boot, { timeout: 60_000 }).toMatch(new RegExp(`^(?!none|${booted})`));
    await listen();

    const { heard: said } = await watch();
    expect(said.map(textOf).join("\n")).toContain(
      "NEW CRITICAL: the last daily backup failed: it was cut off",
    );
    expect(await host.onHost(`ls ${making}`)).toContain("uploads-1.tar.zst.age");
    expect(await stored()).toBe(before);
    expect(await host.onHost(offsite)).toBe(there);

    const { outcome, log } = await unit("daily");
    expect(outcome, log).toMatchObject({ ok: true, sent: { offsite: null } });
    expect(await host.onHost(`ls -A ${local}/.backup; ls /var/tmp | grep site-backup || true`)).toBe(
      "lock\n",
    );
    expect((await watch()).heard.map(textOf).join("\n")).toContain("OVER: the last daily backup failed");
  });

  test("waits for a database that is locked, and in the end says so", async () => {
    await lockDatabase();
    await host.onHost(": >/srv/heard/requests");
    const { outcome, log } = await unit("hourly");
    await host.onHost("systemctl stop locking; systemctl start php8.2-fpm chatbot-worker");
    expect(log).toContain("database is locked");
    // Told at once, by the unit that systemd starts for a failed one: this waits for it.
    await host.onHost("systemctl start site-backup-failed@hourly");
    const told = (await heard()).map(textOf);
    expect(told, told.join("\n")).toHaveLength(1);
    expect(told[0]).toMatch(
      /NEW CRITICAL: the last hourly backup failed: .*nothing of the site could be backed up/,
    );
    expect(told[0]).toMatch(/^ {2}since \d{4}-\d\d-\d\d \d\d:\d\d UTC$/m);
    expect(told[0]).toMatch(/^ {2}what to do: journalctl -u site-backup@hourly; /m);
    expect(told[0]).toMatch(/^ {2}database: what was written since .* ago: \w+\/\w+ on offsite$/m);
    expect(outcome).toMatchObject({ point: null, ok: false });
    expect(await host.onHost(`ls ${local}`)).not.toContain("hourly");
  });

  test("whose disk is full makes none, says so, and keeps what it has", async () => {
    const before = await stored();
    const large = "/var/www/chatbot/data/uploads/large";
    await host.onHost(`head -c 2M /dev/urandom >${large}; mount -t tmpfs -o size=1m none ${local}`);
    const { outcome, log } = await unit("daily").finally(() => host.onHost(`umount ${local}; rm ${large}`));
    expect(log).toContain(`the disk of ${local} is full`);
    expect(outcome).toMatchObject({ point: null, ok: false });
    expect(await stored()).toBe(before);
  });

  test("makes one after the other when two are due at once", async () => {
    await host.onHost("systemctl start site-backup@hourly.service site-backup@monthly.service");
    const logs = await host.onHost("cat /var/lib/site-backup/{hourly,monthly}.log");
    expect(logs).toContain("another backup is under way: waiting for its end");
    for (const tier of ["hourly", "monthly"])
      expect(JSON.parse(await host.onHost(`cat /var/lib/site-backup/${tier}.json`))).toMatchObject({
        ok: true,
      });
  });

  test("removes nothing when its clock is a year ahead, nor when it was", async () => {
    const before = await stored();
    const expire = (year: string) =>
      host.onHost(
        `d=$(mktemp -d) && printf '#!/bin/sh\\nexec /bin/date -d "${year} year" "$@"\\n' >$d/date && chmod +x $d/date && PATH=$d:$PATH ${programs}/expire ${local} /etc/site-backup/settings.json /var/lib/site-backup/read.json 2>&1`,
      );
    expect(await expire("+1")).toBe("[]\n");
    expect(await expire("-1")).toMatch(
      /^nothing was removed: .* is of a time that is yet to come: .*\n\[\]\n$/,
    );
    expect(await stored()).toBe(before);
  });

  test.each([
    ["refuses its key", "Permission denied", "mv /home/keeper/.ssh/authorized_keys /home/keeper/.ssh/away"],
    ["is not there", "Connection refused", "sed -i '/\"port\":/s/:.*/: 1,/' settings.json"],
    ["is another one", "Host key verification failed", "sed -i 's/ssh-ed25519 /&AAAA/' known_hosts"],
  ])(
    "says that a server which %s does not take its backups, and has them all the same",
    async (_, why, does) => {
      const { outcome } = await withOtherSettings(does, () => unit("hourly")).finally(() =>
        host.onHost("cd /home/keeper/.ssh && [ ! -e away ] || mv away authorized_keys"),
      );
      expect(outcome).toMatchObject({
        ok: false,
        sent: { offsite: expect.stringContaining(why) as string },
      });
      expect(await host.onHost(`ls ${local}/${outcome.point ?? ""}`)).toContain("MANIFEST.json");
    },
  );

  test("sends to a slow server beside the other, where the backup is there and counts long before, and the next one is made meanwhile", async () => {
    await withSlowServer(async () => {
      const backing = host.start("backup", "--site", host.site, ...named);
      let [said, printed] = ["", ""];
      backing.stderr?.on("data", (chunk) => (said += String(chunk)));
      backing.stdout?.on("data", (chunk) => (printed += String(chunk)));
      const ended = once(backing, "exit");
      await expect.poll(() => said, { timeout: 60_000 }).toMatch(/^sent to offsite$/m);
      await host.onHost(slow.hasBegun);
      const id = /^sending (manual\/\w+) to slow$/m.exec(said)?.[1] ?? said;
      expect(await host.onHost(`ls ${local}/${id}`)).toContain("MANIFEST.json");
      expect((await points()).find((point) => point.id === id)).toMatchObject({
        store: "offsite",
        state: "complete",
      });
      const { state } = await watch();
      expect(state.newest["database"]?.["elsewhere"]).toMatchObject({ point: id, store: "offsite" });
      expect((await unit("hourly")).outcome).toMatchObject({ ok: true });
      expect(said).not.toContain("sent to slow");
      expect(backing.exitCode).toBeNull();

      await host.onHost(slow.goesOn);
      expect(await ended, said).toEqual([0, null]);
      expect(printed).toBe(`made ${id}\nsent to slow\nsent to offsite\n`);
      const there = (folder: string) => host.onHost(`cd ${folder}/${id} && sha256sum *`);
      expect(await there("/srv/slow/kept")).toBe(await there(local));
    });
  });

  test.each([
    ["takes nothing, and says that it lives", "less than 32 KiB a second", "true", 8],
    ["falls silent", "not responding", "pkill -STOP -f '^sshd: slow'", 120],
    ["is cut off in the middle of a file", "closed by remote host", "pkill -KILL -f '^sshd: slow'", 120],
    [
      "is still taking it when the backup is stopped",
      "still on its way",
      "systemctl stop site-backup@manual",
      120,
    ],
  ])(
    "gives up a server that %s: nothing there counts, and the other one has the backup",
    async (_, why, does, limitSeconds) => {
      // In seconds what takes minutes: the first word of either program counts.
      await place({
        "/usr/local/bin/timeout": `#!/bin/bash\nexec /usr/bin/timeout ${limitSeconds} "\${@:2}"`,
        "/usr/local/bin/ssh": `#!/bin/bash\nexec /usr/bin/ssh -o ServerAliveInterval=1 "$@"`,
      });
      const { outcome, there } = await withSlowServer(async () => {
        const [file, log] = ["json", "log"].map((ending) => `/var/lib/site-backup/manual.${ending}`);
        await host.onHost(
          `rm -f ${file} ${log}; systemctl start --no-block site-backup@manual; ${slow.hasBegun}; until grep -qsx 'sent to offsite' ${log}; do sleep 0.05; done; ${does}; while systemctl show --property=ActiveState --value site-backup@manual | grep -q activating; do sleep 0.05; done`,
        );
        const made = JSON.parse(await host.onHost(`cat ${file}`)) as BackupOutcome;
        await host.onHost(`pkill -KILL -f '^sshd: slow'; ${slow.goesOn}`);
        return {
          outcome: made,
          there: await host.onHost(
            "until ! pgrep -u slow >/dev/null; do sleep 0.05; done; cd /srv/slow/kept && ls -A .backup && ls manual/*",
          ),
        };
      }).finally(() => host.onHost("rm /usr/local/bin/timeout /usr/local/bin/ssh"));
      expect(outcome).toMatchObject({
        ok: false,
        sent: { offsite: null, slow: expect.stringContaining(why) as string },
      });
      expect(there).toContain("database-admin.db.zst.age");
      expect(there).not.toMatch(/received|uploads|MANIFEST/);
    },
  );

  test("finds a bit that flipped in what it stores, and tells no longer that it is alive", async () => {
    const flip = (id: string) => `${local}/${id}/config.tar.zst.age`;
    await host.onHost(
      `f=${flip(byHand)}; printf '\\x'$(printf %02x $((0x$(xxd -s 900 -l 1 -p $f) ^ 1))) | dd of=$f bs=1 seek=900 conv=notrunc status=none; rm -f /var/lib/site-backup/read.json`,
    );
    const { heard: said, state } = await watch();
    expect(state.findings).toContainEqual(
      expect.objectContaining({
        level: "critical",
        text: `${byHand} is damaged: the bytes of config.tar.zst.age are not those that were stored`,
      }),
    );
    expect(said.map(textOf).join()).toContain(`NEW CRITICAL: ${byHand} is damaged`);
    expect(said).not.toContain("GET /alive ");
    expect(await host.onHost("systemctl is-failed site-watch; true")).toBe("failed\n");
  });

  test("that reaches nobody shows it, tries again each time, and says in the end what was missed", async () => {
    await host.onHost("touch /srv/heard/refuse; systemctl stop site-backup@daily.timer");
    const refused = await watch();
    expect(refused.heard).toHaveLength(3);
    expect(refused.state.channels["webhook"]?.failing?.why).toContain("503");
    expect(refused.state.findings.map(({ id }) => id)).toContain("alert-webhook");
    expect(await host.onHost("journalctl -q -o cat -p crit -t site-backup")).toContain(
      "nobody is told of this site's backups by webhook",
    );
    expect(await host.onHost("cat /srv/metrics/site_backup.prom")).toMatch(
      /^site_backup_alert_failing\{channel="webhook"\} 1$/m,
    );
    await host.onHost("rm /srv/heard/refuse; systemctl start site-backup@daily.timer");
    const reached = await watch();
    expect(reached.state.channels["webhook"]?.failing).toBeNull();
    expect(textOf(reached.heard[0])).toContain(
      "what was to be told here did not arrive: the webhook takes no alerts",
    );
    expect((await watch()).heard).toEqual([]);
  });

  test("keeps the secrets of its alerts to itself", async () => {
    expect(await host.onHost("grep -c -- --config /srv/heard/arguments")).toMatch(/^\d+\n$/);
    expect(
      await host.onHost(
        `journalctl >/tmp/journal; grep -rlF ${planted} /srv/heard/arguments /tmp/journal /var/lib /var/log /etc /run /srv/metrics 2>/dev/null | sort`,
      ),
    ).toBe("/etc/site-backup/secrets/DEAD_MAN\n/etc/site-backup/secrets/HOOK\n");
  });

  test("logs in to a server of mail, and tells its password to none that speaks in clear, or that it does not know", async () => {
    const password = `p"w\\x:${planted}`;
    await host.onHost(
      [
        "DEBIAN_FRONTEND=noninteractive apt-get -qq install exim4-daemon-light >/dev/null 2>&1",
        "systemctl stop exim4",
        "install -d -o Debian-exim /srv/mail",
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=mail -addext subjectAltName=IP:127.0.0.1 -keyout /srv/mail/key -out /srv/mail/certificate 2>/dev/null",
        `printf %s '${password}' | tee /srv/mail/password >/etc/site-backup/secrets/MAIL`,
        "chown Debian-exim /srv/mail/*",
        `cat >/etc/exim4/exim4.conf <<'END' && systemctl start exim4 && until (exec 3<>/dev/tcp/127.0.0.1/2587) 2>/dev/null && (exec 3<>/dev/tcp/127.0.0.1/2465) 2>/dev/null; do :; done\n${exim}\nEND`,
      ].join(" && "),
    );
    const told = async (smtp: string, secretFile = "/etc/site-backup/secrets") => {
      const said = await host.onHost(
        `jq '.alerts = {mail: (.alerts.mail + {smtp: "${smtp}", user: "club", password: "MAIL"})}' /etc/site-backup/settings.json >/srv/settings.json && systemd-run --quiet --collect --property=Type=oneshot --property=StandardOutput=truncate:/srv/heard/test --property=BindReadOnlyPaths=/srv/settings.json:/etc/site-backup/settings.json --property=BindReadOnlyPaths=${secretFile}:/etc/site-backup/secrets --property=RuntimeDirectory=site-watch ${programs}/alert --test || true; cat /srv/heard/test`,
      );
      return (JSON.parse(said) as { mail: string | null }).mail;
    };
    expect(await told("smtp://127.0.0.1:2587")).toMatch(/certificate/);
    await host.onHost(
      "cp /srv/mail/certificate /usr/local/share/ca-certificates/mail.crt && update-ca-certificates >/dev/null 2>&1",
    );
    for (const smtp of ["smtp://127.0.0.1:2587", "smtps://127.0.0.1:2465"])
      expect(await told(smtp), smtp).toBeNull();
    const kept = await host.onHost("cat /srv/mail/kept");
    expect(kept.match(/^Subject: chatbot on \S+: this is a test$/gm)).toHaveLength(2);
    expect(kept).toMatch(/^To: owner@example\.org$/m);

    await host.onHost("install -d -m 700 /srv/wrong && echo wrong >/srv/wrong/MAIL");
    expect(await told("smtp://127.0.0.1:2587", "/srv/wrong")).toMatch(/Login denied/);
    // That of the other tests knows no TLS.
    await host.onHost(": >/srv/heard/mail");
    expect(await told("smtp://127.0.0.1:2525")).toMatch(/STARTTLS not supported/);
    expect(await host.onHost("grep -ci -e auth -e rcpt /srv/heard/mail || true")).toBe("0\n");
    const traces = await host.onHost(
      `journalctl >/tmp/journal; grep -rlF ${planted} /srv/heard /tmp/journal /var/log /run 2>/dev/null || true`,
    );
    expect(traces).toBe("");
    await host.onHost(
      "rm /etc/site-backup/secrets/MAIL; DEBIAN_FRONTEND=noninteractive apt-get -qq purge exim4-daemon-light exim4-base exim4-config >/dev/null 2>&1; rm -rf /srv/mail /srv/wrong",
    );
  });

  test("cannot read, change or remove what it sent, nor do anything else there", async () => {
    const asThere = (command: string) =>
      host.onHost(
        `ssh -F /dev/null -i /etc/site-backup/key -o IdentitiesOnly=yes -o BatchMode=yes -o HostKeyAlias=offsite -o UserKnownHostsFile=/etc/site-backup/known_hosts -p ${host.machine.port} keeper@${host.machine.address} ${command} 2>&1 || true`,
      );
    const hash = "0".repeat(64);
    expect(await asThere(`'${byHand}/MANIFEST.json 1 ${hash}' <<<x`)).toBe(
      "refused: this restore point is complete\n",
    );
    expect(await asThere(`'${byHand}/logs.tar.zst 1 ${hash}' <<<x`)).toBe(
      "refused: this restore point is complete\n",
    );
    for (const command of ["cat /etc/passwd", "'rm -rf /srv/kept'", `'manual/../../x 1 ${hash}'`])
      expect(await asThere(command)).toMatch(/^refused: not the name, size and hash/);
  });

  test("is no longer protected once that is said, and keeps what it made", async () => {
    const before = await stored();
    const { exitCode, stderr } = await carriedOut(
      typed("npx recovery protect --host root@192.0.2.10 --remove", server()),
    );
    expect(exitCode, stderr).toBe(0);
    expect(
      await host.onHost(
        "systemctl list-units --all --no-legend 'site-*.timer' | wc -l; ls /etc/systemd/system | grep -c ^site- || true; ls /etc/site-backup /srv/metrics",
      ),
    ).toBe("0\n0\n/etc/site-backup:\nkey\nkey.pub\n\n/srv/metrics:\n");
    expect(await stored()).toBe(before);
  });
});
