import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Assessment } from "../../damage/assessment.ts";
import { commandLine } from "./drill-process.ts";
import { besides, recoveryHost, trustAnAuthority, type RecoveryHost } from "./recovery-host.ts";
import { typed } from "./typed.ts";

const database = "/var/www/chatbot/data/admin.db";
const services = "chatbot-worker nginx php8.2-fpm";

let host: RecoveryHost;
/** Planted in the site's environment file: nothing that is told may hold it. */
const token = "planted-token-5ad1c0";

beforeAll(async () => {
  host = await recoveryHost({ environment: { ADMIN_TOKEN: token } });
  await trustAnAuthority(host);
  const rebuilt = await host.recovery("rebuild", "--site", host.site, ...named(), ...besides, "--yes");
  if (rebuilt.exitCode !== 0) throw new Error(rebuilt.stderr);
  await writeFile(
    join(host.directory, "authority.pem"),
    await host.onHost("cat /usr/local/share/ca-certificates/pebble-root.crt"),
  );
  await writeFile(
    join(host.directory, "hosts"),
    `127.0.0.1 localhost\n${host.machine.address} chatbot.example.test\n`,
  );
});

afterAll(async () => {
  await host.close();
});

function named(): string[] {
  return ["--host", `root@${host.machine.address}`, "--host-key", host.machine.hostKey];
}

/** Runs a command where the domain is known and its authority trusted: what DNS and a browser are for a real site. */
async function onTheInternet(...command: string[]) {
  return execa(
    "unshare",
    ["--mount", ...["sh", "-c", 'mount --bind hosts /etc/hosts && exec "$0" "$@"'], ...command],
    {
      cwd: host.directory,
      env: {
        ...host.environment,
        CI: "true",
        NODE_EXTRA_CA_CERTS: join(host.directory, "authority.pem"),
      },
      stdin: "ignore",
      reject: false,
    },
  );
}

async function assess(...args: string[]): Promise<Assessment & { exitCode: number | undefined }> {
  return assessed(process.execPath, commandLine, "assess", ...args, "--json");
}

async function assessed(...command: string[]): Promise<Assessment & { exitCode: number | undefined }> {
  const { exitCode, stdout, stderr } = await onTheInternet(...command);
  expect(stdout).not.toContain(token);
  if (stdout === "") throw new Error(stderr);
  return { ...(JSON.parse(stdout) as Assessment), exitCode };
}

/** Breaks the site, looks at it, and mends it again. */
async function broken(
  breaking: string,
  mending: string,
): Promise<Assessment & { exitCode: number | undefined }> {
  await host.onHost(breaking);
  try {
    return await assess(...named());
  } finally {
    await host.onHost(mending);
  }
}

/** Everything on the host that a look could change, with its times. Left out is what changes at every log-in. */
async function listing(): Promise<string[]> {
  const skipped = ["/proc", "/sys", "/dev", "/run", "/var/log", "/var/lib/systemd", "/var/lib/fail2ban"];
  const prune = skipped.map((path) => `-path ${path}`).join(" -o ");
  const text = await host.onHost(`find / \\( ${prune} \\) -prune -o -printf '%p %y %s %T@ %C@\\n'`);
  return text.split("\n").sort();
}

describe("assess", { timeout: 600_000 }, () => {
  test("of a site that is well says so, from the host's address or from outside alone", async () => {
    const inside = await assess(...named());
    // Other tests run beside this one, and load is what they make.
    expect(inside.findings.filter(({ level, subject }) => level !== "ok" && subject !== "load")).toEqual([]);
    expect(inside.verdict).toMatchObject({ outcome: "well", title: "Nothing is wrong", reasons: [] });
    expect(inside.exitCode).toBe(0);
    expect(inside.points).toMatchObject([{ store: "local", kind: "full", state: "complete" }]);
    expect(inside.findings.map(({ subject }) => subject)).toEqual(
      expect.arrayContaining([
        "DNS of chatbot.example.test",
        "units",
        "database admin",
        "rows of agents",
        ".env",
      ]),
    );
    const outside = await onTheInternet(process.execPath, commandLine);
    expect(outside.stdout).toContain("chatbot: From outside nothing is wrong\n");
    expect(outside.exitCode).toBe(0);
    const own = { "192.0.2.10": host.machine.address };
    for (const line of [
      typed('npx recovery assess --site site.yaml --host root@192.0.2.10 --host-key "ssh-ed25519 AAAA…"', {
        ...own,
        "ssh-ed25519 AAAA…": host.machine.hostKey,
      }),
      typed("npx recovery assess --site site.yaml --host root@192.0.2.10", own),
      typed("npx recovery assess --site site.yaml"),
    ])
      expect((await assessed("bash", "-c", `${line} --json`)).verdict.outcome).toBe("well");
  });

  test("changes nothing on the host, whether its database is open or not", async () => {
    await host.onHost(`systemctl stop ${services}`);
    try {
      const before = await listing();
      const dead = await assess(...named());
      expect(dead.findings.find(({ subject }) => subject === "database admin")?.level).toBe("ok");
      expect(await listing()).toEqual(before);
      await host.onHost(
        `systemd-run --quiet --collect --unit=test-holder --property=Type=notify --property=NotifyAccess=all sh -c "php -r '\\$d = new PDO(\\"sqlite:${database}\\"); \\$d->exec(\\"UPDATE jobs SET id = id\\"); exec(\\"systemd-notify --ready\\"); sleep(600);'"`,
      );
      const open = await listing();
      expect(open.join("\n")).toContain(`${database}-wal`);
      const held = await assess(...named());
      expect(held.findings.find(({ subject }) => subject === "database admin")?.level).toBe("ok");
      expect(await listing()).toEqual(open);
    } finally {
      await host.onHost(`systemctl stop test-holder; systemctl start php8.2-fpm nginx chatbot-worker`);
    }
  });

  test("names a worker that stopped, and the line that starts it", async () => {
    const { verdict, next, exitCode } = await broken(
      "systemctl stop chatbot-worker",
      "systemctl start chatbot-worker",
    );
    expect(verdict).toMatchObject({
      scenario: "application-server-failure",
      priority: "P0",
      rtoSeconds: 1800,
    });
    expect(verdict.reasons).toHaveLength(1);
    expect(verdict.reasons[0]).toMatch(/^chatbot-worker.service: inactive/);
    expect(next[0]?.command).toContain("systemctl restart chatbot-worker.service");
    expect(exitCode).toBe(1);
  });

  test("tells a damaged database from a site that fails for it", async () => {
    const { verdict, findings } = await broken(
      `systemctl stop ${services} && cp -a ${database} /root/whole.db && dd if=/dev/urandom of=${database} bs=4096 seek=1 count=4 conv=notrunc status=none && systemctl start php8.2-fpm nginx chatbot-worker`,
      `systemctl stop ${services} && rm -f ${database}-wal ${database}-shm && cp -a /root/whole.db ${database} && systemctl start php8.2-fpm nginx chatbot-worker`,
    );
    expect(verdict).toMatchObject({ scenario: "database-corruption", priority: "P0", rtoSeconds: 7200 });
    expect(verdict.reasons).toHaveLength(1);
    expect(verdict.reasons[0]).toMatch(/^database admin: it is damaged: .+/);
    expect(findings.find(({ subject }) => subject === "front page")?.level).toBe("bad");
  });

  test.each([
    [
      "a variable that is missing",
      "cp -a .env /root/env && sed -i '/^OPENAI_API_KEY/d' .env",
      "cp -a /root/env .env",
      /^\.env: lacks OPENAI_API_KEY$/,
    ],
    [
      "a file that PHP cannot parse",
      "cp -a config.php /root/config.php && echo '$config = (;' >> config.php",
      "cp -a /root/config.php config.php",
      /^config\.php: Parse error: .* on line \d+/,
    ],
  ])("finds the error of configuration: %s", async (_, breaking, mending, reason) => {
    const inSite = (command: string) => `cd /var/www/chatbot && ${command}`;
    const { verdict } = await broken(inSite(breaking), inSite(mending));
    expect(verdict).toMatchObject({ scenario: "configuration-error", priority: "P1", rtoSeconds: 3600 });
    expect(verdict.reasons).toHaveLength(1);
    expect(verdict.reasons[0]).toMatch(reason);
  });

  test("counts rows, and reads the audit log", async () => {
    const sql = (text: string) => `runuser -u www-data -- sqlite3 -cmd '.timeout 5000' ${database} "${text}"`;
    const { verdict, findings } = await broken(
      `cp -a ${database} /root/whole.db && ${sql(
        "INSERT INTO audit_events (actor, action, entity, entity_id, details, created_at) SELECT 'admin', 'agent.delete', 'agents', id, '{}', strftime('%Y-%m-%dT%H:%M:%SZ', 'now') FROM agents; DELETE FROM agents;",
      )}`,
      `systemctl stop ${services} && rm -f ${database}-wal ${database}-shm && cp -a /root/whole.db ${database} && systemctl start php8.2-fpm nginx chatbot-worker`,
    );
    expect(verdict).toMatchObject({ scenario: "data-deletion", priority: "P1", rtoSeconds: 14_400 });
    expect(verdict.reasons).toEqual(["rows of agents: 0, and there should be 1"]);
    expect(findings.find(({ subject }) => subject === "audit log of admin")?.seen).toMatch(
      /^\d+ deletions in the last day, the last at 20/,
    );
  });

  test("sees a disk that is nearly full", async () => {
    const place = "/var/www/chatbot/data/uploads";
    const { verdict, next } = await broken(
      `mount -t tmpfs -o size=4m tmpfs ${place} && head -c 4150000 /dev/zero > ${place}/filler`,
      `umount ${place}`,
    );
    expect(verdict).toMatchObject({ scenario: "application-server-failure" });
    expect(verdict.reasons).toEqual([expect.stringMatching(`^disk ${place}: [01] % of 4 MiB free`)]);
    expect(next[0]?.command).toContain(`du -xh --max-depth=3 ${place}`);
  });

  test("suspects a break-in of a program among the uploads", async () => {
    const file = "/var/www/chatbot/data/uploads/holiday.php";
    const { verdict } = await broken(`echo '<?php' > ${file}`, `rm ${file}`);
    expect(verdict).toMatchObject({
      scenario: "compromise",
      reasons: [`${file}: a program among what visitors send`],
    });
  });

  test("of a host whose sshd takes connections and says nothing does not call it well", async () => {
    const listener = "$(systemctl show --property=MainPID --value ssh.service)";
    const { verdict, exitCode } = await broken(`kill -STOP ${listener}`, `kill -CONT ${listener}`);
    expect(verdict).toMatchObject({ outcome: "unclear", scenario: null });
    expect(verdict.reasons[0]).toContain("is silent");
    expect(exitCode).toBe(1);
  });

  test("of a host that is off proposes a rebuild", async () => {
    const lost = ["OUTPUT", "-d", host.machine.address, "-j", "DROP"];
    await execa("iptables", ["-I", ...lost]);
    const { verdict, next, exitCode } = await assess(...named()).finally(() =>
      execa("iptables", ["-D", ...lost]),
    );
    expect(verdict).toMatchObject({ scenario: "complete-failure", priority: "P0", rtoSeconds: 14_400 });
    expect(next.at(-1)?.command).toMatch(/^npx recovery rebuild --site /);
    expect(exitCode).toBe(1);
  });
});

describe("check", { timeout: 600_000 }, () => {
  const check = (...args: string[]) => host.recovery("check", "--site", host.site, ...named(), ...args);
  const messages = () =>
    host.onHost(
      `runuser -u www-data -- sqlite3 -cmd '.timeout 5000' ${database} 'SELECT count(*) FROM messages'`,
    );
  const traces = () => host.onHost("ls -d /run/recovery-check.* 2>/dev/null || true");

  test("of a host that recovery never touched says what it needs, installs it when told to, and leaves nothing", async () => {
    await host.onHost("mv /var/lib/recovery /root/recovery && apt-get -qq -y remove jq 2>&1");
    try {
      const refused = await check();
      expect(refused).toMatchObject({ exitCode: 3, stdout: "" });
      expect(refused.stderr).toContain("the checks need on the host what it lacks: jq\n");
      const before = await messages();
      const readOnly = typed(
        'npx recovery check --site site.yaml --host root@192.0.2.10 --host-key "ssh-ed25519 AAAA…" --read-only',
        { "192.0.2.10": host.machine.address, "ssh-ed25519 AAAA…": host.machine.hostKey },
      );
      const asked = await execa("bash", ["-c", `${readOnly} --install`], {
        cwd: host.directory,
        env: host.environment,
      });
      expect(asked.stderr).toContain("installed jq");
      expect(asked.stdout.split("\n").filter((line) => !line.startsWith("ok"))).toEqual([]);
      expect(asked.exitCode).toBe(0);
      expect(await messages()).toBe(before);
      expect(await traces()).toBe("");
      expect(await host.onHost("ls -d /var/lib/recovery 2>/dev/null || true")).toBe("");
    } finally {
      await host.onHost("rm -rf /var/lib/recovery && mv /root/recovery /var/lib/recovery");
    }
  });

  // Root's reading would leave, for a moment, a -wal and a -shm that only root may open.
  test("takes no SQLite database from the site: it is read as its owner", async () => {
    const [readers, wrapper] = ["/tmp/recovery-test-readers", "/usr/local/bin/sqlite3"];
    await host.onHost(
      [
        `install -m 666 /dev/null ${readers}`,
        `printf '#!/bin/sh\nid -un >>${readers}\nexec /usr/bin/sqlite3 "$@"\n' >${wrapper} && chmod 755 ${wrapper}`,
      ].join(" && "),
    );
    try {
      expect((await check("--read-only")).exitCode).toBe(0);
      expect(await host.onHost(`sort -u ${readers}`)).toBe("www-data\n");
    } finally {
      await host.onHost(`rm ${readers} ${wrapper}`);
    }
  });

  test("is no run: it does not wait for the one that has the host, and says so", async () => {
    await host.onHost("systemd-run --quiet --collect --unit=recovery-test sleep 600");
    try {
      const asked = await check("--json");
      expect(asked.exitCode, asked.stdout).toBe(0);
      expect(asked.stderr).toContain("a recovery is under way on this host: recovery-test.service");
      expect(asked.stdout).not.toContain(token);
      const [mode] = (JSON.parse(asked.stdout) as { title: string; ok: boolean }[]).filter(({ title }) =>
        title.startsWith(".env"),
      );
      expect(mode?.ok).toBe(true);
      expect(await traces()).toBe("");
    } finally {
      await host.onHost("systemctl stop recovery-test");
    }
  });
});
