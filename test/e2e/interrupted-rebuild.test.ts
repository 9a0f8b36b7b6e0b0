import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { runRecordSchema, type RunRecord } from "../../evidence/record.ts";
import { commandLine, run, type Running } from "./drill-process.ts";
import { besides, recoveryHost, type RecoveryHost } from "./recovery-host.ts";

let host: RecoveryHost;
const started: Running[] = [];

beforeAll(async () => {
  host = await recoveryHost({ blank: true });
});
afterEach(async () => {
  // Only when a test has failed does one still run.
  for (const { child, ended } of started.splice(0)) {
    if (child.exitCode === null) child.kill("SIGKILL");
    await ended;
  }
});
afterAll(async () => {
  await host.close();
});

function rebuild(...more: string[]): Running {
  const { machine, site, directory, environment } = host;
  const target = ["--host", `root@${machine.address}`, "--host-key", machine.hostKey, ...besides];
  const running = run(
    process.execPath,
    [commandLine, "rebuild", "--site", site, ...target, "--yes", "--json", ...more],
    {
      cwd: directory,
      env: { ...process.env, ...environment, CI: "true" },
    },
  );
  started.push(running);
  return running;
}

function recordOf(running: Running): RunRecord {
  return runRecordSchema.parse((JSON.parse(running.stdout()) as { record: unknown }).record);
}

/** Resolves when a step's unit runs: what the engine has begun may still be on its way. */
async function runsOnHost(step: string): Promise<void> {
  await expect
    .poll(() => host.onHost(`systemctl show --property=ActiveState recovery-${step}`), {
      timeout: 30_000,
      interval: 100,
    })
    .toMatch(/=activ/);
}

const outcomesOf = ({ steps }: RunRecord) => new Map(steps.map(({ id, outcome }) => [id, outcome]));

test("at the first Ctrl-C the steps that run come to their end and no other begins", async () => {
  const rebuilding = rebuild();
  await rebuilding.says(/begin .* Packages to build and restore with/);
  await runsOnHost("install-building-packages");
  rebuilding.child.kill("SIGINT");
  expect(await rebuilding.ended).toBe(130);
  expect(rebuilding.stderr()).toContain("no other step will begin");
  const record = recordOf(rebuilding);
  expect(record).toMatchObject({
    outcome: "interrupted",
    error: { next: "run the same command again: it goes on where it stopped" },
    checks: [],
  });
  const outcomes = outcomesOf(record);
  for (const id of [
    "provision",
    "fetch",
    "fetch-application",
    "download-packages",
    "install-building-packages",
  ])
    expect(outcomes.get(id), id).toBe("done");
  for (const id of ["application", "unpack", "restore", "health"])
    expect(outcomes.get(id), id).toBe("not-run");
});

describe("the next run goes on from there; at the second Ctrl-C it ends without waiting, and the step that ran goes on alone:", () => {
  beforeAll(async () => {
    // A step that takes as long as it is let.
    await host.onHost(
      "mkfifo /tmp/hold; printf '#!/bin/sh\\nread -r go </tmp/hold\\n' >/usr/local/bin/composer; chmod +x /usr/local/bin/composer",
    );
  });

  test.each([
    ["by the engine", []],
    ["directly", ["--without-pulumi"]],
  ])("%s", async (_, how) => {
    const rebuilding = rebuild(...how);
    await rebuilding.says(/begin .* Application at its revision, built/);
    if (how.length === 0) expect(rebuilding.stderr()).not.toContain("Packages to build and restore with");
    await runsOnHost("application");
    rebuilding.child.kill("SIGINT");
    await rebuilding.says("no other step will begin");
    expect(rebuilding.child.exitCode).toBeNull();
    rebuilding.child.kill("SIGINT");
    expect(await rebuilding.ended).toBe(130);
    expect(rebuilding.stderr()).not.toContain("FAILED");
    const record = recordOf(rebuilding);
    expect(record.outcome).toBe("interrupted");
    expect(outcomesOf(record).get("application")).toBe("not-run");
    await runsOnHost("application");
    const { stdout } = await host
      .anotherOperator()
      .recovery(
        ...["status", "--site", host.site, "--host", `root@${host.machine.address}`],
        ...["--host-key", host.machine.hostKey],
      );
    expect(stdout).toMatch(/^\S+-rebuild of \S+, to rebuild chatbot; since \S+Z, .* ago$/m);
    expect(stdout).toMatch(/^application +running$/m);
  });
});

test("at the first Ctrl-C of a direct run, too, the steps that run come to their end and no other begins", async () => {
  const rebuilding = rebuild("--without-pulumi");
  await rebuilding.says(/begin .* Application at its revision, built/);
  await runsOnHost("application");
  rebuilding.child.kill("SIGINT");
  await rebuilding.says("no other step will begin");
  await host.onHost("echo go >/tmp/hold; rm /tmp/hold /usr/local/bin/composer");
  expect(await rebuilding.ended).toBe(130);
  const outcomes = outcomesOf(recordOf(rebuilding));
  expect(outcomes.get("application")).toBe("done");
  for (const id of ["restore", "services", "health"]) expect(outcomes.get(id), id).toBe("not-run");
});
