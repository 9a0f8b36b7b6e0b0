import { spawn, type ChildProcessByStdio } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { rcloneEnvironment, type RcloneRemote, remoteNamed } from "./rclone-remote.ts";

export type RelayedFile = {
  /** Last part of its URL, after its folder: letters, digits, dots, dashes and underscores. */
  name: string;
} & (
  | { /** On the operator's computer. */ path: string }
  | {
      /** The folder in which it has this name; one for all files of a folder of the relay. */ remote: RcloneRemote;
    }
);

/** What a relay serves, in folders: a store's must not be one with another, as in a bucket a file and a folder may have one name. */
export type RelayedFolders = Readonly<Record<string, readonly RelayedFile[]>>;

export interface Relay {
  /** On 127.0.0.1. */
  port: number;
  user: string;
  /** Made for this relay alone. */
  password: string;
  close(): Promise<void>;
}

const startLimitMilliseconds = 15_000;
const parent = fileURLToPath(new URL("relay.sh", import.meta.url));

/**
 * Serves exactly these files, read-only, over HTTP with basic authentication, on a port of 127.0.0.1 that the system
 * chooses. It ends with this process however that ends, and does not keep it from ending.
 * Throws OperatorError when rclone is not there (missing here) or does not come up (failed).
 */
export async function startRelay(folders: RelayedFolders): Promise<Relay> {
  for (const name of Object.entries(folders).flatMap(([of, files]) => [
    of,
    ...files.map((file) => file.name),
  ]))
    if (!/^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(name)) throw new Error(`not a name for the relay: ${name}`);

  const user = randomBytes(8).toString("hex");
  const password = randomBytes(24).toString("base64url");
  const folder = await mkdtemp(join(tmpdir(), "recovery-relay-"));
  try {
    await chmod(folder, 0o700);
    for (const [name, files] of Object.entries(folders)) {
      await mkdir(join(folder, "files", name), { recursive: true });
      for (const file of files)
        if ("path" in file) await symlink(resolve(file.path), join(folder, "files", name, file.name));
    }
    // The file holds a hash: the password itself is in no file, argument or environment. A plain SHA-1 is as good as any
    // for 192 random bits.
    const hash = createHash("sha1").update(password).digest("base64");
    await writeFile(join(folder, "htpasswd"), `${user}:{SHA}${hash}\n`, { mode: 0o600 });
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }

  const served = servedOf(folders, join(folder, "files"));
  // WebDAV rather than `serve http`, whose version 1.60.1 never says which port it took; to a reader they are the same.
  const child = spawn(
    "bash",
    [
      parent,
      folder,
      "rclone",
      "--config=",
      "serve",
      "webdav",
      "--addr=127.0.0.1:0",
      `--htpasswd=${join(folder, "htpasswd")}`,
      "--read-only",
      "--copy-links",
      // The limits are for a whole transfer, not for silence: a large member over a slow line takes hours.
      "--server-read-timeout=48h",
      "--server-write-timeout=48h",
      ...served.arguments,
    ],
    {
      // Its own session: Ctrl-C on the terminal is for the operator's process to handle, which may still need the relay.
      detached: true,
      stdio: ["pipe", "ignore", "pipe"],
      env: served.environment,
    },
  );
  const port = await listening(child);
  return {
    port,
    user,
    password,
    close: () =>
      new Promise((done) => {
        if (child.exitCode !== null || child.signalCode !== null) {
          done();
          return;
        }
        child.ref();
        child.once("exit", () => {
          done();
        });
        child.stdin.destroy();
      }),
  };
}

/**
 * What rclone serves: of each folder these files alone, from links to them or from a remote. Their bytes pass through. Folders of both kinds
 * only a newer rclone serves together.
 */
function servedOf(
  folders: RelayedFolders,
  links: string,
): { arguments: string[]; environment: NodeJS.ProcessEnv } {
  const entries = Object.entries(folders).map(([name, files]) => {
    const [remote] = files.flatMap((file) => ("remote" in file ? [remoteNamed(name, file.remote)] : []));
    return { name, files, remote };
  });
  const environment = rcloneEnvironment(...entries.flatMap(({ remote }) => (remote ? [remote] : [])));
  const [first, ...others] = entries;
  if (!first || entries.every(({ remote }) => !remote)) return { arguments: [links], environment };
  const alone = others.length === 0 ? first.remote : undefined;
  const named = alone
    ? first.files.map(({ name }) => name)
    : entries.flatMap(({ name, files }) => files.map((file) => `${name}/${file.name}`));
  const upstreams = entries.map(({ name, remote }) => `${name}=${remote?.path ?? join(links, name)}`);
  return {
    arguments: [
      ...named.map((name) => `--filter=+ /${name}`),
      "--filter=- *",
      "--contimeout=15s",
      "--timeout=30s",
      ...(alone ? [`--baseurl=${first.name}`, alone.path] : ["served:"]),
    ],
    environment: {
      ...environment,
      RCLONE_CONFIG_SERVED_TYPE: "combine",
      RCLONE_CONFIG_SERVED_UPSTREAMS: upstreams
        .map((upstream) => `"${upstream.replaceAll('"', '""')}"`)
        .join(" "),
    },
  };
}

function listening(child: ChildProcessByStdio<Writable, null, Readable>): Promise<number> {
  const { stderr } = child;
  return new Promise((resolvePort, reject) => {
    let said = "";
    const fail = (exitCode: OperatorError["exitCode"], why: string, next: string) => {
      clearTimeout(timer);
      child.stdin.destroy();
      reject(new OperatorError(exitCode, "The relay for files of this computer did not start.", why, next));
    };
    const timer = setTimeout(() => {
      fail(
        exitCodes.failed,
        `rclone was not ready after ${startLimitMilliseconds / 1000} s. ${said.trim()}`,
        "Run the same command again; if it stays so, run rclone by hand: rclone serve webdav FOLDER",
      );
    }, startLimitMilliseconds);
    stderr.setEncoding("utf8");
    stderr.on("data", (text: string) => {
      said = (said + text).slice(-4000);
      const port = /http:\/\/127\.0\.0\.1:(\d+)\//.exec(said)?.[1];
      if (port === undefined) return;
      clearTimeout(timer);
      stderr.removeAllListeners("data");
      stderr.resume();
      child.removeAllListeners("close");
      child.unref();
      for (const stream of [child.stdin, stderr]) (stream as unknown as { unref(): void }).unref(); // pipes of a child are sockets
      resolvePort(Number(port));
    });
    child.once("error", (error) => {
      fail(exitCodes.missingHere, `${error.message}.`, "Install bash and rclone: apt-get install rclone");
    });
    child.once("close", (code) => {
      if (code === 127)
        fail(exitCodes.missingHere, "rclone is not installed here.", "Install it: apt-get install rclone");
      else if (said.includes('"combine"'))
        fail(
          exitCodes.missingHere,
          "rclone here is older than 1.59, and cannot serve a backup of a server beside the application's bundle.",
          "Install a newer one (https://rclone.org/install), or let application.git in site.yaml be a URL that the host can reach.",
        );
      else
        fail(
          exitCodes.failed,
          said.trim() || `rclone ended with ${code ?? "a signal"}.`,
          "Mend that, then run the same command again.",
        );
    });
  });
}
