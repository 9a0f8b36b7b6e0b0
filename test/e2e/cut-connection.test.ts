import { once } from "node:events";
import { hostname, userInfo } from "node:os";
import { basename } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runRecordSchema, type RunRecord } from "../../evidence/record.ts";
import { prepareSample } from "../../examples/chatbot/prepare.ts";
import {
  besides,
  recoveryHost,
  trustAnAuthority,
  type Operator,
  type RecoveryHost,
} from "./recovery-host.ts";

let host: RecoveryHost;

const rebuildArguments = () => [
  "rebuild",
  "--site",
  host.site,
  "--host",
  `root@${host.machine.address}`,
  "--host-key",
  host.machine.hostKey,
  ...besides,
  "--yes",
  "--json",
];

interface Lock {
  run: { id: string };
  since: string;
}

interface Attempt {
  run: { id: string };
  result: { step: string; outcome: string };
}

async function attempts(): Promise<Attempt[]> {
  const history = await host.onHost("cat /var/lib/recovery/history.jsonl");
  return history
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Attempt);
}

const outcomesOf = async (step: string) =>
  (await attempts()).filter(({ result }) => result.step === step).map(({ result }) => result.outcome);

const runsOf = async (step: string) =>
  (await attempts()).filter(({ result }) => result.step === step).map(({ run }) => run.id);

/**
 * A fault on the host: the next chown of a path with this text in it waits until it is let go. No step can get past it, and
 * none is told.
 */
async function hold(path: string): Promise<{ reached: () => Promise<void>; letGo: () => Promise<void> }> {
  await host.onHost(
    [
      "mkdir -p /run/test-hold && cd /run/test-hold && rm -f reached go && mkfifo reached go",
      `printf '%s' '${path}' >path`,
      String.raw`printf '%s\n' '#!/bin/sh' 'case "$*" in' '*"$(cat /run/test-hold/path)"*) [ ! -p /run/test-hold/go ] || { echo >/run/test-hold/reached; read -r _ </run/test-hold/go; } ;;' 'esac' 'exec /usr/bin/chown "$@"' >/usr/local/bin/chown`,
      "chmod 755 /usr/local/bin/chown",
    ].join(" && "),
  );
  return {
    reached: async () => {
      await host.onHost("cat /run/test-hold/reached");
    },
    letGo: async () => {
      await host.onHost("cd /run/test-hold && mv go gone && echo >gone");
    },
  };
}

/** Starts a rebuild and gives what it ends with. */
function rebuilding(operator: Operator, ...more: string[]) {
  const child = operator.start(...rebuildArguments(), ...more);
  if (!child.stdout || !child.stderr) throw new Error("no output");
  const output = Promise.all([text(child.stdout), text(child.stderr)]);
  const ended = once(child, "exit").then(async ([exitCode]: unknown[]) => {
    const [stdout, stderr] = await output;
    return { exitCode, stdout, stderr };
  });
  return { child, ended };
}

/** What comes before the end of a rebuild; one that ends first fails the test with its own words. */
function before<Result>({ ended }: ReturnType<typeof rebuilding>, event: Promise<Result>): Promise<Result> {
  const early = ended.then(({ exitCode, stderr }) => {
    throw new Error(`the rebuild ended with ${String(exitCode)}: ${stderr}`);
  });
  early.catch(() => undefined);
  return Promise.race([event, early]);
}

function recordOf(stdout: string): RunRecord {
  return runRecordSchema.parse((JSON.parse(stdout) as { record: unknown }).record);
}

beforeAll(async () => {
  host = await recoveryHost();
  await trustAnAuthority(host);
});

afterAll(async () => {
  await host.close();
});

describe("a restore whose operator is cut off", () => {
  test("keeps others out, goes on, and is followed to its end by the next attempt", async () => {
    const held = await hold("/staging/databases");
    const first = rebuilding(host);
    await before(first, held.reached());
    const { run, since } = JSON.parse(await host.onHost("cat /var/lib/recovery/lock.json")) as Lock;

    const refused = await rebuilding(host.anotherOperator()).ended;
    expect(refused.exitCode).toBe(4);
    expect(refused.stdout).toBe("");
    const me = `${userInfo().username}@${hostname()}`;
    expect(refused.stderr.trim().split("\n").slice(-3)).toEqual([
      `another run has this host: ${run.id} of ${me}, since ${since}, to rebuild chatbot`,
      expect.stringMatching(/^(recovery-\S+ )*recovery-restore\.service( recovery-\S+)* under way$/),
      "wait for it, or watch it: journalctl -f -u 'recovery-*'",
    ]);

    const cutAt = performance.now();
    const lost = await host.withoutNetwork(() => first.ended);
    expect((performance.now() - cutAt) / 1000).toBeLessThan(60);
    expect(lost.exitCode).toBe(1);
    const lostRecord = recordOf(lost.stdout);
    expect(lostRecord.outcome).toBe("failed");
    expect(lostRecord.error?.why).toContain(
      `The connection to ${host.machine.address}:22 was lost while '/usr/local/lib/recovery/run-step restore' ran.`,
    );
    expect(lostRecord.steps.find(({ id }) => id === "restore")?.outcome).toBe("not-run");

    expect(await host.onHost("systemctl show --property=ActiveState --value recovery-restore.service")).toBe(
      "activating\n",
    );
    const again = rebuilding(host);
    // The first attempt's run-step waits there too: its sshd has heard nothing of the cut.
    const followed =
      "until (($(pgrep -fcx 'systemctl start recovery-restore.service') == 2)); do sleep 0.1; done";
    await before(again, host.onHost(followed));
    await held.letGo();
    const { exitCode, stdout } = await again.ended;
    const record = recordOf(stdout);
    expect(record.error).toBeUndefined();
    expect(record.outcome).toBe("recovered");
    expect(exitCode).toBe(0);
    const outcomes = (await attempts()).map(({ result }) => `${result.step} ${result.outcome}`);
    expect(outcomes.sort()).toEqual(record.steps.map(({ id }) => `${id} done`).sort());
    const restore = record.steps.find(({ id }) => id === "restore");
    expect(Date.parse(restore?.startedAt ?? "")).toBeLessThan(Date.parse(lostRecord.endedAt));
    expect(await runsOf("restore")).toEqual([record.run]);
  });

  test("is taken over by another operator once the first is gone and no step runs, and that is recorded", async () => {
    const newer = await prepareSample({ directory: host.directory, agents: 25 });
    const point = ["--point", basename(newer.archive, ".tar.gz")];
    const held = await hold("/staging/databases");
    const first = rebuilding(host, ...point, "--again", host.machine.address);
    await before(first, held.reached());
    first.child.kill("SIGKILL");
    await first.ended;
    await host.onHost("tail --pid=$(jq -r .holder /var/lib/recovery/lock.json) -f /dev/null");

    const other = host.anotherOperator();
    const refused = await rebuilding(other, ...point).ended;
    expect(refused.exitCode).toBe(4);
    expect(refused.stderr).toContain("recovery-restore.service under way");

    await held.letGo();
    await host.onHost("systemctl start recovery-restore.service 2>/dev/null || true");
    const { exitCode, stdout } = await rebuilding(other, ...point).ended;
    const record = recordOf(stdout);
    expect(record.error).toBeUndefined();
    expect(exitCode).toBe(0);
    const [, killed] = await runsOf("restore");
    expect(await runsOf("restore")).toEqual([expect.any(String), killed]);
    expect(killed).not.toBe(record.run);
    const takeOvers = (await host.onHost("cat /var/lib/recovery/take-overs.jsonl")).trim().split("\n");
    expect(takeOvers.map((line) => JSON.parse(line) as unknown)).toEqual([
      {
        takenOver: expect.objectContaining({ id: killed, why: "rebuild chatbot" }) as unknown,
        by: expect.objectContaining({ id: record.run }) as unknown,
        at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:]+Z$/) as unknown,
      },
    ]);
    expect(
      await host.onHost(
        "runuser -u www-data -- sqlite3 -cmd '.timeout 5000' /var/www/chatbot/data/admin.db 'SELECT count(*) FROM agents'",
      ),
    ).toBe("25\n");
    expect(await host.onHost("test ! -e /var/lib/recovery/lock.json && echo free")).toBe("free\n");
  });
});

describe("a step asked for by hand", () => {
  const request = (timeoutSeconds: number) =>
    JSON.stringify({
      title: "held",
      script: "permissions",
      inputs: {
        path: "/srv/held",
        owner: "root",
        group: "root",
        directories: "755",
        files: "644",
        dataDirectories: "770",
        dataFiles: "660",
        dataFolders: [],
        databases: [],
        configuration: [],
        logs: [],
      },
      secrets: [],
      triggers: ["test"],
      timeoutSeconds,
    });
  const step = (timeoutSeconds: number) =>
    host.onHost(
      `mkdir -p /srv/held; /usr/local/lib/recovery/run-step held <<'END' 2>&1; echo "exit code $?"\n${request(timeoutSeconds)}\nEND`,
    );

  beforeAll(async () => {
    const run = { id: "test", who: "test", why: "see a step end" };
    await host.onHost(
      `echo '${JSON.stringify({ run, secrets: {}, hold: false })}' | /usr/local/lib/recovery/current/open`,
    );
  });

  test("is ended and told as timed out when its time is up, and is made again when asked for again", async () => {
    const held = await hold("/srv/held");
    const [said] = await Promise.all([step(1), held.reached()]);
    const [result = "", ...lines] = said.trim().split("\n");
    expect(JSON.parse(result)).toMatchObject({ step: "held", outcome: "timed-out", facts: {} });
    expect(lines).toEqual([
      "the step was ended at its limit of 1 s",
      expect.stringContaining("the last that it said: "),
      expect.stringContaining(
        "read /var/lib/recovery/logs/held.log on the host, then run the recovery again",
      ),
      "exit code 1",
    ]);
    expect(await host.onHost("systemctl is-active recovery-held.service || true")).toBe("inactive\n");
    expect(await host.onHost("pgrep -fc [/]srv/held || true")).toBe("0\n");

    await host.onHost("rm /run/test-hold/go");
    expect(await step(60)).toContain('"outcome":"done"');
    expect(await outcomesOf("held")).toEqual(["timed-out", "done"]);
  });

  test("is not done because another machine did it, of which this one is a copy", async () => {
    expect(await step(60)).toContain('"outcome":"already-done"');
    const machine = await host.onHost("cat /etc/machine-id");
    await host.onHost("systemd-id128 new >/etc/machine-id");
    expect(await step(60)).toContain('"outcome":"done"');
    expect(await step(60)).toContain('"outcome":"already-done"');
    await host.onHost(`echo ${machine.trim()} >/etc/machine-id`);
    expect(await outcomesOf("held")).toEqual(["timed-out", "done", "done"]);
  });
});
