import { setMaxListeners } from "node:events";
import { expect, test } from "vitest";
import type { StepEnd } from "../../../run/reporter.ts";
import { directExecutor } from "../../../run/direct.ts";
import type { StepHost } from "../../../run/executor.ts";
import type { PreparedRecovery } from "../../../stacks/prepare.ts";
import { stepCommand } from "../../../runbook/command.ts";
import type { Step } from "../../../runbook/step.ts";
import { effectiveTriggers } from "../../../runbook/triggers.ts";
import { exitCodes, OperatorError } from "../../../site/operator-error.ts";
import { bundleInDrill } from "../runbook/expected-plans.ts";

function step(id: string, ...after: string[]): Step {
  return {
    id,
    title: `Title of ${id}`,
    runbook: "1.2",
    script: id,
    inputs: {},
    secrets: [],
    triggers: [],
    after,
    budgetSeconds: 60,
    timeoutSeconds: 300,
  };
}

interface Result {
  exitCode: number;
  stdout: string;
  stderr: string;
}

const result = (outcome: string, exitCode = 0, stderr = ""): Result => ({
  exitCode,
  stdout: `{"step":"x","outcome":"${outcome}","facts":{}}\n`,
  stderr,
});

/** A host on which every step takes until the test ends it, and a run of the plan there. */
function running(steps: Step[], { opened = Promise.resolve() } = {}) {
  const log: string[] = [];
  const stdin = new Map<string, unknown>();
  const ends = new Map<string, { resolve: (end: Result) => void; reject: (error: Error) => void }>();
  const stop = new AbortController();
  const kill = new AbortController();
  setMaxListeners(0, kill.signal);
  const host: StepHost = {
    open: async () => {
      stop.signal.throwIfAborted();
      await opened;
      stop.signal.throwIfAborted();
      return {
        closed: new Promise(() => undefined),
        run: (command, options) => {
          stdin.set(command, options.stdin);
          options.signal?.addEventListener("abort", () => ends.get(command)?.reject(new Error("cancelled")));
          return new Promise<Result>((resolve, reject) => ends.set(command, { resolve, reject }));
        },
      };
    },
    openRelay: () => Promise.resolve(void log.push("relay opened")),
    closeRelay: () => Promise.resolve(void log.push("relay closed")),
  };
  const done = directExecutor.carryOut({
    prepared: { steps } as PreparedRecovery,
    host,
    target: { address: "192.0.2.1", port: 22, user: "root", hostKey: "" },
    reporter: {
      say: () => undefined,
      plan: () => undefined,
      started: (id) => void log.push(`begin ${id}`),
      ended: (id: string, end: StepEnd) => void log.push(`${end} ${id}`),
      close: () => undefined,
    },
    signal: stop.signal,
    kill: kill.signal,
  });
  done.catch(() => undefined);
  const of = (id: string) => `/usr/local/lib/recovery/run-step ${id}`;
  return {
    done,
    stdin,
    stop,
    kill,
    /** What was told since the last look, once nothing moves any more. */
    told: async () => {
      await new Promise(setImmediate);
      return log.splice(0);
    },
    end: (id: string, how: Result | Error = result("done")) => {
      const waiting = ends.get(of(id));
      if (!waiting) throw new Error(`${id} was not begun`);
      if (how instanceof Error) waiting.reject(how);
      else waiting.resolve(how);
    },
  };
}

test("each step begins as soon as all that it waits for are done, and those that wait for nothing side by side", async () => {
  const { told, end, done } = running([
    step("a"),
    step("b"),
    step("c", "a"),
    step("d", "a", "b"),
    step("e", "c", "d"),
  ]);
  expect(await told()).toEqual(["begin a", "begin b"]);
  end("a");
  expect(await told()).toEqual(["done a", "begin c"]);
  end("b", result("already-done"));
  expect(await told()).toEqual(["already-done b", "begin d"]);
  end("d");
  expect(await told()).toEqual(["done d"]);
  end("c");
  expect(await told()).toEqual(["done c", "begin e"]);
  end("e");
  await done;
});

test("the host gets the bytes that the engine would deliver, with cumulative triggers", async () => {
  const steps = bundleInDrill({});
  const { told, end, stdin, done } = running(steps);
  for (let begun = await told(); begun.length > 0; begun = await told()) {
    for (const line of begun) if (line.startsWith("begin ")) end(line.slice(6));
  }
  await done;
  const triggers = effectiveTriggers(steps);
  const commands = steps.map((each) => stepCommand(each, triggers.get(each.id) ?? []));
  expect(stdin).toEqual(new Map(commands.map((each) => [each.command, each.stdin])));
});

test("once a step has failed no other begins; those beside it come to their end, and its own words are the run's", async () => {
  const { told, end, done } = running([step("a"), step("b"), step("c", "a"), step("d", "b")]);
  await told();
  end("a", result("failed", 1, "the disk is full\n2 of 40 GB are free\ntake a larger server\n"));
  expect(await told()).toEqual(["failed a"]);
  end("b");
  expect(await told()).toEqual(["done b"]);
  await expect(done).rejects.toEqual(
    new OperatorError(
      exitCodes.failed,
      "Title of a: the disk is full",
      "2 of 40 GB are free",
      "take a larger server",
    ),
  );
});

test("of two that fail the first is told", async () => {
  const { told, end, done } = running([step("a"), step("b")]);
  await told();
  const lost = new OperatorError(exitCodes.failed, "the connection was lost", "silence", "again");
  end("b", lost);
  await told();
  end("a", result("failed", 1, "because of that"));
  await expect(done).rejects.toBe(lost);
});

test("what is not understood does not count as done", async () => {
  const { told, end, done } = running([step("a")]);
  await told();
  end("a", { exitCode: 0, stdout: "Welcome to this host\n", stderr: "" });
  expect(await told()).toEqual(["failed a"]);
  await expect(done).rejects.toThrow(SyntaxError);
});

test("the relay is there while a step takes files, and ends however that ends", async () => {
  const { told, end, done } = running([{ ...step("fetch"), secrets: ["rclone.conf"] }, step("a")]);
  expect(await told()).toEqual(["relay opened", "begin a", "begin fetch"]);
  end("fetch", result("timed-out", 1));
  expect(await told()).toEqual(["failed fetch", "relay closed"]);
  end("a");
  await expect(done).rejects.toThrow("Title of fetch: it ended with 1");
});

test("when it is to stop, the steps that run come to their end and no other begins", async () => {
  const { told, end, stop, done } = running([step("a"), step("b"), step("c", "a")]);
  await told();
  const reason = new Error("the operator");
  stop.abort(reason);
  end("a");
  end("b");
  expect(await told()).toEqual(["done a", "done b"]);
  await expect(done).rejects.toBe(reason);
});

test("when it is to stop while the host is opened, no step begins", async () => {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const { told, stop, done } = running([step("a")], { opened });
  await told();
  stop.abort(new Error("the operator"));
  open();
  await expect(done).rejects.toThrow("the operator");
  expect(await told()).toEqual([]);
});

test("when it is to end at once nothing is waited for, not even the host; a step left to itself has not failed", async () => {
  const reason = new Error("the operator, again");
  const atWork = running([step("a")]);
  await atWork.told();
  atWork.stop.abort(reason);
  atWork.kill.abort(reason);
  await expect(atWork.done).rejects.toBe(reason);
  expect(await atWork.told()).toEqual([]);

  const opening = running([step("a")], { opened: new Promise(() => undefined) });
  await opening.told();
  opening.kill.abort(reason);
  await expect(opening.done).rejects.toBe(reason);
});
