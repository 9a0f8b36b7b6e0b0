import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { findEngine } from "../../engine/find.ts";
import { prepareSample } from "../../examples/chatbot/prepare.ts";
import { baseNeeds, ensureBase, type Base } from "../../machines/base.ts";
import { ensureDebianPackages } from "../../machines/debian-packages.ts";
import { createMachine, machineNeeds, type Machine } from "../../machines/nspawn.ts";
import { ensureBaked } from "../../run/bake.ts";
import { loadSite } from "../../site/load.ts";
import { startAgent, type ThrowAwayAgent } from "../../ssh/agent.ts";
import { connect, type SshConnection } from "../../ssh/connection.ts";

export const commandLine = fileURLToPath(new URL("../../scripts/recovery.js", import.meta.url));
export const say = (line: string) => {
  process.stderr.write(`${line}\n`);
};

/** Has what the tests of a whole recovery need on this computer: an engine, too, is not waited for within a test that it takes the time of. */
export async function needed(...more: string[]): Promise<void> {
  await ensureDebianPackages(
    [
      ...baseNeeds,
      ...machineNeeds,
      { command: "git", package: "git" },
      { command: "rclone", package: "rclone" },
      { command: "ssh-agent", package: "openssh-client" },
      ...["sqlite3", ...more].map((name) => ({ command: name, package: name })),
    ],
    say,
  );
  await findEngine({ allowBuild: true, say });
}

/** An operator's computer, as far as its command line knows: with a state of its own. */
export interface Operator {
  /** Starts `recovery` with these arguments. */
  start(...args: string[]): ChildProcess;
  /** Runs `recovery` to its end. */
  recovery(...args: string[]): Promise<{ exitCode?: number; stdout: string; stderr: string }>;
}

/** A blank host, a sample site with a backup of it, and an operator: all in folders of the test's own. */
export interface RecoveryHost extends Operator {
  machine: Machine;
  agent: ThrowAwayAgent;
  /** Folder of the site's configuration, of the backups and of the operator's state. */
  directory: string;
  site: string;
  sample: Awaited<ReturnType<typeof prepareSample>>;
  /** What the host was made of: another machine may be. */
  base: Base;
  environment: Record<string, string>;
  /** Runs a command on the host, over a connection of the test's own that is dialled again when it was lost; throws when it fails. */
  onHost(command: string): Promise<string>;
  /** Pulls the host's network cable while something is done: neither side is told that the other cannot be reached. */
  withoutNetwork<Result>(act: () => Promise<Result>): Promise<Result>;
  /** A second operator, who knows nothing of the first. */
  anotherOperator(): Operator;
  close(): Promise<void>;
}

/** What every rebuild is told that is about something else than the old server, DNS and the time after. */
export const besides = ["--old-host-is-off", "--skip-dns", "--watch", "0s"];

export type SampleOptions = Parameters<typeof prepareSample>[0];

/** On a host that has the sample's packages already; on a `blank` one for what is about them, or about a site with others. */
export async function recoveryHost({
  blank = false,
  ...options
}: SampleOptions & { blank?: boolean } = {}): Promise<RecoveryHost> {
  await needed();
  const directory = await mkdtemp(join(tmpdir(), "recovery-test-"));
  const sample = await prepareSample({ ...options, directory });
  const { site } = sample;
  const base = blank
    ? await ensureBase("12", say)
    : (await ensureBaked((await loadSite(site)).site, say)).base;
  const agent = await startAgent();
  const machine = await createMachine({
    release: "12",
    base,
    authorizedKeys: [agent.publicKey],
    admittedHosts: [],
    say,
  });
  const environment = {
    SSH_AUTH_SOCK: agent.socketPath,
    XDG_STATE_HOME: join(directory, "state"),
  };
  const target = {
    address: machine.address,
    port: machine.port,
    user: machine.user,
    hostKey: machine.hostKey,
    agentSocketPath: agent.socketPath,
  };
  let connection: SshConnection | undefined;
  const connected = async () => {
    if (connection) return connection;
    const made = await connect(target);
    void made.closed.then(() => (connection = undefined));
    return (connection = made);
  };
  await connected();
  const operator = (stateFolder: string): Operator => {
    const child = {
      cwd: directory,
      env: { ...process.env, ...environment, XDG_STATE_HOME: join(directory, stateFolder), CI: "true" },
    };
    return {
      start: (...args) =>
        spawn(process.execPath, [commandLine, ...args], { ...child, stdio: ["ignore", "pipe", "pipe"] }),
      recovery: (...args) =>
        execa(process.execPath, [commandLine, ...args], { ...child, stdin: "ignore", reject: false }),
    };
  };
  return {
    machine,
    agent,
    directory,
    site,
    sample,
    base,
    environment,
    onHost: async (command) => {
      const { exitCode, stdout, stderr } = await (await connected()).run(command, { timeoutSeconds: 120 });
      if (exitCode !== 0) throw new Error(`${command} ended with ${exitCode}: ${stderr}`);
      return stdout;
    },
    withoutNetwork: async (act) => {
      await connection?.close();
      const turn = (state: "up" | "down") => execa("ip", ["link", "set", machine.networkInterface, state]);
      await turn("down");
      try {
        return await act();
      } finally {
        await turn("up");
      }
    },
    ...operator("state"),
    anotherOperator: () => operator("state-of-another"),
    close: async () => {
      await connection?.close();
      await machine.destroy();
      await agent.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Asks the site for its front page as a visitor would, by whatever certificate it shows. */
export async function visit({ machine }: Pick<RecoveryHost, "machine">): Promise<void> {
  const name = "chatbot.example.test";
  await execa("curl", [
    ...["--silent", "--show-error", "--fail", "--insecure", "--noproxy", "*", "--output", "/dev/null"],
    ...["--resolve", `${name}:443:${machine.address}`, `https://${name}/`],
  ]);
}

/**
 * Gives the host an ACME authority that it trusts, as a real server trusts Let's Encrypt: pebble on its loopback, both of its
 * roots in the system's store. The site is told of it.
 */
export async function trustAnAuthority({
  onHost,
  site,
}: Pick<RecoveryHost, "onHost" | "site">): Promise<void> {
  await authorityOn(onHost);
  const text = await readFile(site, "utf8");
  await writeFile(
    site,
    text.replace(/^tls:\n(?! {2}directory)/m, "tls:\n  directory: https://127.0.0.1:14000/dir\n"),
  );
}

/** The authority alone, on another host of a site that was told of it. */
export async function authorityOn(onHost: RecoveryHost["onHost"]): Promise<void> {
  await onHost(
    [
      "export DEBIAN_FRONTEND=noninteractive",
      "command -v pebble >/dev/null || { apt-get -qq update && apt-get -qq -y install --no-install-recommends pebble ca-certificates openssl curl >/dev/null; }",
      "mkdir -p /etc/pebble-test && cd /etc/pebble-test",
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=pebble -addext subjectAltName=IP:127.0.0.1 -keyout server.key -out server.pem 2>/dev/null",
      `printf '%s' '{"pebble":{"listenAddress":"127.0.0.1:14000","managementListenAddress":"127.0.0.1:15000","certificate":"/etc/pebble-test/server.pem","privateKey":"/etc/pebble-test/server.key","httpPort":80,"tlsPort":443,"ocspResponderURL":"","externalAccountBindingRequired":false}}' > config.json`,
      "systemd-run --quiet --unit=test-authority --setenv=PEBBLE_VA_NOSLEEP=1 --setenv=PEBBLE_WFE_NONCEREJECT=0 pebble -config /etc/pebble-test/config.json",
      "cp server.pem /usr/local/share/ca-certificates/pebble-server.crt",
      "curl --silent --show-error --fail --cacert server.pem --noproxy '*' --retry 20 --retry-connrefused --retry-delay 0 -o /usr/local/share/ca-certificates/pebble-root.crt https://127.0.0.1:15000/roots/0",
      "update-ca-certificates >/dev/null 2>&1",
      "echo '127.0.0.1 chatbot.example.test' >> /etc/hosts",
    ].join(" && "),
  );
}
