import { spawn, type ChildProcess } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createMachine,
  listMachines,
  removeMachine,
  sweepMachines,
  type Machine,
} from "../../machines/nspawn.ts";
import { newKeyPair } from "../../machines/key-pair.ts";
import { tracesOf } from "./traces.ts";

const folder = mkdtempSync(join(tmpdir(), "recovery-machine-"));
const key = await newKeyPair("machine-test");
const keyFile = join(folder, "key");
writeFileSync(keyFile, key.private, { mode: 0o600 });

const say = (line: string) => {
  console.log(line);
};
const quiet = () => undefined;
const goneWithinMilliseconds = 30_000;

function request(more: Partial<Parameters<typeof createMachine>[0]> = {}) {
  return { release: "12", authorizedKeys: [key.public], admittedHosts: [], say, ...more } as const;
}

/** As an operator enters: with the pinned key, asking nothing. */
async function enter(machine: Pick<Machine, "address" | "hostKey">, script: string): Promise<string> {
  const knownHosts = join(folder, `known_hosts-${machine.address}`);
  writeFileSync(knownHosts, `${machine.address} ${machine.hostKey}\n`);
  const options = [
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    `UserKnownHostsFile=${knownHosts}`,
    "ConnectTimeout=10",
  ];
  const { stdout } = await execa(
    "ssh",
    [...options.flatMap((option) => ["-o", option]), "-i", keyFile, `root@${machine.address}`, "bash -s"],
    { input: script },
  );
  return stdout;
}

async function untilNothingIsLeft(id: string): Promise<number> {
  const started = performance.now();
  await expect.poll(() => tracesOf(id), { timeout: goneWithinMilliseconds, interval: 100 }).toEqual([]);
  return (performance.now() - started) / 1000;
}

/** A command of its own that makes a machine, says its id and address, and waits. */
function startOwner(then = ""): ChildProcess {
  const program = `
    import { createMachine } from ${JSON.stringify(join(process.cwd(), "machines/nspawn.ts"))};
    const machine = await createMachine(${JSON.stringify({ ...request(), say: undefined }).replace(/}$/, ", say() {} }")});
    ${then}
    console.log(JSON.stringify(machine));
    setInterval(() => {}, 1000);
  `;
  return spawn(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

async function machineOf(owner: ChildProcess): Promise<Machine> {
  if (!owner.stdout) throw new Error("no stdout");
  const [line] = (await once(owner.stdout.setEncoding("utf8"), "data")) as [string];
  return JSON.parse(line) as Machine;
}

/** The id of the machine that a process has begun to make. */
async function idBegunBy(owner: ChildProcess): Promise<string> {
  for (;;) {
    const begun = (await listMachines()).find(({ record }) => record?.owner.pid === owner.pid);
    if (begun) return begun.id;
    if (owner.exitCode !== null) throw new Error("the owner ended by itself");
    await pause(2);
  }
}

beforeAll(async () => {
  // One-time work, so that what is timed below is not the making of the base system.
  const machine = await createMachine(request());
  await machine.destroy();
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe("a local machine", () => {
  it.each(["12", "13"] as const)(
    "is Debian %s with a real systemd, a key known before it was started, and nothing left after it",
    async (release) => {
      const started = performance.now();
      const machine = await createMachine(request({ release, name: "drill" }));
      const seconds = (performance.now() - started) / 1000;
      say(
        `Debian ${release}: ${machine.bootSeconds.toFixed(2)} s from its start to its ssh banner, ${seconds.toFixed(2)} s in all`,
      );
      try {
        const facts = await enter(
          machine,
          `cat /proc/1/comm; systemctl is-system-running --wait; . /etc/os-release; echo $VERSION_ID; hostname; stat -c %a /root/.ssh /
         command -v jq curl git; sysctl -qw net.ipv4.ip_forward=0 && echo may set its own network`,
        );
        expect(facts.split("\n")).toEqual([
          "systemd",
          "running",
          release,
          "drill",
          "700",
          "755",
          "may set its own network",
        ]);
        expect(readFileSync(join(machine.rootDirectory, "etc/hostname"), "utf8")).toBe("drill\n");
        const machineId = await enter(machine, "cat /etc/machine-id; ls /etc/ssh/ssh_host_*_key");
        expect(machineId).toMatch(/^[0-9a-f]{32}\n\/etc\/ssh\/ssh_host_ed25519_key$/);
        // What looks for traces finds them while they are there.
        const traces = await tracesOf(machine.id);
        for (const kind of ["rule", "interface", "record", "folder", "network", "cgroup", "process"]) {
          expect(
            traces.some((trace) => trace.startsWith(kind)),
            kind,
          ).toBe(true);
        }
      } finally {
        await machine.destroy();
        await machine.destroy();
      }
      expect(await tracesOf(machine.id)).toEqual([]);
    },
  );

  it("installs packages through its wall, runs their services, and reaches no other host", async () => {
    const machine = await createMachine(request());
    try {
      const installed = await enter(
        machine,
        `export DEBIAN_FRONTEND=noninteractive
         { apt-get update && apt-get upgrade -y && apt-get install -y --no-install-recommends nginx-light php8.2-fpm; } >/tmp/log 2>&1 || tail /tmp/log
         systemctl is-active nginx php8.2-fpm
         exec 3<>/dev/tcp/127.0.0.1/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; head -n 1 <&3`,
      );
      expect(installed.trim().split("\n")).toEqual(["active", "active", "HTTP/1.1 200 OK"]);
      expect(machine.wall.refused).toEqual([]);

      const { address, port } = machine.wall.proxy;
      const refused = await enter(
        machine,
        `exec 3<>/dev/tcp/${address}/${port}; printf 'GET http://example.org/ HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3`,
      );
      expect(refused).toMatch(
        /^HTTP\/1\.1 403 [^]*example\.org is neither the Debian mirror nor named in site\.yaml/,
      );
      expect(machine.wall.refused.map(({ host }) => host)).toEqual(["example.org"]);
    } finally {
      await machine.destroy();
    }
  });
});

describe("the wall", () => {
  let machine: Machine;
  let operatorAddresses: string[];

  beforeAll(async () => {
    machine = await createMachine(request());
    await enter(
      machine,
      "{ apt-get update && apt-get install -y --no-install-recommends iputils-ping; } >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }",
    );
    const facts = JSON.parse(await enter(machine, "cat /etc/recovery-wall.json")) as typeof machine.wall & {
      operatorAddresses: string[];
    };
    expect(facts).toMatchObject({ proxy: machine.wall.proxy, canary: { port: machine.wall.canary.port } });
    ({ operatorAddresses } = facts);
    // Even where this computer forwards packets, as one with containers does. Gone with the interface.
    writeFileSync(`/proc/sys/net/ipv4/conf/${machine.networkInterface}/forwarding`, "1");
  });

  afterAll(async () => {
    await machine.destroy();
  });

  /** Tries everything from inside; a line for each attempt: what, whether it went through, after how many seconds. */
  async function attempts(preparation = ""): Promise<{ what: string; through: boolean; seconds: number }[]> {
    const { canary, proxy } = machine.wall;
    const scoped = operatorAddresses.map((address) =>
      /^fe80/i.test(address) ? `${address}%host0` : address,
    );
    const targets = [...scoped, "192.0.2.77", "9.9.9.9", "fe80::1%host0", "2620:fe::fe"];
    const output = await enter(
      machine,
      `${preparation}
       attempt() { local start=$EPOCHREALTIME result=no; timeout 8 bash -c "$2" >/dev/null 2>&1 && result=yes; echo "$1|$result|$start|$EPOCHREALTIME"; }
       udp() { echo "exec 3<>/dev/udp/$1/$2; echo ping >&3; read -r -N 4 -t 4 answer <&3"; }
       attempt "proxy tcp" "exec 3<>/dev/tcp/${proxy.address}/${proxy.port}"
       attempt "proxy udp" "$(udp ${proxy.address} ${proxy.port})"
       attempt "name" "getent hosts deb.debian.org"
       for address in ${targets.join(" ")}; do
         attempt "$address tcp" "exec 3<>/dev/tcp/$address/${canary.port}" &
         attempt "$address ssh" "exec 3<>/dev/tcp/$address/22" &
         attempt "$address udp" "$(udp "$address" ${canary.port})" &
         attempt "$address dns" "$(udp "$address" 53)" &
         attempt "$address ping" "ping -c 1 -W 2 $address" &
       done
       wait`,
    );
    return output.split("\n").map((line) => {
      const [what = "", result, start, end] = line.split("|");
      return { what, through: result === "yes", seconds: Number(end) - Number(start) };
    });
  }

  it("while open lets through its proxy alone, over TCP and UDP", async () => {
    const through = (await attempts()).filter((attempt) => attempt.through).map(({ what }) => what);
    expect(through).toEqual(["proxy tcp", "proxy udp"]);
    expect(machine.wall.canary.touched).toEqual([]);
  });

  it("holds when code that is root inside gives itself addresses and routes", async () => {
    const hostile = `echo 0 >/proc/sys/net/ipv6/conf/host0/disable_ipv6
      ip -6 address add fd00::77/64 dev host0 nodad && ip -6 route add default dev host0 || exit 1
      ip address add 192.0.2.78/24 dev host0 && ip route add default via ${machine.wall.proxy.address} || exit 1`;
    try {
      const through = (await attempts(hostile)).filter((attempt) => attempt.through).map(({ what }) => what);
      expect(through).toEqual(["proxy tcp", "proxy udp"]);
      expect(machine.wall.canary.touched).toEqual([]);
    } finally {
      await enter(
        machine,
        "ip route del default; ip address del 192.0.2.78/24 dev host0; echo 1 >/proc/sys/net/ipv6/conf/host0/disable_ipv6",
      );
    }
  });

  it("once closed from inside lets nothing through, fails quickly, and leaves the operator's way in", async () => {
    const { proxy } = machine.wall;
    const answer = await enter(
      machine,
      `exec 3<>/dev/tcp/${proxy.address}/${proxy.port}; printf 'POST /close-egress HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 [^]*egress is closed$/);
    await machine.wall.close();
    const { stdout: rules } = await execa("iptables", ["--list-rules", `recovery-${machine.id}-egress`]);
    expect(rules).not.toContain("ACCEPT");

    const tried = await attempts();
    expect(tried.length).toBeGreaterThan(20);
    expect(tried.filter((attempt) => attempt.through)).toEqual([]);
    expect(tried.filter(({ seconds }) => seconds > 3)).toEqual([]);
    expect(machine.wall.canary.touched).toEqual([]);
  });

  it("has a canary that the operator does reach", async () => {
    const { canary } = machine.wall;
    const address = operatorAddresses.find((candidate) => candidate.includes(".")) ?? "127.0.0.1";
    await once(connect(canary.port, address), "close");
    const socket = createSocket("udp4");
    await new Promise((resolve) => {
      socket.send("x", canary.port, address, resolve);
    });
    socket.close();
    await expect.poll(() => canary.touched.map(({ protocol }) => protocol).sort()).toEqual(["tcp", "udp"]);
  });

  it("keeps two machines from each other, even where this computer forwards packets", async () => {
    const [one, other] = await Promise.all([createMachine(request()), createMachine(request())]);
    try {
      expect(one.address).not.toBe(other.address);
      for (const { networkInterface } of [one, other]) {
        writeFileSync(`/proc/sys/net/ipv4/conf/${networkInterface}/forwarding`, "1");
      }
      // With routes to and fro, only the rules are left between them.
      for (const each of [one, other])
        await enter(each, `ip route add default via ${each.wall.proxy.address}`);
      const reached = await enter(
        one,
        `for target in ${other.address}/22 ${other.wall.proxy.address}/${other.wall.proxy.port}; do
           timeout 5 bash -c "exec 3<>/dev/tcp/$target" 2>/dev/null && echo "$target"
         done
         echo tried`,
      );
      expect(reached).toBe("tried");
    } finally {
      await Promise.all([one.destroy(), other.destroy()]);
    }
    expect([...(await tracesOf(one.id)), ...(await tracesOf(other.id))]).toEqual([]);
  });
});

describe("when the owner of a machine is killed with SIGKILL", () => {
  it.each([0, 20, 60, 120, 200, 300, 500])("%i ms after it began, nothing is left", async (milliseconds) => {
    const owner = startOwner();
    const id = await idBegunBy(owner);
    await pause(milliseconds);
    owner.kill("SIGKILL");
    say(`${milliseconds} ms: all gone after ${(await untilNothingIsLeft(id)).toFixed(1)} s`);
  });

  it("while its machine works, nothing is left", async () => {
    const owner = startOwner();
    const machine = await machineOf(owner);
    await enter(
      machine,
      "systemd-run --quiet sleep 1000; dd if=/dev/zero of=/var/restored bs=1M count=50 2>/dev/null",
    );
    owner.kill("SIGKILL");
    say(`working: all gone after ${(await untilNothingIsLeft(machine.id)).toFixed(1)} s`);
  });

  it("together with the keeper, the next command removes all, and leaves the machines of others", async () => {
    const other = await createMachine(request());
    try {
      const owner = startOwner();
      const { id } = await machineOf(owner);
      const record = (await listMachines()).find((machine) => machine.id === id)?.record;
      process.kill(record?.keeper.pid ?? 0, "SIGKILL");
      owner.kill("SIGKILL");
      await once(owner, "exit");
      expect(await tracesOf(id)).not.toEqual([]);
      // Two commands may begin at the same time.
      await Promise.all([sweepMachines(quiet), sweepMachines(quiet)]);
      expect(await tracesOf(id)).toEqual([]);
      expect(await enter(other, "echo alive")).toBe("alive");
    } finally {
      await other.destroy();
    }
  });

  it("after it had handed its machine over, the machine stays until it is removed", async () => {
    const owner = startOwner("await machine.release();");
    const machine = await machineOf(owner);
    owner.kill("SIGKILL");
    await once(owner, "exit");
    await sweepMachines(quiet);
    expect(await enter(machine, "echo alive")).toBe("alive");
    expect((await listMachines()).find(({ id }) => id === machine.id)?.state).toBe("released");
    await removeMachine(machine.id);
    expect(await tracesOf(machine.id)).toEqual([]);
  });
});

describe("a machine whose run is stopped by the operator", () => {
  it("is removed half made", async () => {
    const aborted = new AbortController();
    aborted.abort(new Error("stopped by the operator"));
    const before = (await listMachines()).map(({ id }) => id);
    await expect(createMachine(request({ signal: aborted.signal }))).rejects.toThrow(
      "stopped by the operator",
    );
    expect((await listMachines()).map(({ id }) => id)).toEqual(before);
  });
});
