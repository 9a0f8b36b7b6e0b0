import { accessSync, constants } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import type { Engine } from "./find.ts";
import { keeperPath, keptEnvironment } from "./kept.ts";
import { vendorUnreachable } from "./vendor-download.ts";

/** Of @pulumi/command in package.json: the engine asks for exactly the version of the SDK. */
export const commandPluginVersion = "1.2.1";
const fileName = "pulumi-resource-command";
const downloadSeconds = 30;

/** The plugin that carries out `command.remote.Command`. */
export interface CommandPlugin {
  /** `vendor`: was here; `download`: fetched now; `ours`: engine/command-provider stands in for it. */
  from: "vendor" | "download" | "ours";
  /** For the engine's process. */
  environment: Record<string, string>;
}

/**
 * The vendor's plugin where it is or can be had, else ours.
 *
 * Whichever it is goes to the front of the engine's PATH: what is found there is taken whatever version is asked for,
 * before the plugin cache and before any download (sdk/go/common/workspace/plugins.go, getPluginInfoAndPath). So an
 * engine with a PULUMI_HOME of its own finds it too. Each run then warns "using … from $PATH"; stack.ts keeps that
 * from the operator, who was told here.
 */
export async function prepareCommandPlugin(
  engine: Engine,
  say: (line: string) => void,
): Promise<CommandPlugin> {
  const vendors = vendorPluginDirectory();
  const present = ownersPlugin(vendors);
  if (present !== undefined) return taken("vendor", present, say);
  const failure = (await vendorUnreachable()) ?? (await install(engine));
  if (failure === undefined && isExecutable(join(vendors, fileName))) return taken("download", vendors, say);
  say(`the vendor's command plugin cannot be downloaded: ${failure ?? "it was not where it should be"}`);
  return taken("ours", fileURLToPath(new URL("command-provider", import.meta.url)), say);
}

function taken(from: CommandPlugin["from"], directory: string, say: (line: string) => void): CommandPlugin {
  const origin = {
    vendor: "the vendor's, installed here",
    download: "the vendor's, downloaded",
    ours: "our own",
  };
  say(`command plugin: ${origin[from]}`);
  return {
    from,
    environment: {
      PATH: [directory, process.env["PATH"] ?? ""].join(delimiter),
      // Nothing is fetched in the middle of a recovery: what is missing fails at once.
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    },
  };
}

function vendorPluginDirectory(): string {
  const home = process.env["PULUMI_HOME"] ?? join(homedir(), ".pulumi");
  return join(home, "plugins", `resource-command-v${commandPluginVersion}`);
}

/** The folder of a plugin that the owner has, on PATH or in the plugin cache. */
function ownersPlugin(cached: string): string | undefined {
  const directories = [...(process.env["PATH"] ?? "").split(delimiter).filter((each) => each !== ""), cached];
  return directories.find((directory) => isExecutable(join(directory, fileName)));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Into the owner's PULUMI_HOME, where plain `pulumi up` finds it too. Returns why it failed. */
async function install(engine: Engine): Promise<string | undefined> {
  const result = await execa(
    keeperPath,
    ["plugin", "install", "resource", "command", `v${commandPluginVersion}`, "--non-interactive"],
    {
      cwd: dirname(engine.path),
      env: { ...keptEnvironment(engine.path), PULUMI_SKIP_UPDATE_CHECK: "true" },
      stdio: ["pipe", "ignore", "pipe"],
      timeout: downloadSeconds * 1000,
      reject: false,
    },
  );
  if (!result.failed) return undefined;
  if (result.timedOut) return `not done in ${downloadSeconds} s`;
  return result.stderr.trim().split("\n").at(-1) ?? "it failed";
}
