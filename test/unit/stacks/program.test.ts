import * as pulumi from "@pulumi/pulumi";
import { mkdtempSync, rmSync } from "node:fs";
import { hostname, tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { pinText } from "../../../backups/pin.ts";
import { pinOf } from "../../../backups/restore-point.ts";
import { loadSite } from "../../../site/load.ts";
import program from "../../../stacks/index.ts";
import { sitePoints } from "../../../stacks/prepare.ts";
import type { RecoveryOutputs } from "../../../stacks/recovery.ts";
import { recordingEngine, type RecordingEngine } from "../components/recording-engine.ts";
import { written } from "../runbook/small-site.ts";
import { siteFolder, type SiteFolder } from "./site-folder.ts";

const types = [
  "recovery-stack:index:ReplacementServer",
  "recovery-stack:index:RecoveredSite",
  "command:remote:Command",
  "recovery-stack:index:BackupSchedule",
  "recovery-stack:index:BackupServer",
];
const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS";

let cache: string;
let folder: SiteFolder;
let pin: string;

beforeAll(async () => {
  cache = mkdtempSync(join(tmpdir(), "program-cache-"));
  vi.stubEnv("XDG_CACHE_HOME", cache);
  folder = siteFolder();
  folder.backUp({ named: "20260301_020000" });
  const [point] = await sitePoints(await loadSite(folder.file), () => undefined);
  const found = point && pinOf(point);
  if (!found) throw new Error("there is no point to pin");
  pin = pinText(found);
});
afterAll(() => {
  vi.unstubAllEnvs();
  folder.remove();
  rmSync(cache, { recursive: true });
});

/** What the SDK says where it has no engine to say it to. */
let said: string[];
beforeEach(() => {
  said = [];
  vi.spyOn(console, "log").mockImplementation((line: string) => void said.push(line));
});

interface Up {
  engine: RecordingEngine;
  outputs: Omit<RecoveryOutputs, "address"> & { address: string };
}

/** Runs the program as `pulumi up` (or preview) of this stack would, with this stack config. */
async function up(
  config: Record<string, string | undefined>,
  { stack = "club.recovery", preview = false } = {},
): Promise<Up> {
  const engine = await recordingEngine(types, { stack, preview });
  const given: [string, string | undefined][] = Object.entries({
    site: folder.file,
    host: "192.0.2.10",
    hostKey,
    point: pin,
    oldHostIsOff: "true",
    ...config,
  });
  pulumi.runtime.setAllConfig(
    Object.fromEntries(
      given.flatMap(([key, value]) => (value === undefined ? [] : [[`recovery-stack:${key}`, value]])),
    ),
  );
  const declared = await program();
  const outputs = await new Promise<Up["outputs"]>((resolve) => {
    pulumi.output(declared).apply((unwrapped) => {
      resolve(unwrapped as Up["outputs"]);
    });
  });
  await engine.settled();
  return { engine, outputs };
}

const commandsOf = ({ engine }: Up) => engine.declared.filter(({ type }) => type === types[2]);

test("the recovery stack declares a server and the site on it, and tells what was restored", async () => {
  const run = await up({});
  expect(run.outputs).toEqual({
    url: "https://club.example.org/",
    address: "192.0.2.10",
    restorePoint: "full_backup_20260301_020000",
    dataTime: "2026-03-01T02:00:00.000Z",
  });
  expect(run.engine.declared.slice(0, 2).map(({ type, name }) => ({ type, name }))).toEqual([
    { type: types[0], name: "server" },
    { type: types[1], name: "site" },
  ]);
  const commands = commandsOf(run);
  expect(commands.map(({ name }) => name).sort()).toEqual([
    "application",
    "configuration",
    "download-packages",
    "fetch",
    "finish",
    "health",
    "install-building-packages",
    "install-certificate-tool",
    "install-guards",
    "install-serving-packages",
    "permissions",
    "provision",
    "restore",
    "services",
    "stage-databases",
    "stage-files",
    "tls",
    "unpack",
    "web-server",
  ]);
  for (const { inputs } of commands) {
    expect(inputs["connection"]).toMatchObject({
      value: { host: "192.0.2.10", port: 22, user: "root", hostKey },
    });
  }
});

test("a second up declares the same, byte for byte, and nothing in it is of this moment", async () => {
  const [first, second] = [await up({}), await up({})];
  expect(second.outputs).toEqual(first.outputs);
  expect(JSON.stringify(commandsOf(second))).toBe(JSON.stringify(commandsOf(first)));
  expect(JSON.stringify(commandsOf(second))).not.toContain(`${userInfo().username}@${hostname()}`);
});

test("port, user and attempt come from stack config", async () => {
  const run = await up({ port: "2222", user: "rescue", attempt: "7" });
  const provision = commandsOf(run).find(({ name }) => name === "provision");
  expect(provision?.inputs["connection"]).toMatchObject({ value: { port: 2222, user: "rescue" } });
  expect(provision?.inputs["triggers"]).toContain("attempt 7");
  const atFirst = commandsOf(await up({})).find(({ name }) => name === "provision");
  expect(atFirst?.inputs["triggers"]).toContain("attempt 1");
});

test("a recovery is refused until the operator says that the old server is off; a drill has none", async () => {
  for (const oldHostIsOff of [undefined, "false"]) {
    await expect(up({ oldHostIsOff })).rejects.toThrow("pulumi config set oldHostIsOff true");
  }
  expect(commandsOf(await up({ oldHostIsOff: undefined }, { stack: "staging" })).length).toBeGreaterThan(0);
});

test("the restore that another may replace is named together with its host, and changes no trigger", async () => {
  const at = "2026-03-01T08:20:00.000Z";
  const inputsOf = (run: Up, step: string) =>
    (
      JSON.parse(String(commandsOf(run).find(({ name }) => name === step)?.inputs["stdin"])) as {
        inputs: Record<string, unknown>;
      }
    ).inputs;
  const [plain, named] = [await up({}), await up({ again: `192.0.2.10@${at}` })];
  for (const step of ["provision", "restore"]) {
    expect(inputsOf(plain, step)["over"]).toBe("");
    expect(inputsOf(named, step)["over"]).toBe(at);
  }
  const triggers = (run: Up) => commandsOf(run).map(({ inputs }) => inputs["triggers"]);
  expect(triggers(named)).toEqual(triggers(plain));
  for (const again of ["192.0.2.10", `192.0.2.11@${at}`, at]) {
    await expect(up({ again })).rejects.toThrow("does not name the host 192.0.2.10 and a restore on it");
  }
});

test("the staging stack is the same site behind a closed egress", async () => {
  const names = commandsOf(await up({}, { stack: "staging" })).map(({ name }) => name);
  expect(names).toContain("close-egress");
  expect(names).toHaveLength(20);
});

test("a preview says which point would be restored and how old it is; an up says nothing of the sort", async () => {
  await up({}, { preview: true });
  expect(said.join("\n")).toMatch(
    /the restore point is full_backup_20260301_020000 in disk, with data of 2026-03-01T02:00:00\.000Z \(.+ old\)/,
  );
  said = [];
  await up({});
  expect(said).toEqual([]);
});

test("without a pin the stack refuses, prints the candidates and the command that pins one, and declares nothing", async () => {
  const engine = await recordingEngine(types, { stack: "recovery" });
  // A RunError is what the vendor's language host shows as a message, and not as a crash.
  const error: unknown = await up({ point: undefined }).catch((reason: unknown) => reason);
  expect(pulumi.RunError.isInstance(error)).toBe(true);
  expect((error as Error).message.split("\n")).toEqual([
    "no restore point is pinned",
    "these could be restored: full_backup_20260301_020000 (data of 2026-03-01T02:00:00.000Z)",
    `pin one, for example the newest: pulumi config set point ${pin}`,
  ]);
  expect(engine.declared).toEqual([]);
});

const protectedSite = {
  backups: {},
  stores: [
    ...written.stores,
    { kind: "ssh", name: "offsite", host: "192.0.2.20", user: "keeper", path: "/srv/kept", hostKey },
  ],
  restorePoints: { recipients: [`age1${"q".repeat(58)}`], identity: "MONITORING" },
};

test("the stack backup declares the server and the one step that has it make its own backups, the same each time", async () => {
  const living = siteFolder(protectedSite);
  const config = { site: living.file, point: undefined, oldHostIsOff: undefined };
  const first = await up(config, { stack: "club.backup" });
  const second = await up(config, { stack: "club.backup" });
  living.remove();
  expect(first.engine.declared.map(({ type, name }) => [type, name])).toEqual([
    [types[0], "server"],
    [types[3], "backups"],
    [types[2], "backup-schedule"],
  ]);
  expect(first.outputs).toEqual({ address: "192.0.2.10" });
  expect(JSON.stringify(commandsOf(second))).toBe(JSON.stringify(commandsOf(first)));
});

const keepingSite = {
  ...protectedSite,
  stores: [
    ...protectedSite.stores.slice(0, -1),
    { ...protectedSite.stores.at(-1), server: { readers: [hostKey], limit: "100GiB" } },
  ],
};

test("the stack backup-server declares the server that site.yaml names, and the one step that has it keep backups", async () => {
  const living = siteFolder(keepingSite);
  const { engine, outputs } = await up({ site: living.file }, { stack: "club.backup-server" });
  living.remove();
  expect(engine.declared.map(({ type, name }) => [type, name])).toEqual([
    [types[0], "server"],
    [types[4], "backups"],
    [types[2], "backup-server"],
  ]);
  expect(outputs).toEqual({ address: "192.0.2.20" });
});

test.each([
  [protectedSite, {}, "site.yaml has no backup server to set up\nno store of kind ssh has a section server"],
  [keepingSite, { store: "other" }, "it is not said which backup server is meant\nsite.yaml has offsite"],
])("a preview refuses a backup server that site.yaml does not name: %#", async (changes, more, why) => {
  const living = siteFolder(changes);
  const config = { site: living.file, ...more };
  await expect(up(config, { stack: "club.backup-server", preview: true })).rejects.toThrow(why);
  living.remove();
});

test.each([
  [
    { ...protectedSite, stores: written.stores },
    "the backups could not meet the objectives when the server is lost",
  ],
  [{}, "site.yaml does not say that the server makes its own backups"],
])("a preview refuses a site that would not be protected: %#", async (changes, why) => {
  const living = siteFolder(changes);
  const config = { site: living.file, point: undefined, oldHostIsOff: undefined };
  await expect(up(config, { stack: "club.backup", preview: true })).rejects.toThrow(why);
  living.remove();
});

test("a stack whose name says no role is refused with the names that do", async () => {
  await expect(up({}, { stack: "chatbot.production" })).rejects.toThrow(
    "the stack chatbot.production has no role\na stack is named after what it does: recovery, staging, backup, backup-server, offsite, server, staging-server, dns, or with the site's name in front: chatbot.recovery\n",
  );
});

test("a role is not inherited from what every object has", async () => {
  await expect(up({}, { stack: "chatbot.constructor" })).rejects.toThrow("has no role");
});

test("a pin without its hashes is refused, not taken for the id of a point", async () => {
  await expect(up({ point: "full_backup_20260301_020000" })).rejects.toThrow(
    "the pin in stack config is not a pin",
  );
});

test("what cannot be left out is asked for by its name, and a port that is no number is an error", async () => {
  for (const key of ["site", "host", "hostKey"]) {
    await expect(up({ [key]: undefined })).rejects.toThrow(`recovery-stack:${key}`);
  }
  await expect(up({ port: "ssh" })).rejects.toThrow("port");
});
