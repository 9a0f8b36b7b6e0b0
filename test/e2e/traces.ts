import { existsSync, readdirSync, readFileSync } from "node:fs";
import { execa } from "execa";

/** Everything on this computer that bears a machine's id. */
export async function tracesOf(id: string): Promise<string[]> {
  const output = async (command: string) => (await execa(command)).stdout.split("\n");
  const [ipv4, ipv6] = await Promise.all([output("iptables-save"), output("ip6tables-save")]);
  const names = (path: string) => (existsSync(path) ? readdirSync(path) : []);
  const cgroups = await execa("find", ["/sys/fs/cgroup", "-type", "d", "-name", `*${id}*`], {
    reject: false,
  });
  const processes = names("/proc").filter((pid) => {
    try {
      const place = /^\d+$/.test(pid) && Number(pid) !== process.pid;
      return place && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(id);
    } catch {
      return false;
    }
  });
  const { stdout: claims } = await execa("find", ["/run/recovery-stack/subnets", "-printf", "%l\n"], {
    reject: false,
  });
  return [
    ...[...ipv4, ...ipv6].filter((rule) => rule.includes(id)).map((rule) => `rule ${rule}`),
    ...names("/sys/class/net")
      .filter((name) => name.includes(id))
      .map((name) => `interface ${name}`),
    ...readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .filter((mount) => mount.includes(id)),
    ...names("/run/recovery-stack/machines")
      .filter((name) => name.includes(id))
      .map((name) => `record ${name}`),
    ...names("/var/lib/recovery-stack/machines")
      .filter((name) => name.includes(id))
      .map((name) => `folder ${name}`),
    ...names("/run/systemd/nspawn/propagate").filter((name) => name.includes(id)),
    ...claims
      .split("\n")
      .filter((claim) => claim === id)
      .map((claim) => `network of ${claim}`),
    ...cgroups.stdout
      .split("\n")
      .filter(Boolean)
      .map((path) => `cgroup ${path}`),
    ...processes.map((pid) => `process ${pid}`),
  ];
}
