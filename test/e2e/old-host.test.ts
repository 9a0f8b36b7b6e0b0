import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { runRecordSchema, type RunRecord } from "../../evidence/record.ts";
import { createMachine, type Machine } from "../../machines/nspawn.ts";
import { connect, fingerprint, type SshConnection } from "../../ssh/connection.ts";
import { run } from "./drill-process.ts";
import { nameServer } from "./name-server.ts";
import {
  authorityOn,
  recoveryHost,
  say,
  trustAnAuthority,
  visit,
  type RecoveryHost,
} from "./recovery-host.ts";
import { typed } from "./typed.ts";

/** The server that the site is on, until it is rebuilt on the other. */
let old: RecoveryHost;
let fresh: Machine;
let freshConnection: SshConnection;

async function onFresh(command: string): Promise<string> {
  const { exitCode, stdout, stderr } = await freshConnection.run(command, { timeoutSeconds: 120 });
  if (exitCode !== 0) throw new Error(`${command} ended with ${exitCode}: ${stderr}`);
  return stdout;
}

const rebuild = (machine: Machine, ...more: string[]) => [
  ...["rebuild", "--site", old.site, "--host", `root@${machine.address}`, ...more],
];

const onTheFirst = () =>
  typed("npx recovery rebuild --site site.yaml --host root@192.0.2.10", {
    "192.0.2.10": old.machine.address,
  });

/** A line of the documentation, with more at its end, to the end. */
const carriedOut = (line: string, ...more: string[]) =>
  execa("bash", ["-c", `exec ${line} "$@"`, "bash", ...more], {
    cwd: old.directory,
    env: { ...old.environment, CI: "true" },
    stdin: "ignore",
    reject: false,
  });

function recordOf(stdout: string): RunRecord {
  return runRecordSchema.parse((JSON.parse(stdout) as { record: unknown }).record);
}

const knownHosts = () =>
  readFile(join(old.directory, "state/recovery-stack/chatbot/known-hosts.json"), "utf8").catch(() => "none");

/** The command line on a terminal of its own; `says` waits for a text after the last that was waited for. */
interface Terminal {
  says(text: string | RegExp): Promise<string>;
  type(line: string): void;
  ended: Promise<number | null>;
  screen(): string;
}

const terminals: ChildProcess[] = [];

function onTerminal(line: string): Terminal {
  const child = spawn("script", ["--quiet", "--return", "--echo", "never", "--command", line, "/dev/null"], {
    cwd: old.directory,
    env: { ...process.env, ...old.environment, CI: "true" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  terminals.push(child);
  let text = "";
  let heard = 0;
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const ended = once(child, "close").then(([exitCode]) => exitCode as number | null);
  return {
    screen: () => text,
    ended,
    type: (line) => child.stdin.write(`${line}\n`),
    says: async (expected) => {
      for (;;) {
        const found = text
          .slice(heard)
          .search(
            expected instanceof RegExp
              ? expected
              : new RegExp(expected.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)),
          );
        if (found >= 0) {
          heard += found + 1;
          return text;
        }
        if (child.exitCode !== null) throw new Error(`it ended without saying ${String(expected)}:\n${text}`);
        await Promise.race([once(child.stdout, "data"), ended]);
      }
    },
  };
}

beforeAll(async () => {
  old = await recoveryHost();
  fresh = await createMachine({
    release: "12",
    base: old.base,
    authorizedKeys: [old.agent.publicKey],
    admittedHosts: [],
    say,
  });
  freshConnection = await connect({ ...fresh, agentSocketPath: old.agent.socketPath });
  await Promise.all([trustAnAuthority(old), authorityOn(onFresh)]);
});
afterEach(() => {
  // Only when a test has failed does one still run.
  for (const child of terminals.splice(0)) if (child.exitCode === null) child.kill("SIGKILL");
});
afterAll(async () => {
  await freshConnection.close();
  await fresh.destroy();
  await old.close();
});

describe("before anything is done", () => {
  test("a host whose key nobody gave or confirmed is refused without a terminal, and the flag is named", async () => {
    const { exitCode, stderr } = await old.recovery(...rebuild(old.machine, "--old-host-is-off", "--yes"));
    expect(exitCode).toBe(4);
    expect(stderr).toContain(`the host key of ${old.machine.address} is not known`);
    expect(stderr).toContain("--host-key 'ssh-ed25519 AAAA…'");
  });

  test("on a terminal its key is read off its console, not agreed to; then one screen, the old server, and the site's name", async () => {
    const shown = fingerprint(old.machine.hostKey);
    const careless = onTerminal(onTheFirst());
    expect(await careless.says("all of it or 12 characters: ")).toContain(`  ed25519 ${shown}`);
    careless.type("yes");
    expect(await careless.ended).toBe(4);
    expect(careless.screen()).toContain("is not confirmed");
    expect(await knownHosts()).toBe("none");

    const careful = onTerminal(onTheFirst());
    await careful.says("all of it or 12 characters: ");
    // As the console prints it.
    careful.type((await old.onHost("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")).trim());
    const screen = await careful.says("type off: ");
    for (const line of [
      `root@${old.machine.address}, host key ${shown} (as you read it on its console)`,
      "nothing of the site is there",
      "listening: sshd 22",
      "lost  all after",
      "took  not known",
      "old   NOT SAID",
      "dns   chatbot.example.test",
    ])
      expect(screen).toContain(line);
    careful.type("off");
    await careful.says("type the site's name to begin: ");
    careful.type("chatterbox");
    expect(await careful.ended).toBe(4);
    expect(careful.screen()).toContain("nothing was done");
    expect(JSON.parse(await knownHosts())).toEqual({
      [`${old.machine.address}:22`]: {
        hostKey: old.machine.hostKey,
        how: "console",
        who: expect.any(String) as unknown,
        at: expect.any(String) as unknown,
      },
    });
    expect(await old.onHost("ls /var/lib/recovery 2>&1 || true")).toContain("No such file");
  });

  test("nobody says what became of the old server: refused, and both ways to say it are named", async () => {
    const silent = onTerminal(onTheFirst());
    await silent.says("type off: ");
    silent.type("yes");
    expect(await silent.ended).toBe(4);
    expect(silent.screen()).toContain("--old-host-is-off");

    const { exitCode, stderr } = await old.recovery(...rebuild(old.machine, "--yes"));
    expect(exitCode).toBe(4);
    expect(stderr).toContain("it is not said whether the old server is off");
    expect(stderr).toContain("--old-host root@ADDRESS --old-host-key");
    expect(await old.onHost("ls /var/lib/recovery 2>&1 || true")).toContain("No such file");
  });
});

describe("a site that moves to another host", { timeout: 600_000 }, () => {
  test("serves on its first", async () => {
    const { exitCode, stdout } = await old.recovery(
      ...rebuild(
        old.machine,
        "--host-key",
        old.machine.hostKey,
        "--old-host-is-off",
        "--skip-dns",
        "--watch",
        "0s",
        "--yes",
        "--json",
      ),
    );
    const record = recordOf(stdout);
    expect(record.error).toBeUndefined();
    expect(exitCode).toBe(0);
    expect(record.fencing).toMatchObject({ how: "said-to-be-off", units: [] });
    await visit(old);
  });

  test("is not begun while the old server cannot be reached and nobody says that it is off", async () => {
    const { exitCode, stderr } = await old.withoutNetwork(() =>
      old.recovery(
        ...rebuild(fresh, "--host-key", fresh.hostKey, "--old-host", old.machine.address, "--yes"),
      ),
    );
    expect(exitCode).toBe(4);
    expect(stderr).toContain("the old server is not known to be stopped");
    expect(stderr).toContain("--old-host-is-off");
    expect(await onFresh("ls /var/lib/recovery 2>&1 || true")).toContain("No such file");
  });

  test("does not get its application alone where its database is not", async () => {
    const { exitCode, stdout } = await old.recovery(
      ...rebuild(fresh, "--only", "application", "--host-key", fresh.hostKey, "--without-pulumi", "--yes"),
    );
    expect(exitCode).toBe(1);
    expect(stdout).toContain("the database admin is not on this server");
    expect(stdout).toContain("leave out --only");
    await onFresh("rm -r /var/lib/recovery");
  });

  test("works on the new one only when it is proven to do nothing on the old one any more, gets its certificate when DNS leads there, and is watched", async () => {
    const dns = await nameServer(old.machine.address);
    const rebuilding = run(
      "bash",
      [
        "-c",
        `exec ${typed(
          "npx recovery rebuild --site site.yaml --host root@192.0.2.10 --old-host root@192.0.2.9",
          { "192.0.2.10": fresh.address, "192.0.2.9": old.machine.address },
        )} --yes --json --dns-server ${dns.server} --watch 40s`,
      ],
      { cwd: old.directory, env: { ...process.env, ...old.environment, CI: "true" } },
    );
    terminals.push(rebuilding.child);
    const soon = Promise.race([rebuilding.says("waiting for DNS"), rebuilding.ended]);
    await soon;
    expect(rebuilding.stderr()).toContain(
      `waiting for DNS: ${dns.server} says chatbot.example.test is ${old.machine.address}, for another 60 s`,
    );
    // It serves already; the certificate alone waits.
    await visit({ machine: fresh });
    const turned = Date.now();
    dns.lead(fresh.address);
    await rebuilding.says("DNS leads to this host");
    await rebuilding.says("watching logs, metrics and units for 40 s");
    await onFresh(`echo '{"level":"error","message":"planted"}' >>/var/log/chatbot/application.log`);
    await rebuilding.says("seen while watching: /var/log/chatbot/application.log: .*planted");
    rebuilding.child.kill("SIGINT");
    // Recovered, and not without fault.
    expect(await rebuilding.ended).toBe(1);
    dns.close();
    const record = recordOf(rebuilding.stdout());
    expect(record.outcome).toBe("recovered");
    expect(record.watch).toMatchObject({
      of: expect.arrayContaining(["/var/log/chatbot/application.log"]) as unknown,
      wantedSeconds: 40,
      endedBy: "operator",
      errors: ['/var/log/chatbot/application.log: {"level":"error","message":"planted"}'],
    });
    expect(Date.parse(record.steps.find(({ id }) => id === "tls")?.startedAt ?? "")).toBeGreaterThan(turned);
    const screen = rebuilding.stderr();
    expect(screen).toContain(`${old.machine.address}: nginx and workers are stopped there first`);
    expect(screen).toContain(
      `chatbot.example.test is ${old.machine.address} (TTL 60 s): set A to ${fresh.address}`,
    );
    const stopped = (unit: string) => ({ unit, before: "active, enabled", after: "inactive, disabled" });
    expect(record.fencing).toMatchObject({
      how: "stopped",
      address: old.machine.address,
      units: [stopped("chatbot-worker.service"), stopped("nginx.service")],
    });
    const last = await old.onHost(
      'date -u -d "$(systemctl show --property=InactiveEnterTimestamp --value chatbot-worker)" +%s',
    );
    const first = record.steps.find(({ id }) => id === "services")?.startedAt ?? "";
    expect(Number(last) * 1000).toBeLessThan(Date.parse(first));
    await visit({ machine: fresh });
    await expect(visit(old)).rejects.toThrow();
    expect(await old.onHost("pgrep -fc [w]orker.php || true")).toBe("0\n");
  });

  const database = "/var/www/chatbot/data/admin.db";
  const query = (sql: string) =>
    onFresh(`runuser -u www-data -- sqlite3 -cmd '.timeout 5000' ${database} "${sql}"`);
  const besides = ["--skip-dns", "--watch", "0s", "--yes", "--json"];

  test("gets its application back alone, when the host is named twice: its database stays the same file with the same rows", async () => {
    await query("UPDATE agents SET name = 'written since' WHERE id = 1");
    await onFresh(
      "find /var/www/chatbot -name '*.php' -delete; rm /etc/nginx/sites-enabled/*; systemctl stop nginx",
    );
    const sameFile = () =>
      onFresh(`stat -c '%i %s' ${database}; runuser -u www-data -- sqlite3 ${database} .dump | sha256sum`);
    const before = await sameFile();
    const refused = await old.recovery(...rebuild(fresh, "--only", "application", ...besides));
    expect(refused.exitCode).toBe(4);
    expect(refused.stderr).toContain("has served since");

    // As an attempt leaves it that is cut off while the database waits beside the folder; something then made an empty one.
    const waits = `/var/www/chatbot.recovery-kept${database}`;
    await onFresh(
      `systemctl stop chatbot-worker php8.2-fpm && mkdir -p $(dirname ${waits}) && mv ${database}* $(dirname ${waits}) && touch ${database} && chown www-data: ${database}`,
    );
    const { exitCode, stdout, stderr } = await carriedOut(
      typed(
        "npx recovery rebuild --site site.yaml --host root@192.0.2.10 --again 192.0.2.10 --only application",
        { "192.0.2.10": fresh.address },
      ),
      ...besides,
    );
    expect(exitCode, stderr).toBe(0);
    expect(stderr).toContain("lost  uploads, data and configuration after");
    expect(stderr).toContain("old   none: the site is mended on the host that it is on");
    const record = recordOf(stdout);
    expect(record).toMatchObject({ only: "application", outcome: "recovered" });
    expect(record.fencing).toBeUndefined();
    expect(record.objectives.map(({ name, objectiveSeconds }) => [name, objectiveSeconds])).toEqual([
      ["rto", 1800],
      ["rpo configuration", 86_400],
      ["rpo uploads", 86_400],
    ]);
    expect(record.steps.map(({ id }) => id)).not.toContain("stage-databases");
    expect(record.steps.map(({ outcome }) => outcome)).not.toContain("already-done");
    await visit({ machine: fresh });
    expect(await sameFile()).toBe(before);
    expect(
      await onFresh("find /var/lib/recovery/replaced /var/www -path '*recovery*' -name 'admin.db*' -size +0"),
    ).toBe("");
    expect(
      await onFresh("find /var/lib/recovery/replaced -name chatbot -path '*/var/www/*' | wc -l"),
    ).not.toBe("0\n");
  });

  test("gets its database back alone: nothing else is touched, and the damaged one is kept", async () => {
    await onFresh(
      `install -o www-data -g www-data -m 644 /etc/hostname /var/www/chatbot/marker && systemctl stop chatbot-worker php8.2-fpm && rm -f ${database}-* && printf damaged >${database}`,
    );
    const others = async () =>
      (
        await onFresh(
          "find /var/www/chatbot /etc/nginx /etc/letsencrypt -type f ! -name 'admin.db*' ! -name 'recovery-check-*' ! -name worker.heartbeat -printf '%p %i %T@ %m %u\\n'",
        )
      )
        .split("\n")
        .sort();
    const before = await others();
    const { exitCode, stdout, stderr } = await carriedOut(
      typed(
        "npx recovery rebuild --site site.yaml --host root@192.0.2.10 --again 192.0.2.10 --only database",
        { "192.0.2.10": fresh.address },
      ),
      ...besides,
      "--without-pulumi",
    );
    expect(exitCode, stderr).toBe(0);
    const record = recordOf(stdout);
    expect(record).toMatchObject({ only: "database", outcome: "recovered", tool: { executor: "direct" } });
    expect(record.objectives.map(({ name, objectiveSeconds }) => [name, objectiveSeconds])).toEqual([
      ["rto", 3600],
      ["rpo database", 21_600],
    ]);
    expect(await query("SELECT count(*) FROM agents WHERE name = 'written since'")).toBe("0\n");
    expect(await others()).toEqual(before);
    expect(
      await onFresh("find /var/lib/recovery/replaced -name admin.db -exec grep -l '^damaged$' {} + | wc -l"),
    ).toBe("1\n");

    // The rest of the site has been there for longer than this restore.
    const whole = await old.recovery(...rebuild(fresh, "--yes"));
    expect(whole.exitCode).toBe(4);
    expect(whole.stderr).toContain("has served since");
  });

  test("knows its host without being told the key again, and refuses one that shows another, with both", async () => {
    const check = typed("npx recovery check --site site.yaml --host root@192.0.2.10", {
      "192.0.2.10": fresh.address,
    });
    expect((await carriedOut(check)).exitCode).toBe(0);
    await onFresh("cd /etc/ssh && rm ssh_host_*_key* && ssh-keygen -q -A && systemctl restart ssh");
    const changed = (await onFresh("cat /etc/ssh/ssh_host_ed25519_key.pub")).trim();
    const refused = await carriedOut(check);
    expect(refused.exitCode).toBe(4);
    expect(refused.stderr).toContain(
      `Expected ${fingerprint(fresh.hostKey)}, the host shows ${fingerprint(changed)}.`,
    );
    expect(refused.stderr).toContain("give the new key with --host-key");
    expect((await carriedOut(check, "--host-key", changed)).exitCode).toBe(0);
    expect((await carriedOut(check)).exitCode).toBe(0);
  });
});
