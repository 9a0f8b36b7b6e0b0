import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import type { DebianRelease } from "../site/debian-versions.ts";
import { OperatorError, exitCodes } from "../site/operator-error.ts";
import { codenames, findDebianMirror, sourcesOf } from "./debian-mirror.ts";
import { ensureDebianPackages, pathWithSystemFolders, type DebianNeed } from "./debian-packages.ts";

/** What machines lie over as overlays, never written to: a blank Debian, or one with packages baked in. */
export interface Base {
  release: DebianRelease;
  /** The unpacked root; the lower directory of every machine's overlay. */
  root: string;
  /** Changes with what it was made of. */
  digest: string;
  /** The hosts its packages come from. */
  mirrors: { host: string; port: number }[];
}

/** Needed to make a base; the keyring is the only one that a Debian always has and an Ubuntu never. */
export const baseNeeds: readonly DebianNeed[] = [
  { command: "mmdebstrap", package: "mmdebstrap" },
  { command: "flock", package: "util-linux" },
  { command: "unshare", package: "util-linux" },
  { command: "/usr/share/keyrings/debian-archive-keyring.gpg", package: "debian-archive-keyring" },
];

// A blank host as installers and cloud images leave it, less what no step may count on (jq, curl, git…).
const packages = ["systemd", "systemd-sysv", "openssh-server", "iproute2"];
const recipeVersion = 1;
const buildScript = fileURLToPath(new URL("build-base.sh", import.meta.url));
const busy = 75;

/** Folder that holds the bases: one-time work, safe to delete while no machine runs. */
export function baseCache(environment: NodeJS.ProcessEnv = process.env): string {
  const cache = environment["XDG_CACHE_HOME"];
  return join(cache?.startsWith("/") ? cache : join(homedir(), ".cache"), "recovery-stack", "base");
}

/** The hosts and ports that a sources.list names. */
export function mirrorsOf(sources: readonly string[]): { host: string; port: number }[] {
  const mirrors = new Map<string, { host: string; port: number }>();
  for (const source of sources) {
    const url = new URL(source.split(" ")[1] ?? "");
    const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
    mirrors.set(`${url.hostname}:${port}`, { host: url.hostname, port });
  }
  return [...mirrors.values()];
}

/**
 * The base of a release; makes it when it is not there (about 20 s and 230 MB). Two at once make it once.
 * @throws OperatorError exit code 3 when it cannot be made here.
 */
export async function ensureBase(
  release: DebianRelease,
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<Base> {
  const sources = sourcesOf(release, await findDebianMirror());
  const include = sources.some((source) => source.includes(" https://"))
    ? [...packages, "ca-certificates"]
    : packages;
  const description = JSON.stringify({ recipeVersion, release, include, sources });
  const digest = createHash("sha256").update(description).digest("hex").slice(0, 12);
  const folder = join(baseCache(), `debian-${release}-${digest}`);
  const base: Base = { release, root: join(folder, "root"), digest, mirrors: mirrorsOf(sources) };

  const state = stateOfBase(folder);
  if (state === "complete") return base;
  if (state === "damaged") say(`the base system in ${folder} is damaged; making it again`);

  await ensureDebianPackages(baseNeeds, say);
  if (process.getuid?.() !== 0) {
    throw new OperatorError(
      exitCodes.missingHere,
      "the base system of local machines cannot be made",
      "unpacking a Debian needs root",
      "run the same command with sudo",
    );
  }
  mkdirSync(baseCache(), { recursive: true, mode: 0o700 });
  say(
    `making the base system, Debian ${release} from ${sources[0]?.split(" ")[1] ?? ""} (once; about 20 seconds)`,
  );
  const { failed, lines } = await buildBase(
    folder,
    description,
    ["stock", codenames[release], include.join(","), ...sources],
    say,
    signal,
  );
  if (failed) {
    const errors = lines.filter((line) => /^(E|W|Err|error)/i.test(line));
    throw new OperatorError(
      exitCodes.missingHere,
      `the base system, Debian ${release}, could not be made`,
      (errors.length > 0 ? errors : lines).slice(-3).join("; "),
      "check that this computer reaches its Debian mirror (apt-get update) and has 1 GB free, then run the same command again",
    );
  }
  return base;
}

/** Runs build-base.sh, which makes this folder whole or not at all, once for any number who ask at the same time. */
export async function buildBase(
  folder: string,
  description: string,
  from: readonly string[],
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<{ failed: boolean; lines: string[] }> {
  const options = {
    env: { PATH: pathWithSystemFolders() },
    // Its end tells the script that this process is gone.
    stdin: "pipe",
    reject: false,
    // A group of its own, so that it can be ended with all its children.
    detached: true,
  } as const;
  const run = async (waiting: string[]) => {
    const command = [
      `${folder}.lock`,
      "unshare",
      "--mount",
      "bash",
      buildScript,
      folder,
      description,
      ...from,
    ];
    const building = execa("flock", [...waiting, ...command], { ...options, all: true });
    const end = () => {
      if (building.pid !== undefined) process.kill(-building.pid, "SIGTERM");
    };
    signal?.addEventListener("abort", end, { once: true });
    const lines: string[] = [];
    for await (const line of building.iterable({ from: "all" })) {
      lines.push(line);
      if (line.startsWith("I: ") && !line.includes("hook")) say(`base system: ${line.slice(3)}`);
    }
    const result = await building;
    signal?.removeEventListener("abort", end);
    return { result, lines };
  };
  let { result, lines } = await run(["--nonblock", "--conflict-exit-code", String(busy)]);
  if (result.exitCode === busy) {
    say("another run is making the base system; waiting for it");
    ({ result, lines } = await run([]));
  }
  signal?.throwIfAborted();
  return { failed: result.failed || stateOfBase(folder) !== "complete", lines };
}

/** Cheap: hashes four files of it, dpkg's list of what is installed among them. */
export function stateOfBase(folder: string): "absent" | "complete" | "damaged" {
  let marker: string;
  try {
    marker = readFileSync(join(folder, "complete.sha256"), "utf8");
  } catch {
    return "absent";
  }
  try {
    const lines = marker.trim().split("\n");
    const agrees = lines.every((line) => {
      const [digest, path = ""] = line.split(/ {2}/);
      return (
        createHash("sha256")
          .update(readFileSync(join(folder, "root", path)))
          .digest("hex") === digest
      );
    });
    return agrees && lines.length === 4 ? "complete" : "damaged";
  } catch {
    return "damaged";
  }
}
