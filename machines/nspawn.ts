import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { OperatorError, exitCodes } from "../site/operator-error.ts";
import { baseNeeds, ensureBase, type Base } from "./base.ts";
import type { DebianRelease } from "../site/debian-versions.ts";
import { ensureDebianPackages, type DebianNeed } from "./debian-packages.ts";
import { guestFiles, privateFolders, type GuestFile } from "./guest-files.ts";
import { startKeeper, type Keeper } from "./keeper.ts";
import { folderOf, makeSharedFolders, writeRecord, type MachineRecord } from "./machine-record.ts";
import { identifyProcess, isRunning, type ProcessIdentity } from "./process-identity.ts";
import { ownAddresses } from "./proxy.ts";
import { removeMachine } from "./remove-machine.ts";
import { freeSubnets, takenNetworks, type Subnet } from "./subnet.ts";
import { newKeyPair } from "./key-pair.ts";
import { interfaceOf, wallRules } from "./wall-rules.ts";
import { openWall, type Wall } from "./wall.ts";

export { listMachines, sweepMachines } from "./machines.ts";
export { removeMachine };

export interface MachineRequest {
  /** Its host name; by default made from its id. */
  name?: string;
  release: DebianRelease;
  /** What it lies over; by default the blank system of the release, made when it is not there. */
  base?: Base;
  /** Public keys, as in authorized_keys, that may enter as root. */
  authorizedKeys: readonly string[];
  /** Host names, beside the Debian mirror's, that it may reach until its wall is closed. */
  admittedHosts: readonly string[];
  say: (line: string) => void;
  signal?: AbortSignal;
}

/** A throw-away Debian on this computer, with a systemd of its own and no way out but its wall's proxy. */
export interface Machine {
  /** Eight hexadecimal digits; every name of it on this computer holds them. */
  id: string;
  name: string;
  debian: DebianRelease;
  address: string;
  port: 22;
  user: "root";
  /** `ssh-ed25519 AAAA…`, made here and put into it before it was started: known without ever asking it. */
  hostKey: string;
  /** Its root as seen from here; there while it runs. */
  rootDirectory: string;
  /** All of it on disk; what it changed lies in `upper`. Gone after destroy(). */
  directory: string;
  /** Paths in its root, without a leading slash, of what makes it this machine: its name, keys, way out. */
  ownFiles: readonly string[];
  networkInterface: string;
  /** Of what runs systemd-nspawn on this computer, again after a reboot. */
  pid: number;
  /** From the start of its systemd to the first answer of its sshd. */
  bootSeconds: number;
  wall: Wall;
  /** Writes a known_hosts file with its key into this folder, for a person's ssh. @returns the path of the file */
  knownHosts(folder: string): Promise<string>;
  /** Ends all that runs in it, in order; its files stay until destroy(). */
  shutDown(): Promise<void>;
  /** Hands it over: it outlives this process, its wall closed, until `removeMachine`. */
  release(): Promise<void>;
  /** Removes it and everything of it; may be repeated. @throws OperatorError exit code 1 when something is left */
  destroy(): Promise<void>;
}

/** What local machines need on the operator's computer. */
export const machineNeeds: readonly DebianNeed[] = [
  ...baseNeeds,
  { command: "systemd-nspawn", package: "systemd-container" },
  { command: "iptables", package: "iptables" },
  { command: "ip", package: "iproute2" },
  { command: "ssh-keygen", package: "openssh-client" },
];

const sshPort = 22;
const answerWithinSeconds = 30;
const shutDownWithinSeconds = 120;
const attemptMilliseconds = 100;
const retryMilliseconds = 15;

/**
 * Makes and starts a machine; resolves when its sshd answers.
 * If this process dies at any moment, kill -9 included, all of it is removed within seconds.
 * @throws OperatorError exit code 3 when this computer cannot run machines, 1 when it did not start
 */
export async function createMachine(request: MachineRequest): Promise<Machine> {
  const { say, signal } = request;
  await ensureDebianPackages(machineNeeds, say);
  if (process.getuid?.() !== 0) {
    throw new OperatorError(
      exitCodes.missingHere,
      "a local machine cannot be started",
      "mounting its root and giving it a network needs root",
      "run the same command with sudo, or name a throw-away host with --host",
    );
  }
  const base = request.base ?? (await ensureBase(request.release, say, signal));
  const id = randomBytes(4).toString("hex");
  const owner = identifyProcess(process.pid);
  if (!owner) throw new Error("this process cannot be found in /proc");
  makeSharedFolders();
  const keeper = await startKeeper(id);
  const record: MachineRecord = {
    id,
    name: request.name ?? `recovery-${id}`,
    release: request.release,
    createdAt: new Date().toISOString(),
    owner,
    keeper: identifyProcess(keeper.pid) ?? { pid: keeper.pid, startTicks: 0 },
    released: false,
  };
  let disposeWall = () => Promise.resolve();
  const remove = async () => {
    await disposeWall();
    await removeMachine(id, keeper);
  };
  try {
    writeRecord(record);
    signal?.throwIfAborted();
    const subnet = await claimSubnet(keeper);
    Object.assign(record, { address: subnet.guest });
    await act(keeper, `network ${subnet.host} ${subnet.guest}`, "its network could not be made");
    const opened = await openWall(
      { hostAddress: subnet.host, guestAddress: subnet.guest },
      { mirrors: base.mirrors, hosts: request.admittedHosts },
      async () => {
        await keeper.ask("close-egress");
      },
    );
    const { wall } = opened;
    disposeWall = () => opened.dispose();
    const networkInterface = interfaceOf(id);
    const hostKey = await newKeyPair(record.name);
    const files = guestFiles({
      hostname: record.name,
      machineId: randomBytes(16).toString("hex"),
      guestAddress: subnet.guest,
      authorizedKeys: request.authorizedKeys,
      hostKey: { privateKey: hostKey.private, publicKey: hostKey.public },
      proxy: wall.proxy,
      canary: { port: wall.canary.port },
      operatorAddresses: ownAddresses(),
    });
    const rules = wallRules({
      id,
      networkInterface,
      hostAddress: subnet.host,
      guestAddress: subnet.guest,
      proxyPort: wall.proxy.port,
    });
    layOut(folderOf(id), base.root, files, rules);
    const publicHostKey = hostKey.public.split(" ").slice(0, 2).join(" ");
    writeRecord(Object.assign(record, { hostKey: publicHostKey }));
    signal?.throwIfAborted();

    const started = performance.now();
    const pid = Number(await act(keeper, "boot", "its firewall rules could not be set"));
    await answerOf(subnet.guest, pid, id, signal);
    const bootSeconds = (performance.now() - started) / 1000;

    let handedOver = false;
    let removing: Promise<void> | undefined;
    return {
      id,
      name: record.name,
      debian: request.release,
      address: subnet.guest,
      port: sshPort,
      user: "root",
      hostKey: publicHostKey,
      get rootDirectory() {
        return `/proc/${firstProcessOf(pid)}/root`;
      },
      directory: folderOf(id),
      ownFiles: files.map(({ path }) => path),
      networkInterface,
      pid,
      bootSeconds,
      wall,
      async knownHosts(folder) {
        const path = join(folder, "known_hosts");
        await writeFile(path, `${subnet.guest} ${publicHostKey}\n`, { mode: 0o600 });
        return path;
      },
      async shutDown() {
        const supervisor = identifyProcess(pid);
        if (!supervisor) return;
        // systemd-nspawn(1): of a machine that it boots it asks an orderly end. It is the launcher's child.
        for (const nspawn of childrenOf(pid)) process.kill(nspawn, "SIGTERM");
        const deadline = performance.now() + shutDownWithinSeconds * 1000;
        while (isRunning(supervisor)) {
          if (performance.now() > deadline)
            throw new Error(`the machine ${id} does not end: ${lastWordsOf(id)}`);
          await pause(retryMilliseconds);
        }
      },
      async release() {
        await wall.close();
        writeRecord({ ...record, released: true });
        await keeper.ask("release");
        handedOver = true;
        await disposeWall();
      },
      async destroy() {
        removing ??= handedOver ? removeMachine(id) : remove();
        await removing;
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function claimSubnet(keeper: Keeper): Promise<Subnet> {
  for (const subnet of freeSubnets(await takenNetworks(), Math.random)) {
    try {
      await keeper.ask(`claim ${subnet.network}`);
      return subnet;
    } catch (error) {
      if (!(error instanceof Error && error.message === "taken")) throw error;
    }
  }
  throw new OperatorError(
    exitCodes.missingHere,
    "a local machine could not be started",
    "routes of this computer cover every private network that it could use",
    "remove a route (`ip route`), such as that of a VPN, and run the same command again",
  );
}

async function act(keeper: Keeper, command: string, what: string): Promise<string> {
  try {
    return await keeper.ask(command);
  } catch (error) {
    throw new OperatorError(
      exitCodes.failed,
      `a local machine could not be started: ${what}`,
      keeper.complaints() || (error instanceof Error ? error.message : String(error)),
      "see that systemd-container, iptables and iproute2 are installed and that this is no container without their rights; then run the same command again",
      { cause: error },
    );
  }
}

/** Writes what the keeper starts the machine from. Synchronous: nothing of it can happen after this process is killed. */
function layOut(
  folder: string,
  lower: string,
  files: readonly GuestFile[],
  rules: { ipv4: string; ipv6: string },
): void {
  const upper = join(folder, "upper");
  chmodSync(folder, 0o700);
  for (const name of ["upper", "work", "root"]) mkdirSync(join(folder, name));
  chmodSync(upper, 0o755);
  // By a link, since a path with a colon or a comma would end the mount option.
  symlinkSync(lower, join(folder, "lower"));
  const made = new Set<string>(["."]);
  const makeFolder = (path: string) => {
    if (made.has(path)) return;
    makeFolder(dirname(path));
    mkdirSync(join(upper, path));
    // Whatever the umask: in an overlay the upper folder's mode is the folder's mode.
    chmodSync(join(upper, path), privateFolders[path] ?? 0o755);
    made.add(path);
  };
  for (const { path, content, mode } of files) {
    makeFolder(dirname(path));
    writeFileSync(join(upper, path), content);
    chmodSync(join(upper, path), mode);
  }
  writeFileSync(join(folder, "wall.ipv4"), rules.ipv4);
  writeFileSync(join(folder, "wall.ipv6"), rules.ipv6);
}

/** Resolves when the machine's sshd has sent its banner. */
async function answerOf(address: string, pid: number, id: string, signal?: AbortSignal): Promise<void> {
  const supervisor: ProcessIdentity | undefined = identifyProcess(pid);
  const deadline = performance.now() + answerWithinSeconds * 1000;
  while (!(await greets(address))) {
    signal?.throwIfAborted();
    const gone = supervisor === undefined || !isRunning(supervisor);
    if (gone || performance.now() > deadline) {
      throw new OperatorError(
        exitCodes.failed,
        gone
          ? "the local machine ended while it was starting"
          : `the local machine did not answer within ${answerWithinSeconds} s`,
        lastWordsOf(id),
        "run the same command again; when it happens again, look at the free memory and disk of this computer",
      );
    }
    await pause(retryMilliseconds);
  }
}

function greets(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: sshPort });
    const end = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    // One attempt is short: a SYN that got lost before the machine listened would be sent again after a second.
    socket.setTimeout(attemptMilliseconds, () => {
      end(false);
    });
    socket.once("error", () => {
      end(false);
    });
    socket.once("end", () => {
      end(false);
    });
    socket.once("data", (banner) => {
      end(banner.toString("latin1").startsWith("SSH-"));
    });
  });
}

function lastWordsOf(id: string): string {
  try {
    return readFileSync(join(folderOf(id), "console.log"), "utf8")
      .split("\n")
      .map((line) => stripVTControlCharacters(line).trim())
      .filter(Boolean)
      .slice(-3)
      .join("; ");
  } catch {
    return "it said nothing on its console";
  }
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    .trim()
    .split(" ")
    .filter(Boolean)
    .map(Number);
}

/** The machine's own pid 1, by its number on this computer; another after a reboot. */
function firstProcessOf(launcher: number): number {
  // nspawn is the launcher's child, and the machine's pid 1 is that one's.
  for (const child of childrenOf(launcher).flatMap(childrenOf)) {
    if (/^NSpid:.*\t1$/m.test(readFileSync(`/proc/${child}/status`, "utf8"))) return child;
  }
  throw new Error(`no first process below ${launcher}`);
}
