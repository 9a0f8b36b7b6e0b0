import { mkdir, readdir, readFile, symlink } from "node:fs/promises";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { choosePoint } from "../../backups/choose-point.ts";
import { pinOf } from "../../backups/restore-point.ts";
import { prepareCommandPlugin, type CommandPlugin } from "../../engine/command-plugin.ts";
import { findEngine, type Engine } from "../../engine/find.ts";
import { openStack, type OpenStack } from "../../engine/stack.ts";
import { loadSite } from "../../site/load.ts";
import { startAgent } from "../../ssh/agent.ts";
import { fingerprint } from "../../ssh/connection.ts";
import { prepareRecovery, sitePoints, type PreparedRecovery } from "../../stacks/prepare.ts";
import { declareRecovery, hostSession } from "../../stacks/recovery.ts";
import { run } from "./drill-process.ts";
import { recoveryHost, say, trustAnAuthority, type RecoveryHost } from "./recovery-host.ts";
import { typed } from "./typed.ts";

/** Planted in the site's environment file: no state may hold them. */
const planted = {
  OPENAI_API_KEY: "sk-planted-77b1e0c92d",
  ADMIN_TOKEN: "planted#token$with'quotes-1f60",
};
const stackName = "chatbot.staging";
/** The stack itself, its two components, and a command for each step. */
const resourcesBesideSteps = 3;
const quiet = () => undefined;

let host: RecoveryHost;

/** All that the host's sshd ever said: it has a line even of a connection that was given up at once. */
const sshdLog = () => host.onHost("journalctl -q -u ssh -o cat");

interface Attempt {
  result: { step: string; outcome: string };
}

/** `STEP OUTCOME` of each attempt that the host made, in order. */
async function attempts(): Promise<string[]> {
  const text = await host.onHost("cat /var/lib/recovery/history.jsonl");
  return text
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as Attempt).result)
    .map(({ step, outcome }) => `${step} ${outcome}`);
}

/** What a visitor gets, by a certificate of the authority that the host itself runs in a drill. */
const frontPage = () =>
  host.onHost(
    "curl --silent --show-error --fail --cacert /var/lib/recovery/acme-root.pem https://chatbot.example.test/",
  );

const query = (sql: string) =>
  host.onHost(`runuser -u www-data -- sqlite3 -cmd '.timeout 5000' /var/www/chatbot/data/admin.db "${sql}"`);

/** Every file below a folder that holds one of the planted values. */
async function filesWithSecrets(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const found: string[] = [];
  for (const file of files) {
    const text = await readFile(file, "latin1");
    if (Object.values(planted).some((value) => text.includes(value))) found.push(file);
  }
  return found;
}

async function thePin() {
  const pin = pinOf(choosePoint(await sitePoints(await loadSite(host.site), quiet)));
  if (!pin) throw new Error("the sample has no point");
  return pin;
}

describe("the programs under an engine of our own", () => {
  let engine: Engine;
  let plugin: CommandPlugin;
  let prepared: PreparedRecovery;
  /** The steps that an engine event of the last run was about, with what it did. */
  let operations: string[] = [];
  let messages: string[] = [];

  beforeAll(async () => {
    const found = await findEngine({ allowBuild: true, say });
    if (!found) throw new Error("no Pulumi engine can be had here");
    engine = found;
    plugin = await prepareCommandPlugin(engine, say);
    host = await recoveryHost({ environment: planted });
  });

  afterAll(async () => {
    await host.close();
  });

  /** What differs from a first run by the operator that the host knows. */
  interface Given {
    attempt?: number;
    over?: string;
    folder?: string;
    agentSocketPath?: string;
    address?: string;
  }

  const onEvent = ({ resourcePreEvent, diagnosticEvent }: EngineEvent) => {
    const metadata = resourcePreEvent?.metadata;
    if (metadata?.type === "command:remote:Command" && metadata.op !== "same")
      operations.push(`${metadata.op} ${metadata.urn.split("::").at(-1) ?? ""}`);
    if (diagnosticEvent) messages.push(diagnosticEvent.message.trim());
  };

  async function withStack<Result>(
    given: Given,
    act: (stack: OpenStack) => Promise<Result>,
  ): Promise<Result> {
    const { attempt = 1, folder = "stack", agentSocketPath = host.agent.socketPath } = given;
    const { address = host.machine.address } = given;
    const { hostKey } = host.machine;
    prepared = await prepareRecovery(
      {
        siteFile: host.site,
        host: { address, port: 22, user: "root", hostKey },
        pin: await thePin(),
        attempt,
        ...(given.over === undefined ? {} : { over: given.over }),
        run: { id: `test-${folder}`, who: "test", why: "test" },
      },
      { isolated: true, say: quiet },
    );
    const session = hostSession(prepared, quiet, agentSocketPath);
    operations = [];
    messages = [];
    try {
      const stack = await openStack({
        engine,
        plugin,
        stackName,
        directory: join(host.directory, folder),
        environment: { SSH_AUTH_SOCK: agentSocketPath },
        program: () => Promise.resolve({ ...declareRecovery(prepared, session) }),
        say: quiet,
      });
      return await act(stack);
    } finally {
      await session.close();
    }
  }

  const up = (given: Given = {}) =>
    withStack(given, async (stack) => {
      await stack.up({ onEvent });
      return { outputs: await stack.outputs(), changes: await stack.changes() };
    });
  const stepCount = () => prepared.steps.length;
  const each = (outcome: string) => prepared.steps.map(({ id }) => `${id} ${outcome}`).sort();

  /** The engine's own command line on the state that it keeps for us. */
  async function pulumi(...args: string[]): Promise<string> {
    const folder = join(host.directory, "stack");
    const { stdout } = await execa(engine.path, [...args, "--stack", stackName, "--non-interactive"], {
      cwd: join(folder, "project"),
      env: {
        ...plugin.environment,
        PULUMI_HOME: join(folder, "home"),
        PULUMI_BACKEND_URL: `file://${join(folder, "state")}`,
        PULUMI_CONFIG_PASSPHRASE_FILE: join(folder, "passphrase"),
        PULUMI_SKIP_UPDATE_CHECK: "true",
      },
    });
    return stdout;
  }

  test("say at preview which point would be restored and how old it is, and dial nobody", async () => {
    const before = await sshdLog();
    const { changes } = await withStack({}, (stack) => stack.preview({ onEvent }));
    expect(changes).toEqual({ create: stepCount() + resourcesBesideSteps });
    const { point } = prepared;
    expect(messages.join("\n")).toMatch(
      new RegExp(
        String.raw`the restore point is ${point.id} in local, with data of ${point.timeOfData ?? ""} \(\d+ min old\)`,
      ),
    );
    expect(await sshdLog()).toBe(before);
  });

  test("bring the site back, and tell where it is, what was restored and of when it is", async () => {
    const before = await sshdLog();
    const { outputs } = await up();
    expect((await attempts()).sort()).toEqual(each("done"));
    expect(await frontPage()).toContain("agents are ready to talk");
    expect(Object.fromEntries(Object.entries(outputs).map(([name, { value }]) => [name, value]))).toEqual({
      url: "https://chatbot.example.test/",
      address: host.machine.address,
      restorePoint: prepared.point.id,
      dataTime: host.sample.time.toISOString(),
    });
    // The control of all that follows: what dials is seen.
    expect((await sshdLog()).length).toBeGreaterThan(before.length);
  });

  test("change nothing a second time, nor at a refresh, and dial nobody", async () => {
    const [log, done] = [await sshdLog(), await attempts()];
    const { changes } = await up();
    expect(changes).toEqual({ same: stepCount() + resourcesBesideSteps });
    expect(operations).toEqual([]);
    expect(await pulumi("refresh", "--yes")).toContain(`${stepCount() + resourcesBesideSteps} unchanged`);
    expect(await sshdLog()).toBe(log);
    expect(await attempts()).toEqual(done);
  });

  test("dial nobody for another ssh key and address, and use them when there is something to do: a raised attempt runs every step again", async () => {
    const rotated = await startAgent();
    try {
      const log = await sshdLog();
      // The host does not know this key yet: whoever dialled with it would be refused.
      const address = `::ffff:${host.machine.address}`;
      const unchanged = await up({ agentSocketPath: rotated.socketPath, address });
      expect(unchanged.changes).toEqual({ same: stepCount() + resourcesBesideSteps });
      expect(unchanged.outputs["address"]?.value).toBe(address);
      expect(await sshdLog()).toBe(log);

      await host.onHost(`echo '${rotated.publicKey}' >/root/.ssh/authorized_keys`);
      await query("UPDATE agents SET name = 'changed by a visitor' WHERE id = 1");
      // Its users were there: it is restored over when that restore is named, and not before.
      const refusal = await up({ agentSocketPath: rotated.socketPath, attempt: 2 }).then(
        () => "it was not refused",
        (error: unknown) => String(error),
      );
      expect(refusal).toContain("has served since");
      expect(await query("SELECT name FROM agents WHERE id = 1")).toBe("changed by a visitor\n");
      const [over] = /(?<=pulumi config set again ADDRESS@)[\d.:TZ-]+/.exec(refusal) ?? [];
      if (over === undefined) throw new Error("the refusal does not say how it is named");
      const done = await attempts();
      await up({ agentSocketPath: rotated.socketPath, attempt: 2, over });
      expect((await attempts()).slice(done.length).sort()).toEqual(each("done"));
      expect(await query("SELECT count(*) FROM agents WHERE name = 'changed by a visitor'")).toBe("0\n");
      expect(await frontPage()).toContain("agents are ready to talk");
      const logins = [...(await sshdLog()).slice(log.length).matchAll(/Accepted publickey .* (SHA256:\S+)/g)];
      expect(new Set(logins.map(([, key]) => key))).toEqual(new Set([fingerprint(rotated.publicKey)]));
    } finally {
      await host.onHost(`echo '${host.agent.publicKey}' >/root/.ssh/authorized_keys`);
      await rotated.close();
    }
  });

  test("restore nothing over a recovered host when their state was lost: the host knows what is done", async () => {
    await query("UPDATE agents SET name = 'changed since' WHERE id = 1");
    const done = await attempts();
    const { changes } = await up({ attempt: 2, folder: "another-stack" });
    expect(changes).toEqual({ create: stepCount() + resourcesBesideSteps });
    expect(await attempts()).toEqual(done);
    expect(await query("SELECT name FROM agents WHERE id = 1")).toBe("changed since\n");
  });

  test("keep no secret in state, its history and its backups, where a control is found", async () => {
    const states = ["stack", "another-stack"].map((folder) => join(host.directory, folder, "state"));
    for (const state of states) expect(await filesWithSecrets(state)).toEqual([]);
    expect(await pulumi("stack", "export", "--show-secrets")).not.toContain("planted");
    expect(await pulumi("stack", "export", "--show-secrets")).toContain("run-step restore");
    expect(await host.onHost("grep -c planted /var/www/chatbot/.env")).toBe("2\n");
  });

  test("forget the host when they are destroyed, and neither dial nor touch it", async () => {
    const [log, done] = [await sshdLog(), await attempts()];
    await withStack({ attempt: 2 }, (stack) => stack.destroy({ onEvent }));
    expect(operations.sort()).toEqual(prepared.steps.map(({ id }) => `delete ${id}`).sort());
    expect(await sshdLog()).toBe(log);
    expect(await attempts()).toEqual(done);
    expect(await frontPage()).toContain("agents are ready to talk");
  });
});

const vendors = vendorFolder();
if (vendors === undefined)
  test.skip("plain pulumi up: RECOVERY_VENDOR_PLUGINS names no folder with pulumi, pulumi-language-nodejs and pulumi-resource-command", () =>
    undefined);

describe.skipIf(vendors === undefined)("plain pulumi, with nothing but the vendor's parts", () => {
  let project: string;
  /** What the host is called in the documentation. */
  let own: Record<string, string>;

  beforeAll(async () => {
    host = await recoveryHost({ environment: planted });
    await trustAnAuthority(host);
    // The repository as project, but in a folder of the test's own: Pulumi writes each stack's config beside Pulumi.yaml.
    project = join(host.directory, "project");
    await mkdir(project);
    const repository = fileURLToPath(new URL("../../", import.meta.url));
    for (const name of await readdir(repository)) {
      if (!/^(\.git|Pulumi\..+\.yaml$)/.test(name))
        await symlink(join(repository, name), join(project, name));
    }
    await mkdir(join(host.directory, "backend"));
    own = { "192.0.2.10": host.machine.address };
  });

  afterAll(async () => {
    await host.close();
  });

  const shown = () => host.onHost("curl --silent --show-error --fail https://chatbot.example.test/");
  const pulumi = (...args: string[]) => carriedOut("pulumi", ...args, "--non-interactive");
  /** A line of the documentation. Who types it on a terminal is asked once more before anything is done. */
  const asTyped = (line: string) => carriedOut("bash", "-c", line);

  const environment = () => ({
    ...Object.fromEntries(
      Object.keys(process.env)
        .filter((name) => name.startsWith("PULUMI_"))
        .map((name) => [name, undefined]),
    ),
    PATH: `${vendors ?? ""}${delimiter}${process.env["PATH"] ?? ""}`,
    PULUMI_BACKEND_URL: `file://${join(host.directory, "backend")}`,
    PULUMI_HOME: join(host.directory, "pulumi-home"),
    PULUMI_CONFIG_PASSPHRASE: "not a secret",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PULUMI_SKIP_CONFIRMATIONS: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    ...host.environment,
  });

  async function carriedOut(command: string, ...args: string[]) {
    const { exitCode, stdout, stderr } = await execa(command, args, {
      cwd: project,
      reject: false,
      env: environment(),
    });
    return { exitCode, output: `${stdout}\n${stderr}`, stdout };
  }

  test("is told what the stack's name must say", async () => {
    await pulumi("stack", "init", "elsewhere");
    const { exitCode, output } = await pulumi("preview");
    expect(exitCode).not.toBe(0);
    expect(output).toContain(
      [
        "error: the stack elsewhere has no role",
        "    a stack is named after what it does: recovery, staging, backup, backup-server, offsite, server, staging-server, dns, or with the site's name in front: chatbot.recovery",
        "    pulumi stack init chatbot.recovery",
      ].join("\n"),
    );
    expect(output).not.toMatch(/^\s+at /m);
  });

  test("refuses without a word of the old server, and without a pin, in three lines that name the candidates and the command which pins one", async () => {
    for (const line of [
      typed("pulumi stack init photo-club.recovery", { "photo-club": "chatbot" }),
      typed("pulumi config set site /srv/club/site.yaml", { "/srv/club/site.yaml": host.site }),
      typed("pulumi config set host 192.0.2.10", own),
      typed('pulumi config set hostKey "ssh-ed25519 AAAA…"', { "ssh-ed25519 AAAA…": host.machine.hostKey }),
    ])
      expect((await asTyped(line)).exitCode).toBe(0);
    expect((await pulumi("preview")).output).toContain("pulumi config set oldHostIsOff true");
    expect((await asTyped(typed("pulumi config set oldHostIsOff true"))).exitCode).toBe(0);
    const { exitCode, output } = await pulumi("preview");
    expect(exitCode).not.toBe(0);
    expect(output).not.toMatch(/^\s+at |unhandled/m);
    const { id } = await thePin();
    expect(output).toContain(
      `error: no restore point is pinned\n    these could be restored: ${id} (data of ${host.sample.time.toISOString()})\n`,
    );
    const [, pin = ""] = /pulumi config set point (\S+)/.exec(output) ?? [];
    const pinning = typed("pulumi config set point full_backup_…@…@…", { "full_backup_…@…@…": pin });
    expect((await asTyped(pinning)).exitCode).toBe(0);
  });

  test("says at preview which point would be restored and how old it is, and dials nobody", async () => {
    const before = await sshdLog();
    const { exitCode, output } = await asTyped(typed("pulumi preview"));
    expect(exitCode).toBe(0);
    expect(output).toMatch(
      new RegExp(
        String.raw`the restore point is ${(await thePin()).id} in local, with data of ${host.sample.time.toISOString()} \(\d+ min old\)`,
      ),
    );
    expect(await sshdLog()).toBe(before);
  });

  test("is given up with Ctrl-C, pressed twice, when its host vanishes; what ran on the host goes on", async () => {
    await host.onHost(
      [
        String.raw`printf '%s\n' '#!/bin/sh' 'while [ -e /root/held ]; do sleep 0.1; done' 'exec /usr/bin/chown "$@"' >/usr/local/bin/chown`,
        "chmod 755 /usr/local/bin/chown && touch /root/held",
      ].join(" && "),
    );
    const up = run("pulumi", ["up", "--yes", "--non-interactive"], {
      cwd: project,
      env: { ...process.env, ...environment() },
    });
    await Promise.race([
      host.onHost("until pgrep -fx '/bin/sh /usr/local/bin/chown .*'; do sleep 0.1; done"),
      up.ended,
    ]);
    await host.withoutNetwork(async () => {
      process.kill(-up.pid, "SIGINT");
      await up.says("cancel");
      process.kill(-up.pid, "SIGINT");
      expect(await up.ended, up.stderr()).not.toBe(0);
    });
    await host.onHost("rm /root/held /usr/local/bin/chown");
  });

  test("brings the site back", async () => {
    const { exitCode, output } = await asTyped(
      typed(
        'pulumi up && npx recovery check --site site.yaml --host root@192.0.2.10 --host-key "ssh-ed25519 AAAA…" --restored',
        { ...own, "site.yaml": host.site, "ssh-ed25519 AAAA…": host.machine.hostKey },
      ),
    );
    expect(output).not.toMatch(/^ *error:/m);
    expect(output).toMatch(/^ok +The chat answers/m);
    expect(exitCode).toBe(0);
    expect(await shown()).toContain("agents are ready to talk");
    expect((await attempts()).every((attempt) => attempt.endsWith(" done"))).toBe(true);
    // The result of a step is for programs.
    expect(output).not.toContain('"outcome"');
    expect(JSON.parse((await pulumi("stack", "output", "--json")).stdout)).toEqual({
      url: "https://chatbot.example.test/",
      address: host.machine.address,
      restorePoint: (await thePin()).id,
      dataTime: host.sample.time.toISOString(),
    });
  });

  test("warns of what was interrupted until it is told to forget it", async () => {
    expect((await pulumi("up", "--yes")).output).toContain("pending operations");
    expect((await asTyped("pulumi refresh --clear-pending-creates --yes")).exitCode).toBe(0);
    expect((await pulumi("up", "--yes")).output).not.toContain("pending operations");
  });

  test("changes nothing a second time, nor at a refresh, and dials nobody", async () => {
    const [log, done] = [await sshdLog(), await attempts()];
    for (const command of ["up", "refresh"]) {
      const { exitCode, output } = await pulumi(command, "--yes");
      expect(exitCode).toBe(0);
      expect(output).toContain(`${done.length + resourcesBesideSteps} unchanged`);
    }
    expect((await pulumi("preview", "--expect-no-changes")).exitCode).toBe(0);
    expect(await sshdLog()).toBe(log);
    expect(await attempts()).toEqual(done);
    const { exitCode, output } = await asTyped(
      typed(
        'pulumi up && npx recovery check --site site.yaml --host 192.0.2.10 --host-key "ssh-ed25519 AAAA…"',
        { ...own, "site.yaml": host.site, "ssh-ed25519 AAAA…": host.machine.hostKey },
      ),
    );
    expect(exitCode, output).toBe(0);
    expect(await attempts()).toEqual(done);
  });

  test("shows what a failing step said, in its words", async () => {
    // A file where the log's folder belongs makes the permissions step fail.
    await host.onHost("systemctl stop chatbot-worker; rm -rf /var/log/chatbot && touch /var/log/chatbot");
    await pulumi("config", "set", "attempt", "2");
    // The site has served: another restore over it is told the one that it replaces.
    const refused = await pulumi("up", "--yes");
    expect(refused.exitCode).not.toBe(0);
    const [, replaced = ""] = /pulumi config set again ADDRESS@([\dTZ:.-]+)/.exec(refused.output) ?? [];
    const again = typed("pulumi config set again 192.0.2.10@2026-11-23T19:20:11.042Z", {
      ...own,
      "2026-11-23T19:20:11.042Z": replaced,
    });
    expect((await asTyped(again)).exitCode).toBe(0);
    const { exitCode, output } = await pulumi("up", "--yes");
    expect(exitCode).not.toBe(0);
    expect(output).toContain("read /var/lib/recovery/logs/permissions.log on the host");
    await host.onHost("rm /var/log/chatbot");
    expect((await pulumi("up", "--yes")).exitCode).toBe(0);
    expect(await shown()).toContain("agents are ready to talk");
  });

  test("keeps no secret in state, its history and its backups, where a control is found", async () => {
    const { stdout } = await pulumi("stack", "export", "--show-secrets");
    expect(stdout).toContain("run-step restore");
    expect(stdout).not.toContain("planted");
    expect(await filesWithSecrets(join(host.directory, "backend"))).toEqual([]);
    expect(await host.onHost("grep -c planted /var/www/chatbot/.env")).toBe("2\n");
  });

  test("forgets the host when it is destroyed, and neither dials nor touches it", async () => {
    const log = await sshdLog();
    expect((await pulumi("destroy", "--yes")).exitCode).toBe(0);
    expect(JSON.parse((await pulumi("stack", "export")).stdout)).not.toHaveProperty("deployment.resources");
    expect(await sshdLog()).toBe(log);
    expect(await shown()).toContain("agents are ready to talk");
  });
});

/** The folder that RECOVERY_VENDOR_PLUGINS names, when it holds all that plain `pulumi up` takes. */
function vendorFolder(): string | undefined {
  const folder = process.env["RECOVERY_VENDOR_PLUGINS"];
  const parts = ["pulumi", "pulumi-language-nodejs", "pulumi-resource-command"];
  return folder !== undefined && parts.every((part) => existsSync(join(folder, part))) ? folder : undefined;
}
