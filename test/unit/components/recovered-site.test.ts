import * as pulumi from "@pulumi/pulumi";
import { expect, test } from "vitest";
import { RecoveredSite } from "../../../components/recovered-site.ts";
import { ReplacementServer } from "../../../components/replacement-server.ts";
import type { Step } from "../../../runbook/step.ts";
import { recordingEngine } from "./recording-engine.ts";

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHost";
const host = { address: "192.0.2.10", port: 2222, user: "root", hostKey };

const componentType = "recovery-stack:index:RecoveredSite";
const serverType = "recovery-stack:index:ReplacementServer";
const commandType = "command:remote:Command";

function step(id: string, changes: Partial<Step>): Step {
  return {
    id,
    title: `Title of ${id}`,
    runbook: "1.1",
    script: id,
    inputs: {},
    secrets: [],
    triggers: [],
    after: [],
    budgetSeconds: 60,
    timeoutSeconds: 300,
    ...changes,
  };
}

const steps = [
  step("provision", { inputs: { cores: 2 }, triggers: ["host-key SHA256:x", "attempt 1"] }),
  step("fetch", { secrets: ["rclone.conf"], triggers: ["point p1"], after: ["provision"] }),
  step("restore", { script: "put", secrets: ["MONITORING"], after: ["fetch", "provision"] }),
];

const unknownResource = { urn: "", id: "", name: "", type: "" };

/** A session that only notes what it is asked. */
function notingSession() {
  const asked: string[] = [];
  const note = (what: string) => () => {
    asked.push(what);
    return Promise.resolve(undefined as never);
  };
  return {
    asked,
    session: { open: note("open"), openRelay: note("openRelay"), closeRelay: note("closeRelay") },
  };
}

test("a plan of three steps is declared as exactly three commands, one behind the other", async () => {
  const engine = await recordingEngine([serverType, componentType, commandType]);
  const { session, asked } = notingSession();
  const server = new ReplacementServer("server", host);
  const recovered = new RecoveredSite("site", { server, steps, session });
  await engine.settled();

  // The vendor's SDK makes a secret of the connection; there is none in it.
  const connection = {
    [pulumi.runtime.specialSigKey]: pulumi.runtime.specialSecretSig,
    value: { host: "192.0.2.10", port: 2222, user: "root", hostKey, dialErrorLimit: 2, perDialTimeout: 15 },
  };
  const options = {
    parent: "site",
    ignoreChanges: ["connection", "stdin", "create", "logging"],
    // By the vendor's SDK.
    replaceOnChanges: ["triggers[*]"],
    additionalSecretOutputs: ["connection", "stderr", "stdout"],
    beforeCreate: ["site-open-host"],
  };
  const provisionTriggers = ["attempt 1", "host-key SHA256:x"];
  const fetchTriggers = [...provisionTriggers, "point p1"];
  expect(engine.declared).toEqual([
    { type: serverType, name: "server", inputs: {}, options: {} },
    { type: componentType, name: "site", inputs: {}, options: {} },
    {
      type: commandType,
      name: "provision",
      inputs: {
        connection,
        create: "/usr/local/lib/recovery/run-step provision",
        stdin:
          '{"title":"Title of provision","script":"provision","inputs":{"cores":2},"secrets":[],' +
          '"triggers":["attempt 1","host-key SHA256:x"],"timeoutSeconds":300}\n',
        triggers: provisionTriggers,
        addPreviousOutputInEnv: false,
        logging: "none",
      },
      options,
    },
    {
      type: commandType,
      name: "fetch",
      inputs: {
        connection,
        create: "/usr/local/lib/recovery/run-step fetch",
        stdin:
          '{"title":"Title of fetch","script":"fetch","inputs":{},"secrets":["rclone.conf"],' +
          '"triggers":["attempt 1","host-key SHA256:x","point p1"],"timeoutSeconds":300}\n',
        triggers: fetchTriggers,
        addPreviousOutputInEnv: false,
        logging: "none",
      },
      options: {
        ...options,
        dependsOn: ["provision"],
        beforeCreate: ["site-open-host", "site-open-relay"],
        afterCreate: ["site-close-relay"],
      },
    },
    {
      type: commandType,
      name: "restore",
      inputs: {
        connection,
        create: "/usr/local/lib/recovery/run-step restore",
        stdin:
          '{"title":"Title of restore","script":"put","inputs":{},"secrets":["MONITORING"],' +
          '"triggers":["attempt 1","host-key SHA256:x","point p1"],"timeoutSeconds":300}\n',
        triggers: fetchTriggers,
        addPreviousOutputInEnv: false,
        logging: "none",
      },
      options: { ...options, dependsOn: ["fetch", "provision"] },
    },
  ]);
  expect([...recovered.commands.keys()]).toEqual(["provision", "fetch", "restore"]);
  // Declaring dials nobody: only the engine knows whether a step will run.
  expect(asked).toEqual([]);
});

test("the host and the relay are opened by what the engine calls before a step, the relay is closed after it", async () => {
  const engine = await recordingEngine([serverType, componentType, commandType]);
  const { session, asked } = notingSession();
  const { transformations } = engine;
  const server = new ReplacementServer("server", host);
  new RecoveredSite("other", { server, steps, session }, { transformations });
  await engine.settled();
  expect(asked).toEqual([]);

  expect([...engine.hooks.keys()].sort()).toEqual([
    "other-close-relay",
    "other-open-host",
    "other-open-relay",
  ]);
  for (const name of ["other-open-host", "other-open-relay", "other-close-relay"]) {
    const outcome = await engine.hooks.get(name)?.callback(unknownResource);
    // What a hook resolves to goes to the engine: a connection must not.
    expect(outcome).toBeUndefined();
  }
  expect(asked).toEqual(["open", "openRelay", "closeRelay"]);
});

test("a preview dials nobody: its hooks are not for a dry run", async () => {
  const engine = await recordingEngine([serverType, componentType, commandType]);
  const server = new ReplacementServer("server", host);
  const { session } = notingSession();
  new RecoveredSite("site", { server, steps, session }, { transformations: engine.transformations });
  await engine.settled();
  expect(engine.hooks.size).toBe(3);
  for (const hook of engine.hooks.values()) expect(hook.opts?.onDryRun ?? false).toBe(false);
});

test("a host that cannot be opened is an error of the step that needed it", async () => {
  const engine = await recordingEngine([serverType, componentType, commandType]);
  const { session } = notingSession();
  const refusing = { ...session, open: () => Promise.reject(new Error("another run has this host")) };
  const server = new ReplacementServer("server", host);
  const { transformations } = engine;
  new RecoveredSite("site", { server, steps, session: refusing }, { transformations });
  await engine.settled();
  const open = async () => engine.hooks.get("site-open-host")?.callback(unknownResource);
  await expect(open()).rejects.toThrow("another run has this host");
});

test("a plan in which a step stands before what it waits for is refused", async () => {
  await recordingEngine([serverType, componentType, commandType]);
  const server = new ReplacementServer("server", host);
  const { session } = notingSession();
  expect(() => new RecoveredSite("site", { server, steps: steps.toReversed(), session })).toThrow(
    "restore comes after fetch, which is not before it in the plan",
  );
  await pulumi.runtime.disconnect();
});

test("the server is a component of its own that hands on how it is reached, and makes nothing", async () => {
  const engine = await recordingEngine([serverType]);
  const server = new ReplacementServer("server", host);
  const { address, port, user } = server;
  const told = await new Promise((resolve) => {
    pulumi.output({ address, port, user, hostKey: server.hostKey }).apply(resolve);
  });
  await engine.settled();
  expect(told).toEqual(host);
  expect(engine.declared).toEqual([{ type: serverType, name: "server", inputs: {}, options: {} }]);
});

test("the step by which it makes its own backups belongs to a schedule of backups, behind and before the other steps", async () => {
  const scheduleType = "recovery-stack:index:BackupSchedule";
  const engine = await recordingEngine([serverType, componentType, scheduleType, commandType]);
  const { session } = notingSession();
  const server = new ReplacementServer("server", host);
  const protecting = [
    step("restore", {}),
    step("backup-schedule", { after: ["restore"] }),
    step("finish", { after: ["backup-schedule"] }),
  ];
  new RecoveredSite("site", { server, steps: protecting, session });
  await engine.settled();
  expect(
    engine.declared.map(({ type, name, options }) => [type, name, options["parent"], options["dependsOn"]]),
  ).toEqual([
    [serverType, "server", undefined, undefined],
    [componentType, "site", undefined, undefined],
    [scheduleType, "backups", "site", undefined],
    [commandType, "restore", "site", undefined],
    [commandType, "backup-schedule", "backups", ["restore"]],
    [commandType, "finish", "site", ["backup-schedule"]],
  ]);
});
