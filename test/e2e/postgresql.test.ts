import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runRecordSchema, type RunRecord } from "../../evidence/record.ts";
import { prepareSample } from "../../examples/chatbot/prepare.ts";
import { besides, recoveryHost, trustAnAuthority, visit, type RecoveryHost } from "./recovery-host.ts";
import { typed } from "./typed.ts";

/** Planted in the site's environment file; in the URL the password is written as URLs demand. */
const password = "pl@nted-pw'77-$x";
const planted = {
  ADMIN_TOKEN: "planted#token$with'quotes-8d21",
  ADMIN_DATABASE_URL: `postgres://chatbot:${encodeURIComponent(password)}@localhost:5432/chatbot`,
};
const plain = "database/admin_postgres.sql.gz";

/** What must come through a load as it is. */
const traps = [
  "CREATE EXTENSION IF NOT EXISTS pgcrypto WITH SCHEMA public;",
  "COMMENT ON EXTENSION pgcrypto IS 'cryptographic functions';",
  "CREATE EXTENSION IF NOT EXISTS postgres_fdw WITH SCHEMA public;",
  "COMMENT ON EXTENSION postgres_fdw IS 'foreign-data wrapper';",
  "CREATE TABLE public.traps (text text, parent integer);",
  "COPY public.traps (text, parent) FROM stdin;",
  "\\\\.\t1",
  "\\N\t\\N",
  "\\\\restrict sample\t999",
  "pg_dump: no message\t1",
  "\\.",
  "GRANT SELECT ON public.traps TO reporting;",
].join("\n");
/** One row of them breaks it. */
const notValid =
  "ALTER TABLE public.traps ADD CONSTRAINT traps_parent FOREIGN KEY (parent) REFERENCES public.agents (id) NOT VALID;";

let host: RecoveryHost;
let work: string;
/** The dump in the sample's backup. */
let dump: string;
let points = 0;
/** The same site, once its server makes its own backups. */
let protectedSite: string;
/** The last point that was restored, and its rows. */
let latest = { point: "", rows: [] as string[] };

beforeAll(async () => {
  host = await recoveryHost({ blank: true, database: "postgresql", environment: planted });
  await trustAnAuthority(host);
  work = await mkdtemp(join(tmpdir(), "postgresql-test-"));
  const { stdout } = await execa(
    "tar",
    ["-xzOf", host.sample.archive, `${pointOf(host.sample.archive)}/${plain}`],
    {
      encoding: "buffer",
    },
  );
  dump = gunzipSync(stdout).toString();
});

afterAll(async () => {
  await rm(work, { recursive: true, force: true });
  await host.close();
});

/** A command about the site that makes its own backups. */
const asProtected = (command: string, ...more: string[]) => {
  const { address, hostKey } = host.machine;
  const named = ["--site", protectedSite, "--host", `root@${address}`, "--host-key", hostKey];
  return host.recovery(command, ...named, ...more);
};

describe("a site on PostgreSQL", { timeout: 900_000 }, () => {
  test("comes back row by row, with its sequences and owners, its password seen nowhere", async () => {
    await watchForPasswords();
    const record = await rebuilt([]);
    expect(record.error).toBeUndefined();
    expect(await rowsOnHost()).toEqual(lines(dump));
    expect(await query("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")).toBe(
      "chatbot",
    );
    expect(await query("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'chatbot'")).toBe(
      "chatbot",
    );
    expect(await query("SELECT nextval('agents_id_seq')")).toBe(
      String((host.sample.rows["agents"] ?? 0) + (host.sample.rows["audit_events"] ?? 0) + 1),
    );
    // Nothing that the recovery needed for itself is left.
    expect(await query("SELECT string_agg(extname, ' ') FROM pg_extension")).toBe("plpgsql");
    expect(await query("SELECT count(*) FROM pg_roles WHERE rolname ~ '^recovery'")).toBe("0");
    expect(await host.onHost("ls -d /run/recovery-login.* /var/lib/recovery-load 2>/dev/null || true")).toBe(
      "",
    );

    expect(await passwordsSeen()).toBe("");
    await host.onHost(
      `bash -c 'exec -a "$(head -n 1 /root/patterns)" tail -f /dev/null' & until test -s /root/seen; do :; done; kill $!`,
    );
    await host.onHost("systemctl stop password-watch");
    const search = (places: string) =>
      host.onHost(`grep -rlF -f /root/patterns ${places} 2>/dev/null || true`);
    expect(await search("/var/www/chatbot")).toBe("/var/www/chatbot/.env\n");
    expect(await search("/var/log /var/lib/recovery /run/recovery /etc")).toBe("");
    expect(await host.onHost("journalctl -q -o cat | grep -cF -f /root/patterns || true")).toBe("0\n");
    const { stdout } = await execa(
      "grep",
      ["-rlF", "-e", password, "-e", encodeURIComponent(password), join(host.directory, "state")],
      { reject: false },
    );
    expect(stdout).toBe("");
  });

  test("is left as it is by a dump that fails half way, and by what that dump did before", async () => {
    const before = await query("SELECT oid FROM pg_database WHERE datname = 'chatbot'");
    const point = await archiveWith(
      plain,
      gzipSync(
        dump.replace(
          /^CREATE INDEX jobs_by_state .*$/m,
          "ALTER ROLE chatbot PASSWORD 'stolen';\nALTER ROLE chatbot SET search_path = nowhere;\nDROP DATABASE chatbot WITH (FORCE);",
        ),
      ),
    );
    const record = await rebuilt(["--point", point, "--again", host.machine.address], 1);
    expect(record.error).toMatchObject({
      what: "Databases whole and not empty: the dump of the database admin cannot be loaded",
      why: expect.stringContaining("must be owner of database chatbot") as string,
    });
    expect(await query("SELECT oid FROM pg_database WHERE datname = 'chatbot'")).toBe(before);
    expect(await query("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'chatbot'")).toBe(
      "chatbot",
    );
    expect(await query("SELECT count(*) FROM pg_database WHERE datname ~ '_recovery_new'")).toBe("0");
    expect(await query("SELECT rolconfig IS NULL FROM pg_roles WHERE rolname = 'chatbot'")).toBe("t");
    // The old site serves on, with the password that it has.
    expect(
      await host.onHost("curl -s --resolve chatbot.example.test:443:127.0.0.1 https://chatbot.example.test/"),
    ).toContain("agents are ready to talk");
  });

  test.each([
    ["\\! touch /tmp/taken", "backslash commands are restricted"],
    ["COPY agents FROM PROGRAM 'touch /tmp/taken';", "pg_execute_server_program"],
    ["SET ROLE postgres;", 'permission denied to set role "postgres"'],
  ])("is not touched by a dump with %s", async (hostile, words) => {
    const point = await archiveWith(
      plain,
      gzipSync(dump.replace(/^CREATE INDEX jobs_by_state /m, `${hostile}\n$&`)),
    );
    const record = await rebuilt(["--point", point, "--again", host.machine.address], 1);
    expect(record.error?.why).toContain(words);
    expect(await host.onHost("ls /tmp/taken 2>/dev/null || true")).toBe("");
  });

  test("takes a dump with messages of pg_dump, data that looks like commands, rows that break a constraint, grants and extensions", async () => {
    await configure(
      "    role: chatbot\n",
      "    role: chatbot\n    roles: [reporting]\n    extensions: [postgres_fdw]\n",
    );
    // Functions give what is put in: a dollar of a replacement text would mean something else.
    const trapped = dump
      .replace(/^SET default_tablespace = /m, (line) => `${traps}\n\n${line}`)
      .replace(/^-- PostgreSQL database dump complete$/m, (line) => `${notValid}\n\n--\n${line}`);
    const messages = [
      "pg_dump: warning: there are circular foreign-key constraints on this table:",
      "pg_dump: detail: agents",
    ];
    const text = [...messages, trapped, "pg_dump: done", ""].join("\n");
    const point = await archiveWith(plain, gzipSync(text));
    const record = await rebuilt(["--point", point, "--again", host.machine.address]);
    expect(record.error).toBeUndefined();
    expect(record.steps.find(({ id }) => id === "stage-databases")?.facts["admin"]).toMatchObject({
      violations: { "traps_parent of traps": 1 },
      removedFromDump: [...messages, "pg_dump: done"],
      rows: { traps: 4, agents: host.sample.rows["agents"] },
    });
    expect(
      await query("SELECT string_agg(coalesce(text, 'NULL'), '|' ORDER BY parent, text) FROM traps"),
    ).toBe("\\.|pg_dump: no message|\\restrict sample|NULL");
    expect(await query("SELECT has_table_privilege('reporting', 'traps', 'SELECT')")).toBe("t");
    expect(
      await query(
        "SELECT string_agg(extname || ' ' || pg_get_userbyid(extowner), ', ' ORDER BY extname) FROM pg_extension",
      ),
    ).toBe("pgcrypto chatbot, plpgsql postgres, postgres_fdw postgres");
    // What stood there is kept, out of reach of the site's role.
    expect(
      await query(
        "SELECT count(*) FROM pg_database WHERE datname ~ '^chatbot_replaced_' AND pg_get_userbyid(datdba) = 'postgres'",
      ),
    ).toBe("1");
  });

  test.each([
    ["plain SQL", plain, () => gzipSync(dump.replaceAll(/(?<=^-- Dumped .* version )15\b/gm, "17"))],
    [
      "custom",
      "database/admin.dump",
      async () => {
        const packed = await host.onHost("cd / && runuser -u postgres -- pg_dump -Fc chatbot | base64 -w0");
        // The versions stand in its head.
        return Buffer.from(
          Buffer.from(packed, "base64")
            .toString("latin1")
            .replaceAll(/15\.(?=\d+ \(Debian)/g, "17."),
          "latin1",
        );
      },
    ],
  ])(
    "is not touched for a dump of a newer server, in %s: it is refused before anything begins",
    async (_, member, make) => {
      const point = await archiveWith(member, await make());
      await dumpIs(member);
      const before = await host.onHost("cat /var/lib/recovery/history.jsonl");
      const { exitCode, stdout, stderr } = await recovery([
        "--point",
        point,
        "--again",
        host.machine.address,
      ]);
      expect({ exitCode, stdout }).toEqual({ exitCode: 4, stdout: "" });
      expect(stderr.trim().split("\n").slice(-3)).toEqual([
        `the restore point ${point} is of a newer PostgreSQL than the replacement server has`,
        `${member} was made with PostgreSQL 17, and Debian 12 has 15`,
        "take a newer Debian release in server.release of site.yaml, or choose an older point with --point",
      ]);
      expect(await host.onHost("cat /var/lib/recovery/history.jsonl")).toBe(before);
      await visit(host);
    },
  );

  test.each([
    ["custom", "database/admin.dump", "pg_dump -Fc chatbot"],
    [
      "directory",
      "database/admin.tar",
      "rm -rf /tmp/dump && pg_dump -Fd -f /tmp/dump chatbot && tar -C /tmp -cf - dump",
    ],
  ])("takes pg_dump's %s format", async (_, member, command) => {
    const packed = await host.onHost(`cd / && runuser -u postgres -- bash -c '${command}' | base64 -w0`);
    const before = await rowsOnHost();
    const point = await archiveWith(member, Buffer.from(packed, "base64"));
    await dumpIs(member);
    const record = await rebuilt(["--point", point, "--again", host.machine.address]);
    expect(record.error).toBeUndefined();
    expect(await rowsOnHost()).toEqual(before);
    latest = { point, rows: before };
  });

  test("comes back from a point of our own format", async () => {
    const time = new Date(host.sample.time.getTime() - 3_600_000);
    const own = await prepareSample({
      ...{ database: "postgresql", format: "own", directory: host.directory, time, messages: 320 },
      environment: planted,
    });
    const point = `daily/${basename(own.archive)}`;
    const record = await rebuilt(["--point", point, "--again", host.machine.address]);
    expect(record.error).toBeUndefined();
    expect(record.steps.find(({ id }) => id === "stage-databases")?.facts["admin"]).toMatchObject({
      rows: own.rows,
    });
    latest = { point, rows: await rowsOnHost() };
  });

  test("backs itself up: the dump holds what the database does, and restores to it", async () => {
    const { address, port, hostKey } = host.machine;
    const key = join(work, "key");
    await execa("age-keygen", ["-o", key]);
    const { stdout: recipient } = await execa("age-keygen", ["-y", key]);
    protectedSite = join(host.directory, "protected.yaml");
    await writeFile(
      protectedSite,
      [
        await readFile(host.site, "utf8"),
        `  - { kind: ssh, name: offsite, host: "${address}", port: ${port}, user: nobody, path: /srv, hostKey: "${hostKey}" }`,
        `restorePoints: { signers: ["${hostKey}"], recipients: ["${recipient}"], identity: BACKUP_KEY }`,
        `secrets: [{ name: BACKUP_KEY, from: "file:key" }]`,
        "backups: {}",
        "",
      ].join("\n"),
    );
    const done = await asProtected("protect");
    expect(done.exitCode, done.stderr).toBe(0);
    const { stdout, stderr } = await asProtected("backup", "--database", "--json");
    const { point } = JSON.parse(stdout) as { point: string };
    const folder = join(host.machine.rootDirectory, "var/backups/site", point);
    expect(JSON.parse(await readFile(join(folder, "MANIFEST.json"), "utf8")), stderr).toMatchObject({
      errors: [],
      warnings: [],
    });
    const opened = async (member: string, use: string) => {
      const open = `age --decrypt --identity "$0" "$1/${member}.zst.age" | zstd -dc | ${use}`;
      return (await execa("bash", ["-o", "pipefail", "-c", open, key, folder])).stdout;
    };
    expect(lines(await opened("database-admin.dump", "pg_restore --file -"))).toEqual(await rowsOnHost());
    const roles = await opened("inventory.tar", "tar -xO database-admin.dump.roles.sql");
    expect(roles).toContain("CREATE ROLE chatbot");
    expect(roles).not.toContain("PASSWORD");
  });

  test("has no backup of a database whose dumping was killed in its middle, and says so", async () => {
    // More than there is room for on the way to age, which is stopped: so pg_dump has begun, and does not come to its end.
    await superuser("CREATE TABLE large AS SELECT md5(random()::text) FROM generate_series(1, 1500000)");
    const killing = host.onHost(
      "until pkill -STOP -x age; do :; done; timeout 60 bash -c 'until grep -qs pipe_write /proc/$(pgrep -x pg_dump)/wchan; do sleep 0.05; done'; pkill -KILL -x pg_dump; pkill -CONT -x age",
    );
    const { exitCode, stdout, stderr } = await asProtected("backup", "--database", "--json");
    await killing;
    await superuser("DROP TABLE large");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("database-admin.dump could not be backed up: it ended with 137");
    expect(JSON.parse(stdout)).toMatchObject({ point: null, ok: false });
    expect(await host.onHost("cd /var/backups/site && ls -A .backup && ls manual | wc -l")).toBe("lock\n1\n");
  });

  test("has all but the database in its backup while PostgreSQL is down, and says so", async () => {
    await host.onHost("systemctl stop chatbot-worker postgresql@15-main");
    const { exitCode, stdout, stderr } = await asProtected("backup", "--json");
    await host.onHost("systemctl start postgresql@15-main chatbot-worker");
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^database-admin\.dump could not be backed up: psql said: .*Is the server running/m,
    );
    const { point } = JSON.parse(stdout) as { point: string };
    const members = await host.onHost(`ls /var/backups/site/${point}`);
    expect(members).toContain("uploads-1.tar.zst.age");
    expect(members).not.toContain("database");
    expect(await host.onHost(`jq -c .errors /var/backups/site/${point}/MANIFEST.json`)).toContain(
      "database-admin.dump",
    );
    await asProtected("protect", "--remove");
  });

  test("gets its application back alone: the server of its database is not stopped, and no row changes", async () => {
    await query("INSERT INTO conversations (id, agent_id, created_at) VALUES ('since', 1, 'now')");
    await host.onHost("rm -r /var/www/chatbot; systemctl stop nginx");
    const untouched = async () => [
      await query(
        "SELECT pg_postmaster_start_time() || ' ' || oid FROM pg_database WHERE datname = 'chatbot'",
      ),
      await rowsOnHost(),
    ];
    const before = await untouched();
    const record = await rebuilt([
      ...["--only", "application", "--point", latest.point, "--again", host.machine.address],
    ]);
    expect(record.error).toBeUndefined();
    expect(await untouched()).toEqual(before);
    await visit(host);
  });

  test("is told when an index has lost a row, and when a row has lost its parent", async () => {
    // As PostgreSQL would after a crash of a lying disk: the index is not told of a row.
    await superuser(
      `UPDATE pg_index SET indisready = false WHERE indexrelid = 'conversations_of_agent'::regclass`,
    );
    await superuser("INSERT INTO conversations (id, agent_id, created_at) VALUES ('lost', 1, 'now')");
    await superuser(
      `UPDATE pg_index SET indisready = true WHERE indexrelid = 'conversations_of_agent'::regclass`,
    );
    await superuser(
      "SET session_replication_role = replica; DELETE FROM conversations WHERE id = 'conversation-0000001'",
    );
    const { exitCode, stdout } = await host.recovery(
      "check",
      "--site",
      host.site,
      "--host",
      `root@${host.machine.address}`,
      "--host-key",
      host.machine.hostKey,
      "--json",
    );
    expect(exitCode).toBe(1);
    const checks = JSON.parse(stdout) as RunRecord["checks"];
    const seen = Object.fromEntries(checks.filter(({ ok }) => !ok).map(({ title, seen }) => [title, seen]));
    expect(seen).toEqual({
      "database admin: integrity": expect.stringContaining("lacks matching index tuple") as string,
      "database admin: references": expect.stringContaining(
        "messages_conversation_id_fkey of messages: 8 rows",
      ) as string,
    });
  });

  test("gets a damaged database back alone, for the configuration that is in place; the damaged one is kept", async () => {
    const kept = () =>
      query(
        "SELECT count(*) FROM pg_database WHERE datname ~ '^chatbot_replaced_' AND pg_get_userbyid(datdba) = 'postgres'",
      );
    const before = Number(await kept());
    await host.onHost("echo '# changed since' >>/var/www/chatbot/.env");
    const record = await rebuilt([
      ...["--only", "database", "--without-pulumi", "--point", latest.point, "--again", host.machine.address],
    ]);
    expect(record.error).toBeUndefined();
    expect(await rowsOnHost()).toEqual(latest.rows);
    expect(Number(await kept())).toBe(before + 1);
    expect(await host.onHost("tail -n 1 /var/www/chatbot/.env")).toBe("# changed since\n");
    const listed = await host.onHost(typed("runuser -u postgres -- psql --list"));
    const [replaced = ""] = /chatbot_replaced_\w+/.exec(listed) ?? [];
    await host.onHost(
      typed("runuser -u postgres -- dropdb chatbot_replaced_20261123t190901z", {
        chatbot_replaced_20261123t190901z: replaced,
      }),
    );
    expect(Number(await kept())).toBe(before);
  });
});

function pointOf(archive: string): string {
  return archive.replace(/^.*\/|\.tar\.gz$/g, "");
}

/** The backup once more, a minute younger each time, with another database in it. Returns the point's id. */
async function archiveWith(member: string, content: Buffer): Promise<string> {
  const { archive, time } = host.sample;
  const id = pointOf(archive);
  const moment = new Date(time.getTime() - ++points * 60_000).toISOString().slice(0, 19);
  const other = `full_backup_${moment.replaceAll(/[-:]/g, "").replace("T", "_")}`;
  await execa("tar", ["-xzf", archive, "-C", work]);
  await execa("mv", [join(work, id), join(work, other)]);
  await rm(join(work, other, plain));
  await writeFile(join(work, other, member), content);
  const manifest = join(work, other, "MANIFEST.txt");
  const text = await readFile(manifest, "utf8");
  await writeFile(
    manifest,
    text
      .replace(/^Backup created at: .*$/m, `Backup created at: ${moment}Z`)
      .replace("admin_postgres.sql.gz", "its database"),
  );
  await execa("tar", ["-czf", join(archive, "..", `${other}.tar.gz`), "-C", work, other]);
  return other;
}

async function configure(pattern: string | RegExp, replacement: string): Promise<void> {
  const text = await readFile(host.site, "utf8");
  const changed = text.replace(pattern, replacement);
  expect(changed).not.toBe(text);
  await writeFile(host.site, changed);
}

/** Which member of a backup the database's dump is. */
async function dumpIs(member: string): Promise<void> {
  const line = `    member: ${member}\n`;
  const text = await readFile(host.site, "utf8");
  const changed = text.replace(/^ {4}member: .*\n|(?<= {4}role: chatbot\n)/m, line);
  expect(changed).toContain(line);
  await writeFile(host.site, changed);
}

function recovery(options: string[]) {
  const target = ["--host", `root@${host.machine.address}`, "--host-key", host.machine.hostKey, ...besides];
  return host.recovery("rebuild", "--site", host.site, ...target, "--yes", "--json", ...options);
}

async function rebuilt(options: string[], code = 0): Promise<RunRecord> {
  const { exitCode, stdout, stderr } = await recovery(options);
  expect(exitCode, stderr).toBe(code);
  return runRecordSchema.parse((JSON.parse(stdout) as { record: unknown }).record);
}

async function superuser(sql: string): Promise<string> {
  const quoted = sql.replaceAll("'", String.raw`'\''`);
  return (
    await host.onHost(`cd / && runuser -u postgres -- psql -X -q -At -d chatbot -c '${quoted}'`)
  ).trim();
}
const query = superuser;

/** What a dump holds, in no order, without what a dump says of itself and what the checks have written since. */
function lines(text: string): string[] {
  return text
    .split("\n")
    .filter(
      (line) =>
        !/^(--|\\(un)?restrict |$)|recovery-check-|setval\('public\.(messages|jobs)_id_seq'/.test(line),
    )
    .sort();
}

async function rowsOnHost(): Promise<string[]> {
  return lines(await host.onHost("cd / && runuser -u postgres -- pg_dump chatbot"));
}

/** Looks at the arguments and environments of all processes on the host, again and again. The patterns stand in a file. */
async function watchForPasswords(): Promise<void> {
  const patterns = Buffer.from(`${password}\n${encodeURIComponent(password)}\n`).toString("base64");
  await host.onHost(
    [
      `echo ${patterns} | base64 -d >/root/patterns`,
      "systemd-run --quiet --unit=password-watch bash -c 'while :; do grep -alF -f /root/patterns /proc/[0-9]*/cmdline /proc/[0-9]*/environ >>/root/seen; sleep 0.05; done'",
    ].join(" && "),
  );
}

function passwordsSeen(): Promise<string> {
  return host.onHost("cat /root/seen");
}
