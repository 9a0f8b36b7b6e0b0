import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { engineCacheDirectory } from "../../engine/cache-directory.ts";
import type { PreparedSample } from "../../examples/chatbot/prepare.ts";
import { loadSite } from "../../site/load.ts";
import { drillPackages } from "./apt-floor.ts";
import { onBlankMachine } from "./blank-machine.ts";
import { say, secondsSince } from "./figure.ts";

const version = "2.19.14";
const playbook = fileURLToPath(new URL("ansible/playbook.yaml", import.meta.url));

/**
 * The sample provisioned by ansible/playbook.yaml, on a machine such as a drill begins with: packages, application, nginx, PHP-FPM,
 * worker, no data. From the start of ansible-playbook to its end; then the site must answer. @returns seconds
 */
export async function ansible(sample: PreparedSample, directory: string): Promise<number> {
  const program = await ansiblePlaybook();
  const { site } = await loadSite(sample.site);
  return onBlankMachine(site.server.release, async ({ machine, agentSocketPath, connection }) => {
    const variables = join(directory, "ansible.json");
    await writeFile(
      variables,
      JSON.stringify({
        ansible_ssh_common_args: `-o StrictHostKeyChecking=yes -o UserKnownHostsFile=${await machine.knownHosts(directory)}`,
        packages: drillPackages(site),
        bundle: sample.bundle,
        revision: sample.revision,
        domain: site.domain,
        site_name: "The sample chatbot",
        openai_api_key: "sk-sample-not-a-real-key-0000000000000000",
        admin_token: "sample-not-a-real-token-00000000000000000000",
        pool_children: 5,
      }),
    );
    const begin = performance.now();
    await execa(
      program,
      [
        "--inventory",
        `${machine.address},`,
        "--user",
        machine.user,
        "--extra-vars",
        `@${variables}`,
        playbook,
      ],
      {
        cwd: directory,
        env: { SSH_AUTH_SOCK: agentSocketPath, ANSIBLE_HOME: join(directory, "ansible"), LC_ALL: "C.UTF-8" },
        stdin: "ignore",
        stdout: process.stderr,
        stderr: "inherit",
      },
    );
    const seconds = secondsSince(begin);
    const { stdout } = await connection.run(
      `curl --silent --show-error --insecure --resolve ${site.domain}:443:127.0.0.1 --write-out '%{http_code}' --output /dev/null https://${site.domain}/`,
      { timeoutSeconds: 30 },
    );
    if (stdout !== "200") throw new Error(`the site that Ansible set up answers with ${stdout}`);
    return seconds;
  });
}

/** Of PyPI, in an environment of its own beside the engines. */
async function ansiblePlaybook(): Promise<string> {
  const folder = join(dirname(dirname(engineCacheDirectory(version))), `ansible-core-${version}`);
  const program = join(folder, "bin/ansible-playbook");
  if (existsSync(program)) return program;
  say(`installing ansible-core ${version} from PyPI into ${folder}`);
  await rm(folder, { recursive: true, force: true });
  await execa("python3", ["-m", "venv", folder]);
  await execa(join(folder, "bin/pip"), ["--quiet", "install", `ansible-core==${version}`]);
  return program;
}
