import { createHash } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { OperatorError } from "../../site/operator-error.ts";
import type { Store } from "../../site/schema.ts";
import { connect } from "../../ssh/connection.ts";
import type { RcloneRemote } from "../../ssh/rclone-remote.ts";
import { cacheHome } from "../inspection-cache.ts";
import type { RcloneStore } from "./rclone.ts";

type SshStore = Extract<Store, { kind: "ssh" }>;

/** A folder on a server of one's own, read over sftp. */
export function sshStore(store: SshStore): RcloneStore {
  const { name, host, hostKey, path } = store;
  return {
    name,
    remote: sshRemote(store),
    noFolder: {
      why: `there is no folder ${path} on ${host}`,
      next: "correct `path` in site.yaml, or see that the account may read it: sftp shows what it sees",
    },
    place: `ssh ${hostKey} ${path}`,
    meet: () => meet(store),
  };
}

/** What rclone is told of the store. Logging in is left to the operator's ssh agent. */
export function sshRemote(store: SshStore): RcloneRemote {
  const { host, port, user, path } = store;
  return {
    environment: {
      RCLONE_CONFIG_STORE_TYPE: "sftp",
      // rclone puts a colon and the port behind it.
      RCLONE_CONFIG_STORE_HOST: host.includes(":") ? `[${host}]` : host,
      RCLONE_CONFIG_STORE_PORT: String(port),
      RCLONE_CONFIG_STORE_USER: user,
      RCLONE_CONFIG_STORE_KEY_USE_AGENT: "true",
      RCLONE_CONFIG_STORE_KNOWN_HOSTS_FILE: knownHostsFile(store),
      // Files alone: many accounts for backups may run no command, and rclone need not find out.
      RCLONE_CONFIG_STORE_SHELL_TYPE: "none",
    },
    path: `store:${path}/`,
  };
}

function knownHostsFile({ host, port, hostKey }: SshStore): string {
  const digest = createHash("sha256").update(`${host} ${port} ${hostKey}`).digest("hex").slice(0, 16);
  return join(cacheHome(), "recovery-stack", "known-hosts", digest);
}

/**
 * Logs in once, to compare the host's key with the pinned one and to hear all others that it proves to have. rclone needs
 * them: it cannot ask for a key of a certain kind (1.60), and takes a server that shows another for the wrong one.
 *
 * @throws OperatorError within 15 s when it is another host, does not let us in, cannot be reached or is silent
 */
async function meet(store: SshStore): Promise<void> {
  const { host: address, port, user, hostKey } = store;
  const keys = await connect({ address, port, user, hostKey })
    .then(async (connection) => {
      try {
        return await connection.hostKeys();
      } finally {
        await connection.close();
      }
    })
    .catch((error: unknown) => {
      if (!(error instanceof OperatorError)) throw error;
      const { exitCode, what, why, next } = error;
      throw new OperatorError(exitCode, `the store ${store.name} cannot be read`, `${what} ${why}`, next, {
        cause: error,
      });
    });
  const file = knownHostsFile(store);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const name = port === 22 ? address : `[${address}]:${port}`;
  await writeFile(`${file}.${process.pid}`, keys.map((key) => `${name} ${key}\n`).join(""), { mode: 0o600 });
  await rename(`${file}.${process.pid}`, file);
}
