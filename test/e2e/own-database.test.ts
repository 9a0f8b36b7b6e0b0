import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Assessment } from "../../damage/assessment.ts";
import { runRecordSchema, type RunRecord } from "../../evidence/record.ts";
import { createMachine, type Machine } from "../../machines/nspawn.ts";
import { backupSettings } from "../../runbook/protection.ts";
import { loadSite } from "../../site/load.ts";
import { connect, type SshConnection } from "../../ssh/connection.ts";
import { cable } from "./cable.ts";
import { besides, recoveryHost, say, trustAnAuthority, visit, type RecoveryHost } from "./recovery-host.ts";
import { typed } from "./typed.ts";

/** The network between the servers, which the operator's computer is not in. */
const network = { site: "198.51.100.1", database: "198.51.100.2" };
/** Where the backup says that the database is: nobody is there any more. */
const lost = "198.51.100.9";
const url = (address: string) => `postgres://chatbot:planted-pw-7731@${address}:5432/chatbot`;
const environmentFile = "/var/www/chatbot/.env";

let host: RecoveryHost;
let database: Machine;
let connection: SshConnection;

beforeAll(async () => {
  host = await recoveryHost({
    database: "postgresql",
    environment: { ADMIN_DATABASE_URL: url(lost) },
  });
  await trustAnAuthority(host);
  await configure("    role: chatbot\n", "    role: chatbot\n    server: own\n");
  database = await createMachine({
    release: "12",
    authorizedKeys: [host.agent.publicKey],
    admittedHosts: [],
    say,
  });
  connection = await connect({ ...sshTarget(database), agentSocketPath: host.agent.socketPath });
  // They have no way to each other but this.
  await cable(
    database.id,
    { machine: host.machine, run: (command) => host.onHost(command), address: network.site },
    { machine: database, run: onDatabase, address: network.database },
  );
});

afterAll(async () => {
  await connection.close();
  await database.destroy();
  await host.close();
});

describe("a site whose PostgreSQL has a server of its own", { timeout: 600_000 }, () => {
  test.each([
    [["--only", "database"], "it is not said on which server the site is"],
    [
      ["--application-host", "root@192.0.2.10"],
      "--application-host is for a database on a server of its own",
    ],
    [["--database-address", "192.0.2.20"], "--database-address is for a database on a server of its own"],
  ])("is not begun when an option makes no sense or is missing: %s", async (options, words) => {
    const { exitCode, stderr } = await host.recovery(
      ...["rebuild", "--site", host.site, "--host", `root@${host.machine.address}`, ...options],
    );
    expect(exitCode).toBe(2);
    expect(stderr).toContain(words);
  });

  test("comes back whole on one host, where it is led to the database beside it", async () => {
    const record = await rebuilt(host.machine, ["--without-pulumi"]);
    expect(record.error).toBeUndefined();
    expect(record.checks.map(({ title }) => title)).toContain("database admin: integrity");
    expect(await environment()).toContain(url("127.0.0.1"));
    await visit(host);
  });

  test("is told when the site cannot be led to the database that came back, and is as it was", async () => {
    const before = await environment();
    const notLed = async () => {
      const { error, steps, notes } = await rebuilt(database, [...onlyDatabase(), "--without-pulumi"], 1);
      expect(await environment()).toBe(before);
      expect(await host.onHost("ls -A /var/www/chatbot | grep recovery || true")).toBe("");
      expect(steps.map(({ outcome }) => outcome)).toEqual(steps.map(() => "done"));
      expect(notes).toEqual([]);
      expect(error?.what).toBe(
        `the database is back, and the site on ${host.machine.address} could not be led to it`,
      );
      return error?.why;
    };
    // Nothing can be renamed over it.
    await host.onHost(`mount --bind ${environmentFile} ${environmentFile}`);
    expect(await notLed()).toContain(
      `${environmentFile} cannot be made to lead to the database admin at ${network.database}: mv: `,
    );
    await host.onHost(`umount ${environmentFile}`);
    const pgHba = "/etc/postgresql/15/main/pg_hba.conf";
    const reload = "systemctl reload postgresql@15-main";
    await onDatabase(`sed -i.before '1i host all all ${network.site}/32 reject' ${pgHba} && ${reload}`);
    expect(await notLed()).toContain(
      `the database admin cannot be read from there at ${network.database}: SQLSTATE[08006] [7] `,
    );
    await onDatabase(`mv ${pgHba}.before ${pgHba} && ${reload}`);
  });

  test("is not called recovered while it reads another database than the one that came back", async () => {
    // As an application does that keeps its settings in a cache.
    await host.onHost(
      `sed -i.before "s#'database' => .*#'database' => '${url("127.0.0.1")}',#" /var/www/chatbot/config.php`,
    );
    const before = await environment();
    const record = await asTyped(
      typed(
        "npx recovery rebuild --site site.yaml --host root@192.0.2.20 --only database --application-host root@192.0.2.10 --database-address 10.0.0.6",
        {
          "site.yaml": host.site,
          "192.0.2.20": database.address,
          "192.0.2.10": host.machine.address,
          "10.0.0.6": network.database,
        },
      ),
      ["--host-key", database.hostKey, "--application-host-key", host.machine.hostKey, "--without-pulumi"],
      1,
    );
    expect(record.checks.filter(({ ok }) => !ok)).toEqual([
      {
        title: "the site reads the new database",
        ok: false,
        expected: "sessions of the site, while its checks were asked",
        seen: "none: it reads another database, or no check makes it read one",
      },
    ]);
    // Of the environment file nothing but the address differs; as it was, it is kept.
    expect(await environment()).toBe(before.replace("127.0.0.1", network.database));
    const [note = ""] = record.notes;
    const copy = /as it was, it is (\S+) there$/.exec(note)?.[1] ?? "";
    expect(await host.onHost(`cat ${copy}`)).toBe(before);
    expect(await host.onHost(`stat -c '%U:%G %a' ${environmentFile}`)).toBe("www-data:www-data 600\n");
  });

  test("has its database back on another server, which lets in the site's server and nobody else", async () => {
    await host.onHost("mv /var/www/chatbot/config.php.before /var/www/chatbot/config.php");
    const restoredBefore = await onDatabase("stat -c %Y /var/lib/recovery/ledger/restore.json");
    const record = await rebuilt(database, [...onlyDatabase(), "--watch", "2s"]);
    expect(record.error).toBeUndefined();
    // There is no nginx to be watched where the database is.
    expect(record.watch).toMatchObject({
      of: expect.arrayContaining(["nginx.service: running, enabled at boot"]) as string[],
      endedBy: "time",
      errors: [],
    });
    expect(record.only).toBe("database");
    expect(record.steps.map(({ id }) => id)).toEqual([
      ...["provision", "download-packages", "install-building-packages", "fetch", "unpack"],
      ...["stage-databases", "restore", "listen", "health", "finish"],
    ]);
    // The same command once more restored nothing once more.
    expect(await onDatabase("stat -c %Y /var/lib/recovery/ledger/restore.json")).toBe(restoredBefore);

    // The database beside the site is not needed any more.
    await host.onHost("systemctl disable --quiet --now postgresql@15-main postgresql");
    await visit(host);
    expect(await checked()).toEqual([]);

    expect(await onDatabase("ss -Hltn '( sport = :5432 )' | awk '{print $4}' | sort")).toBe(
      ["127.0.0.1:5432", `${network.database}:5432`, "[::1]:5432", ""].join("\n"),
    );
    expect(await onDatabase("grep -v '^#' /etc/postgresql/15/main/pg_hba.conf | grep recovery")).toBe(
      `host "chatbot" "chatbot" ${network.site}/32 scram-sha-256 # the site's server, by recovery\n`,
    );
    expect(await onDatabase("systemctl show --property=After,Wants postgresql@15-main")).toMatch(
      /^(?=.*After=.*network-online)(?=.*Wants=.*network-online)/s,
    );
    // Nothing of the site is there, and no secret of it that it does not need.
    expect(await onDatabase("ls -d /var/www/chatbot /etc/nginx /etc/php 2>/dev/null || true")).toBe("");
    expect(
      await onDatabase("grep -rlF planted-pw-7731 /var/log /var/lib/recovery /run /etc 2>/dev/null || true"),
    ).toBe("");
    expect(
      await host.onHost("grep -rlF planted-pw-7731 /var/log /run /var/lib/recovery/l* 2>/dev/null || true"),
    ).toBe("");
    const { stdout } = await execa("grep", ["-rlF", "planted-pw-7731", join(host.directory, "state")], {
      reject: false,
    });
    expect(stdout).toBe("");
  });

  test("has its database restored once more when its server is named twice, and keeps what its users wrote", async () => {
    const agents = (name: string) => query(name, "SELECT count(*) FROM agents");
    const before = await agents("chatbot");
    await query("chatbot", "DELETE FROM agents WHERE id = (SELECT max(id) FROM agents)");
    const record = await rebuilt(database, [
      ...[...onlyDatabase(), "--without-pulumi", "--again", database.address],
    ]);
    expect(record.error).toBeUndefined();
    expect(record.notes).toEqual([]);
    expect(await agents("chatbot")).toBe(before);
    const kept = await query("postgres", "SELECT datname FROM pg_database WHERE datname ~ '_replaced_'");
    expect(Number(await agents(kept))).toBe(Number(before) - 1);
    await visit(host);
  });

  test("gets its application back alone: refused with the line that lets it in, before anything is replaced", async () => {
    const pgHba = "/etc/postgresql/15/main/pg_hba.conf";
    // What the worker was given by the checks before is done, and nobody but the rebuild could change a row.
    while ((await query("chatbot", "SELECT count(*) FROM jobs WHERE state = 'waiting'")) !== "0") continue;
    await onDatabase(`sed -i.before '/recovery$/d' ${pgHba} && systemctl reload postgresql@15-main`);
    const started = await onDatabase(
      "systemctl show --property=ActiveEnterTimestampMonotonic postgresql@15-main",
    );
    const before = await host.onHost("stat -c %i /var/www/chatbot");
    const options = [
      ...["--host-key", host.machine.hostKey, "--without-pulumi", "--again", host.machine.address],
      ...["--database-address", network.database],
    ];
    const line = typed("npx recovery rebuild --site site.yaml --host root@192.0.2.11 --only application", {
      "site.yaml": host.site,
      "192.0.2.11": host.machine.address,
    });
    const refused = await asTyped(line, options, 1);
    expect(refused.error).toMatchObject({
      what: `Database server lets this host in: the database server ${network.database} does not let this host in`,
      next: expect.stringContaining(`host "chatbot" "chatbot" ${network.site}/32 scram-sha-256`) as string,
    });
    expect(await host.onHost("stat -c %i /var/www/chatbot")).toBe(before);

    await onDatabase(`mv ${pgHba}.before ${pgHba} && systemctl reload postgresql@15-main`);
    const rows = await rowsInDatabase();
    const record = await asTyped(line, options);
    expect(record.error).toBeUndefined();
    // The backup leads to a server that is no more.
    expect(await environment()).toContain(url(network.database));
    expect(await rowsInDatabase()).toBe(rows);
    expect(
      await onDatabase("systemctl show --property=ActiveEnterTimestampMonotonic postgresql@15-main"),
    ).toBe(started);
    await visit(host);
  });

  test("is assessed over the way that it takes to its database: one that answers, lets nobody in, or is off", async () => {
    const found = (level: string, seen: unknown) => ({ subject: "database admin", level, seen });
    const { seen } = await assessed();
    expect(seen).toEqual([
      found("ok", expect.stringMatching(/^\d+ tables at 198\.51\.100\.2$/)),
      { subject: "rows of agents", level: "ok", seen: "20" },
      { subject: "rows of messages", level: "ok", seen: expect.stringMatching(/^\d+$/) as string },
    ]);
    const pgHba = "/etc/postgresql/15/main/pg_hba.conf";
    await onDatabase(`sed -i.before '/recovery$/d' ${pgHba} && systemctl reload postgresql@15-main`);
    expect((await assessed()).seen).toMatchObject([
      {
        ...found("bad", expect.stringContaining("its server does not let the site in: SQLSTATE[08006]")),
        suggests: "configuration-error",
      },
    ]);
    await onDatabase(`mv ${pgHba}.before ${pgHba} && systemctl stop postgresql@15-main`);
    const off = await assessed();
    expect(off.seen).toMatchObject([
      {
        ...found("bad", expect.stringContaining("its server does not answer: SQLSTATE[08006]")),
        suggests: "database-server-failure",
      },
    ]);
    expect(off.next).toContainEqual(
      expect.stringContaining(`--only database --application-host root@${host.machine.address} `),
    );
    await onDatabase("systemctl start postgresql@15-main");
  });

  test("is in the backups that the site's own server makes, over the way that the site takes to it", async () => {
    const protectedSite = join(host.directory, "protected.yaml");
    const recipients = `{ recipients: [age1${"q".repeat(58)}], identity: KEY }`;
    await writeFile(
      protectedSite,
      `${await readFile(host.site, "utf8")}\nbackups: {}\nrestorePoints: ${recipients}\nsecrets: [{ name: KEY, from: "command:false" }]\n`,
    );
    const { site } = await loadSite(protectedSite);
    if (!site.backups) throw new Error("it makes none");
    const request = {
      ...(backupSettings(site, site.backups)["request"] as object),
      ...{ recipients: [], signingKey: "", tier: "hourly", startedAt: null, waitSeconds: 0 },
      ...{ uploads: [], data: [], logs: [] },
      ...{ configuration: null, application: { packed: false, revision: "0".repeat(40) } },
    };
    const made = await host.onHost(
      `DEBIAN_FRONTEND=noninteractive apt-get -qq install zstd libnet-ssleay-perl >/dev/null 2>&1 && /usr/local/lib/recovery/current/resident/pack /root/kept <<'END'\n${JSON.stringify(request)}\nEND`,
    );
    const point = `/root/kept/${made.trim()}`;
    const inventory = `${point}/inventory.tar.zst`;
    const rows = await host.onHost(
      `zstd -dc ${inventory} | tar -xO ./database-admin.dump.rows.json 2>/dev/null || zstd -dc ${inventory} | tar -xO database-admin.dump.rows.json`,
    );
    expect(Object.entries(JSON.parse(rows) as Record<string, number>)).toContainEqual([
      expect.stringMatching(/messages$/),
      Number(await query("chatbot", "SELECT count(*) FROM messages")),
    ]);
    const listed = await host.onHost(`zstd -dc ${point}/database-admin.dump.zst | pg_restore --list`);
    expect(listed).toMatch(/TABLE DATA public messages/);
    // Its password has gone nowhere but to that server.
    expect(await host.onHost("grep -rl planted-pw-7731 /root/kept /var/tmp /tmp /run/recovery || true")).toBe(
      "",
    );
  });
});

async function assessed(): Promise<{ seen: unknown; next: (string | null)[] }> {
  const { stdout } = await host.recovery(
    ...["assess", "--site", host.site, "--host", `root@${host.machine.address}`],
    ...["--host-key", host.machine.hostKey, "--json"],
  );
  expect(stdout).not.toContain("planted-pw-7731");
  const { findings, next } = JSON.parse(stdout) as Assessment;
  return {
    seen: findings.filter(({ subject }) => /^(database|rows) /.test(subject)),
    next: next.map(({ command }) => command),
  };
}

function onlyDatabase(): string[] {
  return [
    ...["--only", "database", "--database-address", network.database],
    ...["--application-host", `root@${host.machine.address}`],
    ...["--application-host-key", host.machine.hostKey],
  ];
}

function sshTarget({ address, port, user, hostKey }: Machine) {
  return { address, port, user, hostKey };
}

async function onDatabase(command: string): Promise<string> {
  const { exitCode, stdout, stderr } = await connection.run(command, { timeoutSeconds: 120 });
  if (exitCode !== 0) throw new Error(`${command} ended with ${exitCode}: ${stderr}`);
  return stdout;
}

async function query(name: string, sql: string): Promise<string> {
  return (await onDatabase(`cd / && runuser -u postgres -- psql -AtXc "${sql}" ${name}`)).trim();
}

/** Without the key that pg_dump draws anew each time. */
function rowsInDatabase(): Promise<string> {
  return onDatabase(
    "cd / && runuser -u postgres -- pg_dump --data-only chatbot | grep -v restrict | sort | sha256sum",
  );
}

function environment(): Promise<string> {
  return host.onHost(`cat ${environmentFile}`);
}

async function configure(text: string, replacement: string): Promise<void> {
  const before = await readFile(host.site, "utf8");
  const after = before.replace(text, replacement);
  expect(after).not.toBe(before);
  await writeFile(host.site, after);
}

/** The checks that fail when the site is asked on its own. */
async function checked(): Promise<unknown[]> {
  const { stdout } = await host.recovery(
    ...["check", "--site", host.site, "--host", `root@${host.machine.address}`],
    ...["--host-key", host.machine.hostKey, "--json"],
  );
  return (JSON.parse(stdout) as RunRecord["checks"]).filter(({ ok }) => !ok);
}

async function rebuilt(machine: Machine, options: string[], code = 0): Promise<RunRecord> {
  const ended = await host.recovery(
    ...["rebuild", "--site", host.site, "--host", `root@${machine.address}`, "--host-key", machine.hostKey],
    ...[...besides, "--yes", "--json", ...options],
  );
  return recordOf(ended, code);
}

/** Carries out the line of a rebuild, with more at its end. */
async function asTyped(line: string, options: string[], code = 0): Promise<RunRecord> {
  const ended = await execa(
    "bash",
    ["-c", `exec ${line} "$@"`, "bash", ...besides, "--yes", "--json", ...options],
    { env: { ...host.environment, CI: "true" }, stdin: "ignore", reject: false },
  );
  return recordOf(ended, code);
}

function recordOf(
  { exitCode, stdout, stderr }: { exitCode?: number; stdout: string; stderr: string },
  code: number,
): RunRecord {
  expect(exitCode, stderr).toBe(code);
  return runRecordSchema.parse((JSON.parse(stdout) as { record: unknown }).record);
}
