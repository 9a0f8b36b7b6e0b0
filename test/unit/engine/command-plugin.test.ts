import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PulumiCommand } from "@pulumi/pulumi/automation/index.js";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { commandPluginVersion, prepareCommandPlugin } from "../../../engine/command-plugin.ts";
import type { Engine } from "../../../engine/find.ts";

let home: string;
const engine: Engine = {
  path: "/nonexistent/pulumi",
  version: "3.259.0",
  from: "path",
  command: Object.create(PulumiCommand.prototype) as PulumiCommand,
};

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "command-plugin-"));
  vi.stubEnv("PULUMI_HOME", home);
  vi.stubEnv("PATH", "/usr/bin:/bin");
});

afterEach(() => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
  rmSync(home, { recursive: true, force: true });
});

function executable(directory: string): string {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, "pulumi-resource-command");
  writeFileSync(path, "#!/bin/sh\n");
  chmodSync(path, 0o755);
  return directory;
}

describe("the command plugin", () => {
  test("is the vendor's where the owner has it, and nothing is asked of the network", async () => {
    vi.stubGlobal("fetch", () => {
      throw new Error("the network was asked");
    });
    const directory = executable(join(home, "plugins", `resource-command-v${commandPluginVersion}`));
    const said: string[] = [];
    expect(await prepareCommandPlugin(engine, (line) => said.push(line))).toEqual({
      from: "vendor",
      environment: {
        PATH: `${directory}:/usr/bin:/bin`,
        PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      },
    });
    expect(said).toEqual(["command plugin: the vendor's, installed here"]);
  });

  test("is ours where the vendor cannot be reached, which is asked once", async () => {
    const fetch = vi.fn(() => Promise.reject(new Error("no such host")));
    vi.stubGlobal("fetch", fetch);
    executable(join(home, "plugins", "resource-command-v1.1.0"));
    const said: string[] = [];
    const first = await prepareCommandPlugin(engine, (line) => said.push(line));
    const second = await prepareCommandPlugin(engine, () => undefined);
    expect(first.from).toBe("ours");
    expect(first.environment["PATH"]).toMatch(/\/engine\/command-provider:\/usr\/bin:\/bin$/);
    expect(second).toEqual(first);
    expect(fetch).toHaveBeenCalledTimes(1);
    expect(said).toEqual([
      "the vendor's command plugin cannot be downloaded: no such host",
      "command plugin: our own",
    ]);
  });
});

test("the plugin is of the version that the SDK asks for", () => {
  const sdk = JSON.parse(
    readFileSync(new URL("../../../node_modules/@pulumi/command/package.json", import.meta.url), "utf8"),
  ) as { version: string };
  expect(sdk.version).toBe(commandPluginVersion);
});
