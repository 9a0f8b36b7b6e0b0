import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RestorePoint } from "../../backups/restore-point.ts";
import { prepareCommandPlugin } from "../../engine/command-plugin.ts";
import { findEngine } from "../../engine/find.ts";
import { openStack } from "../../engine/stack.ts";
import { createMachine, type Machine } from "../../machines/nspawn.ts";
import { declareBackupServer, prepareBackupServer } from "../../stacks/backup-server.ts";
import { connect } from "../../ssh/connection.ts";
import { cable } from "./cable.ts";
import {
  authorityOn,
  besides,
  needed,
  recoveryHost,
  say,
  trustAnAuthority,
  type RecoveryHost,
} from "./recovery-host.ts";
import { typed } from "./typed.ts";

/** A server, and a way to run a command on it. */
interface Server {
  machine: Machine;
  run: (command: string) => Promise<string>;
}

let host: RecoveryHost;
/** The server that keeps the backups. */
let keeper: Server;
let replacement: Server | undefined;
let runbookSite: string;
/** What the application wrote, in its order: number, and time in UTC. */
let written: { number: number; at: string }[];
let daily: RestorePoint;
/** The id of the last backup of the databases alone. */
let databases: string;

async function server(base?: RecoveryHost["base"]): Promise<Server> {
  const machine = await createMachine({
    release: "12",
    ...(base ? { base } : {}),
    authorizedKeys: [host.agent.publicKey],
    admittedHosts: [],
    say,
  });
  const { address, port, user, hostKey } = machine;
  const connection = await connect({ address, port, user, hostKey, agentSocketPath: host.agent.socketPath });
  return {
    machine,
    run: async (command) => {
      const { exitCode, stdout, stderr } = await connection.run(command, { timeoutSeconds: 120 });
      if (exitCode !== 0) throw new Error(`${command} ended with ${exitCode}: ${stderr}`);
      return stdout;
    },
  };
}

/** A site's server comes to the keeper's, by its address, over a network of the two. */
async function joined(name: string, site: Server, network: string): Promise<void> {
  await cable(
    name,
    { machine: site.machine, run: site.run, address: `${network}.1` },
    { machine: keeper.machine, run: keeper.run, address: `${network}.2` },
  );
  await site.run(`ip route add ${keeper.machine.address}/32 via ${network}.2`);
}

const named = ({ machine }: Pick<Server, "machine">) => [
  ...["--site", host.site, "--host", `root@${machine.address}`, "--host-key", machine.hostKey],
];
const carriedOut = (line: string) =>
  execa("bash", ["-c", line], {
    cwd: host.directory,
    env: { ...host.environment, CI: "true" },
    stdin: "ignore",
    reject: false,
  });
const points = async (): Promise<RestorePoint[]> =>
  JSON.parse((await host.recovery("points", "list", "--site", host.site, "--json")).stdout) as RestorePoint[];

const sql = (text: string) =>
  `runuser -u www-data -- sqlite3 -cmd '.timeout 5000' /var/www/chatbot/data/admin.db "${text}"`;
const rows = "FROM audit_events WHERE actor = 'test' ORDER BY CAST(entity_id AS INTEGER)";
const uploads = "/var/www/chatbot/data/uploads/written";

const signers: string[] = [];
const writers: string[] = [];
async function configure({ onDisk = false } = {}): Promise<void> {
  const { stdout: recipient } = await execa("age-keygen", ["-y", join(host.directory, "key")]);
  const { stdout: verifier } = await execa("age-keygen", ["-y", join(host.directory, "verifier-key")]);
  const { address, port, hostKey } = keeper.machine;
  const verdicts = (await readFile(join(host.directory, "verifier.pub"), "utf8")).trim();
  await writeFile(
    host.site,
    [
      runbookSite.replace(/^stores:[^]*/m, ""),
      onDisk ? "stores: [{ kind: directory, name: disk, path: disk }]" : "",
      `${onDisk ? "# " : ""}stores: [{ kind: ssh, name: offsite, host: "${address}", port: ${port}, user: keeper, path: /srv/kept, hostKey: "${hostKey}", server: { writers: ${JSON.stringify(writers)}, readers: ["${host.agent.publicKey.trim()}"], limit: 1GiB } }]`,
      `restorePoints: { signers: ${JSON.stringify(signers)}, recipients: ["${recipient}", "${verifier}"], identity: BACKUP_KEY }`,
      `verification: { signers: ["${verdicts}"], key: VERIFIER, identity: VERIFIER_KEY }`,
      "secrets:",
      `  - { name: BACKUP_KEY, from: "file:key" }`,
      `  - { name: VERIFIER, from: "file:verifier" }`,
      `  - { name: VERIFIER_KEY, from: "file:verifier-key" }`,
      onDisk ? "" : "backups: {}",
      "",
    ].join("\n"),
  );
}

/** The keeper takes what this key sends, beside what it takes already. */
async function take(key: string): Promise<void> {
  writers.push(key);
  await configure();
  const { exitCode, stderr, stdout } = await carriedOut(typed("npx recovery backup-server"));
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toBe(
    `${keeper.machine.address} keeps the backups of the store offsite from now on, as keeper in /srv/kept`,
  );
}

beforeAll(async () => {
  host = await recoveryHost();
  await trustAnAuthority(host);
  await needed("age", "zstd");
  keeper = await server();
  await joined(
    host.machine.id,
    { machine: host.machine, run: (command) => host.onHost(command) },
    "198.51.100",
  );
  const first = await host.recovery("rebuild", ...named(host), ...besides, "--yes", "--without-pulumi");
  expect(first.exitCode, first.stderr).toBe(0);
  runbookSite = await readFile(host.site, "utf8");
  await execa("age-keygen", ["-o", join(host.directory, "key")]);
  for (const line of [
    typed("ssh-keygen -t ed25519 -N '' -C verifier -f verifier"),
    typed("age-keygen -o verifier-key"),
  ])
    expect((await carriedOut(line)).exitCode).toBe(0);
}, 900_000);

afterAll(async () => {
  await replacement?.machine.destroy();
  await keeper.machine.destroy();
  await host.close();
});

describe("a site that protects itself", { timeout: 600_000 }, () => {
  test("has its backups made by a timer while it writes, on a server that only takes them", async () => {
    signers.push(host.machine.hostKey);
    await configure();
    const protectedNow = await host.recovery("protect", ...named(host), "--json");
    expect(protectedNow.exitCode, protectedNow.stderr).toBe(0);
    const facts = JSON.parse(protectedNow.stdout) as { key: string; left: string[] };
    expect(facts.left).toEqual([
      expect.stringContaining("let the store offsite take the backups of this server"),
    ]);
    await take(facts.key.trim());
    const again = await host.recovery("protect", ...named(host), "--json");
    expect(again.exitCode, again.stderr).toBe(0);
    expect(JSON.parse(again.stdout)).toEqual({ ...facts, left: [] });

    const insert = sql(
      `INSERT INTO audit_events (actor, action, entity, entity_id, details, created_at) VALUES ('test', 'wrote', 'x', $i, '{}', strftime('%Y-%m-%dT%H:%M:%fZ'))`,
    );
    await host.onHost(`install -d -o www-data ${uploads}`);
    const writing = host.onHost(
      `i=0; until [ -e /run/enough ]; do i=$((i + 1)); ${insert}; echo $i >${uploads}/$i; done`,
    );
    // A day has passed.
    await host.onHost(
      [
        "mkdir -p /run/systemd/system/site-backup@daily.timer.d",
        "printf '[Timer]\\nOnCalendar=\\nOnActiveSec=1s\\nRandomizedDelaySec=0\\n' >/run/systemd/system/site-backup@daily.timer.d/now.conf",
        "systemctl daemon-reload && systemctl restart site-backup@daily.timer",
        "until [ -s /var/lib/site-backup/daily.json ]; do sleep 0.2; done",
      ].join(" && "),
    );
    const outcome = JSON.parse(await host.onHost("cat /var/lib/site-backup/daily.json")) as {
      point: string;
      ok: boolean;
    };
    expect(outcome.ok).toBe(true);
    await host.onHost("touch /run/enough");
    await writing;
    written = (await host.onHost(sql(`SELECT entity_id || ' ' || created_at ${rows}`)))
      .trim()
      .split("\n")
      .map((line) => ({ number: Number(line.split(" ")[0]), at: line.split(" ")[1] ?? "" }));
    const [point] = (await points()).filter(({ id }) => id === outcome.point);
    expect(point).toMatchObject({ store: "offsite", state: "complete", kind: "full" });
    if (point) daily = point;
  });

  test("has them read and restored by a verifier, whose word is proposed before a newer one that nobody has tried", async () => {
    const verified = await carriedOut(typed("npx recovery points verify --new --sign"));
    expect(verified.exitCode, verified.stderr).toBe(0);
    expect(verified.stdout).toContain(`readable  ${daily.id}  in offsite`);
    expect((await carriedOut(typed("npx recovery points verify --new --sign"))).stdout).toBe(
      "all of them have been read",
    );
    const quick = "--baked --watch 0s --without-pulumi";
    for (const line of [typed("npx recovery drill --sign"), typed("npx recovery drill --draw --sign")]) {
      const drilled = await carriedOut(`${line} ${quick}`);
      expect(drilled.exitCode, drilled.stderr + drilled.stdout).toBe(0);
      expect(drilled.stdout).toMatch(
        new RegExp(`^signed: .*/verdicts/offsite/${daily.id}/proven-.*\\.json$`, "m"),
      );
    }
    expect((await points()).find(({ id }) => id === daily.id)).toMatchObject({ state: "proven" });
    const all = await carriedOut(typed("npx recovery points verify --all"));
    expect(all.exitCode, all.stderr).toBe(0);
    const tried = await carriedOut(typed("npx recovery keys"));
    expect(tried.exitCode, tried.stderr).toBe(0);
    expect(tried.stdout).toContain(`opens      ${daily.id} in offsite, by BACKUP_KEY`);
    expect(tried.stdout).toContain(`opens      ${daily.id} in offsite, by VERIFIER_KEY`);
    const status = await carriedOut(typed("npx recovery status"));
    expect(status.stdout).toMatch(/^uploads +\d.* (s|min) +1 d +met +\d.* old +\d.* old$/m);
    expect(status.stdout).toContain("OVERDUE: no good backup holds the logs");
    const metrics = await carriedOut(
      typed("npx recovery status --metrics > /var/lib/prometheus/node-exporter/recovery.prom", {
        "/var/lib/prometheus/node-exporter/recovery.prom": "recovery.prom",
      }),
    );
    expect(metrics.exitCode).toBe(1);
    expect(await readFile(join(host.directory, "recovery.prom"), "utf8")).toContain(
      'recovery_overdue{site="chatbot"} 2\n',
    );
    const { stdout: timers } = await carriedOut(typed("npx recovery drill --print-timer"));
    expect(timers).toMatch(
      /^ExecStart=\/usr\/bin\/ssh-agent .* points verify --new --sign --site .*site\.yaml"$/m,
    );
    // A newer one, which is not tried any more.
    for (const more of [[], ["--database"]]) {
      const { exitCode, stderr } = await host.recovery("backup", ...named(host), ...more);
      expect(exitCode, stderr).toBe(0);
    }
  });

  test("comes back on a blank server when its own is gone, with all rows of the newest backup of its databases; of the files exactly what was written after the older one is lost", async () => {
    await host.machine.destroy();
    // The newest first; each hour a timer makes another.
    databases = (await points()).find(({ kind }) => kind === "database")?.id ?? "";
    replacement = await server(host.base);
    const { machine, run } = replacement;
    await authorityOn(run);
    await joined(machine.id, replacement, "198.51.101");
    const rebuild = () => host.recovery("rebuild", ...named({ machine }), ...besides, "--yes");
    // Of databases that somebody exchanged nothing is put in place, and the way without them is told.
    const exchange = (bytes: string) =>
      keeper.run(
        `printf '${bytes}' | dd of=/srv/kept/${databases}/database-admin.db.zst.age bs=1 seek=300 conv=notrunc`,
      );
    const kept = (
      await keeper.run(`od -An -tx1 -j 300 -N 4 /srv/kept/${databases}/database-admin.db.zst.age | tr -d ' '`)
    ).trim();
    await exchange("evil");
    const failed = await rebuild();
    expect(failed.exitCode, failed.stderr).toBe(1);
    expect(failed.stderr).toMatch(/passed over manual\/\S+ in offsite: no verifier has read it yet/);
    expect(failed.stdout).toMatch(
      new RegExp(
        `database-admin\\.db\\.zst\\.age is not what the manifest says[^]*the same command with --point ${daily.id}$`,
        "m",
      ),
    );
    await exchange(kept.replace(/../g, "\\x$&"));
    const rebuilt = await rebuild();
    expect(rebuilt.exitCode, rebuilt.stderr + rebuilt.stdout).toBe(0);
    expect(rebuilt.stderr).toContain(`${daily.id} in offsite, proven`);
    expect(rebuilt.stderr).toMatch(
      new RegExp(`^ {8}its databases from ${databases} in offsite, complete$`, "m"),
    );
    expect(rebuilt.stdout).toContain(
      `recovered chatbot from ${daily.id} and the databases of ${databases} in`,
    );
    expect((await run(sql(`SELECT count(*) ${rows}`))).trim()).toBe(String(written.length));
    const files = (await run(`ls ${uploads} | sort -n`)).trim().split("\n").map(Number);
    expect(files).toEqual(files.map((_, index) => index + 1));
    expect(files.length).toBeLessThan(written.length);
  });

  test("protects itself there too: what only a person can do is said, and done that, its next backup counts", async () => {
    if (!replacement) throw new Error("there is no replacement");
    const { run } = replacement;
    expect(await run("systemctl list-timers --no-legend 'site-backup@*' | wc -l")).toBe("4\n");
    const shown = await host.recovery("rebuild", ...named(replacement), ...besides, "--yes");
    expect(shown.exitCode, shown.stderr).toBe(0);
    const key =
      /^note: to do: let the store offsite take .*: add to server\.writers of that store in site\.yaml, and run npx recovery backup-server: (ssh-ed25519 \S+)/m.exec(
        shown.stdout,
      )?.[1];
    const signer = /^note: to do: add to restorePoints\.signers .*: (ssh-ed25519 \S+)$/m.exec(
      shown.stdout,
    )?.[1];
    expect(signer).toBe(replacement.machine.hostKey.split(" ").slice(0, 2).join(" "));
    await take(key ?? "");
    const madeBefore = await host.recovery("backup", ...named(replacement));
    expect(madeBefore.exitCode, madeBefore.stderr).toBe(0);
    const id = /^made (\S+)/.exec(madeBefore.stdout)?.[1];
    const state = async () => (await points()).find((point) => point.id === id)?.state;
    expect(await state()).toBe("damaged");
    signers.push(signer ?? "");
    await configure();
    expect(await state()).toBe("complete");
    // Asked again, by either command, it tells nothing of what has been done.
    const done = await host.recovery("rebuild", ...named(replacement), ...besides, "--yes");
    expect(done.exitCode, done.stderr).toBe(0);
    expect(done.stdout).not.toMatch(/to do|is not known/);
    const asked = await host.recovery("protect", ...named(replacement), "--json");
    expect(asked.exitCode, asked.stderr).toBe(0);
    expect(JSON.parse(asked.stdout)).toMatchObject({ left: [] });
  });

  test("is put back to one point, databases and all, when that is asked for; the newer ones are named, and brought back alone", async () => {
    if (!replacement) throw new Error("there is no replacement");
    const { machine, run } = replacement;
    const again = async (...options: string[]) => {
      const over = ["--again", machine.address, ...options, "--yes"];
      const { exitCode, stderr } = await host.recovery("rebuild", ...named({ machine }), ...besides, ...over);
      expect(exitCode, stderr).toBe(0);
      return stderr;
    };
    // A copy on the operator's own disk does as well, when the server that keeps them is gone too.
    const disk = join(host.directory, "disk");
    await mkdir(disk);
    for (const id of [daily.id, databases]) {
      const fetched = await host.recovery("points", "fetch", "--site", host.site, id, "--to", disk);
      expect(fetched.exitCode, fetched.stderr).toBe(0);
    }
    await configure({ onDisk: true });
    const said = await again("--point", daily.id);
    await configure();
    expect(said).toContain(`  from  ${daily.id} in disk, complete`);
    expect(said).toMatch(
      /the databases alone are newer in .*--again HOST --only database --point \S+ brings them$/m,
    );
    const restored = (await run(sql(`SELECT entity_id ${rows}`))).trim().split("\n").map(Number);
    expect(restored).toEqual(written.slice(0, restored.length).map(({ number }) => number));
    // From the first on without a gap; all of before it began, none of after it ended.
    const { startedAt, endedAt } = JSON.parse(
      await keeper.run(`cat /srv/kept/${daily.id}/MANIFEST.json`),
    ) as Record<"startedAt" | "endedAt", string>;
    const until = (milliseconds: number) => written.filter(({ at }) => Date.parse(at) < milliseconds).length;
    expect(restored.length).toBeGreaterThanOrEqual(until(Date.parse(startedAt)));
    // The manifest tells whole seconds.
    expect(restored.length).toBeLessThanOrEqual(until(Date.parse(endedAt) + 1000));
    expect(restored.length).toBeLessThan(written.length);
    await again("--only", "database", "--point", databases);
    expect((await run(sql(`SELECT count(*) ${rows}`))).trim()).toBe(String(written.length));
  });

  test("is kept by a server that removes what need not be kept, and lets nobody change what must be", async () => {
    const { address, port, hostKey } = keeper.machine;
    await writeFile(
      join(host.directory, "known"),
      `[${address}]:${port} ${hostKey}\n${address} ${hostKey}\n`,
    );
    await writeFile(join(host.directory, "batch"), `rm ${daily.id}/MANIFEST.json\n`);
    const { stderr, exitCode } = await execa(
      "sftp",
      ["-o", "UserKnownHostsFile=known", "-P", String(port), "-b", "batch", `keeper@${address}`],
      { cwd: host.directory, env: host.environment, reject: false },
    );
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/remote delete .*Permission denied/);

    // Two months in which it was not told of anything.
    const kept = await keeper.run(
      `cd /srv/kept && for day in 01 02 03 04 05 06 07 08; do cp -a ${daily.id} daily/202603\${day}T020000Z; done &&
        install -d -o keeper -m 700 daily/20260401T020000Z && touch -d '3 days ago' daily/20260401T020000Z &&
        install -d -o keeper -m 700 daily/20260402T020000Z && ls daily`,
    );
    await keeper.run("systemctl start site-backup-prune-keeper.service");
    expect((await keeper.run("ls /srv/kept/daily")).trim().split("\n")).toEqual(
      kept
        .trim()
        .split("\n")
        // Of the eight that are older than a week seven newer ones must stay.
        .filter((name) => !/^(2026030[12]|20260401)/.test(name)),
    );
    expect(await keeper.run("systemctl list-timers --no-legend 'site-backup-prune-*' | wc -l")).toBe("1\n");
    expect(
      await keeper.run("stat -c '%U %a' /srv/kept /var/lib/site-backup-server/keeper/.ssh/authorized_keys"),
    ).toBe("keeper 700\nroot 644\n");
  });

  test("is declared by the stack `backup-server` too, whose engine the server tells that all is done", async () => {
    const engine = await findEngine({ allowBuild: true, say });
    if (!engine) throw new Error("no Pulumi engine can be had here");
    const prepared = await prepareBackupServer({
      siteFile: host.site,
      login: "root",
      run: { id: "test-stack", who: "test", why: "test" },
      agentSocketPath: host.agent.socketPath,
      say,
    });
    const history = "grep -c '\"done\"' /var/lib/recovery/history.jsonl";
    const before = await keeper.run(history);
    try {
      const stack = await openStack({
        engine,
        plugin: await prepareCommandPlugin(engine, say),
        stackName: "chatbot.backup-server",
        directory: join(host.directory, "stack"),
        environment: { SSH_AUTH_SOCK: host.agent.socketPath },
        program: () => Promise.resolve({ ...declareBackupServer(prepared) }),
        say,
      });
      await stack.up();
      expect(await stack.outputs()).toMatchObject({ address: { value: keeper.machine.address } });
      expect(await stack.changes()).toEqual({ create: 4 });
      await stack.up();
      expect(await stack.changes()).toEqual({ same: 4 });
      await stack.destroy();
    } finally {
      await prepared.session.close();
    }
    expect(await keeper.run(history)).toBe(before);
    expect(await keeper.run("systemctl is-active site-backup-prune-keeper.timer")).toBe("active\n");
  });

  test.each([
    [
      "whose account keeps another site's",
      "path: /srv/kept",
      "path: /srv/other",
      "true",
      "the account keeper keeps other backups\nthey lie in /srv/kept\n",
    ],
    [
      "whose folder is another account's",
      "user: keeper",
      "user: second",
      "true",
      "the folder /srv/kept is another account's\nit is keeper's, and not empty\n",
    ],
    [
      "whose account is a person's",
      "user: keeper",
      "user: anna",
      "useradd --create-home anna",
      "the account anna is another one's\nit was there before, with the home /home/anna\n",
    ],
  ])("is not set up on a server %s", async (_, from, to, before, why) => {
    await keeper.run(before);
    const other = join(host.directory, "other.yaml");
    await writeFile(other, (await readFile(host.site, "utf8")).replace(from, to));
    const refused = await host.recovery("backup-server", "--site", other);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain(why);
  });
});
