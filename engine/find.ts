import { accessSync, constants, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, isAbsolute, join } from "node:path";
import { PulumiCommand } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import { OperatorError } from "../site/operator-error.ts";
import { buildEngine } from "./build-engine.ts";
import { engineCacheDirectory } from "./cache-directory.ts";
import { chooseEngine, engineVersion, type InstalledEngine } from "./choose-engine.ts";
import { downloadEngine, vendorUnreachable } from "./vendor-download.ts";

/** A Pulumi engine that runs here. */
export interface Engine {
  /** Absolute path of the binary. */
  path: string;
  /** Such as "3.259.0". */
  version: string;
  from: "path" | "cache" | "download" | "built";
  /** For the Automation API. Started by itself it outlives this process: see keptCommand. */
  command: PulumiCommand;
}

export interface FindOptions {
  /** Whether it may be compiled, which takes minutes: a drill, the tests and doctor; never inside an RTO. */
  allowBuild: boolean;
  /** Told which engine is taken, why others are not, and how a build goes on. */
  say: (line: string) => void;
  signal?: AbortSignal;
}

/**
 * The engine to use: the owner's own, one that was fetched before, the vendor's download, or one built from the Go
 * module proxy. Undefined when none can be had; why has then been said.
 *
 * @throws the signal's reason
 */
export async function findEngine({ allowBuild, say, signal }: FindOptions): Promise<Engine | undefined> {
  const cache = engineCacheDirectory(engineVersion);
  const downloaded = join(cache, "download");
  const built = join(cache, "built");
  const places: { from: InstalledEngine["from"]; root?: string }[] = [
    { from: "path" },
    { from: "path", root: process.env["PULUMI_HOME"] ?? join(homedir(), ".pulumi") },
    { from: "cache", root: downloaded },
    { from: "cache", root: built },
  ];
  const found: { engine: InstalledEngine; command: PulumiCommand | undefined }[] = [];
  for (const { from, root } of places) {
    const there = await lookAt(from, root);
    if (there) found.push(there);
    if (there && use(there.engine)) break;
  }
  const go = executableOnPath("go");
  const engines = found.map(({ engine }) => engine);
  const choice = chooseEngine(engines, allowBuild && go ? await goVersion(go) : undefined, allowBuild);
  for (const reason of choice.passedOver) say(`Pulumi engine: ${reason}`);
  if (choice.kind === "use") {
    const command = found.find(({ engine }) => engine === choice.engine)?.command;
    if (command) return announce(choice.engine.path, choice.engine.from, command, say);
  }
  for (const attempt of choice.kind === "get" ? choice.attempts : []) {
    signal?.throwIfAborted();
    const root = attempt === "download" ? downloaded : built;
    const isThere = async () => (await lookAt("cache", root))?.command !== undefined;
    try {
      if (attempt === "download") await download(root, isThere, say, signal);
      else if (go !== undefined) await buildEngine({ go, directory: root, isBuilt: isThere, say, signal });
      const there = await lookAt("cache", root);
      if (there?.command) {
        return announce(there.engine.path, attempt === "download" ? "download" : "built", there.command, say);
      }
    } catch (error) {
      signal?.throwIfAborted();
      const why = error instanceof OperatorError ? `${error.what}: ${error.why}` : String(error);
      say(`Pulumi engine: ${why}`);
    }
  }
  return undefined;
}

function use(engine: InstalledEngine): boolean {
  return chooseEngine([engine], undefined, false).kind === "use";
}

function announce(
  path: string,
  from: Engine["from"],
  command: PulumiCommand,
  say: (line: string) => void,
): Engine {
  const version = command.version?.version ?? engineVersion;
  const origin = {
    path: "the one installed here",
    cache: "fetched before",
    download: "downloaded",
    built: "built",
  };
  say(`Pulumi engine ${version}, ${origin[from]}: ${path}`);
  return { path, version, from, command };
}

async function download(
  directory: string,
  isThere: () => Promise<boolean>,
  say: (line: string) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const unreachable = await vendorUnreachable();
  if (unreachable !== undefined) throw new Error(`the vendor's download cannot be reached: ${unreachable}`);
  say(`downloading the Pulumi engine ${engineVersion} from the vendor`);
  await downloadEngine({ directory, isThere, say, signal });
}

/** The engine under `root`/bin, or the first on PATH; undefined when there is none. */
async function lookAt(
  from: InstalledEngine["from"],
  root: string | undefined,
): Promise<{ engine: InstalledEngine; command: PulumiCommand | undefined } | undefined> {
  const path = root === undefined ? executableOnPath("pulumi") : executable(join(root, "bin", "pulumi"));
  if (path === undefined) return undefined;
  try {
    // The version is judged by chooseEngine: the Automation API itself would take any from 3.2 on (minimumVersion.js).
    const command = await PulumiCommand.get({ ...(root !== undefined && { root }), skipVersionCheck: true });
    return { engine: { path, version: command.version?.version, from }, command };
  } catch {
    return { engine: { path, version: undefined, from }, command: undefined };
  }
}

function executableOnPath(name: string): string | undefined {
  for (const directory of (process.env["PATH"] ?? "").split(delimiter).filter(isAbsolute)) {
    const path = executable(join(directory, name));
    if (path !== undefined) return path;
  }
  return undefined;
}

function executable(path: string): string | undefined {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile() ? path : undefined;
  } catch {
    return undefined;
  }
}

/** What `go env GOVERSION` says of the local toolchain, such as "go1.26.8"; empty when it does not run. */
async function goVersion(go: string): Promise<string> {
  // In a folder without go.mod, and "local", or go would fetch another toolchain to answer.
  const { stdout } = await execa(go, ["env", "GOVERSION"], {
    cwd: "/",
    env: { GOTOOLCHAIN: "local" },
    reject: false,
  });
  return stdout;
}
