import { describe, expect, test } from "vitest";
import { planFencing, provenStopped } from "../../../run/fence.ts";
import { exitCodes } from "../../../site/operator-error.ts";

describe("what becomes of the old server", () => {
  const said = { isOff: false, finished: false, mends: false, terminal: true };

  test.each([
    [
      "it is stopped when its address is given",
      { ...said, oldHost: "192.0.2.9" },
      { how: "stop", address: "192.0.2.9" },
    ],
    [
      "it is stopped also when it is said to be off",
      { ...said, oldHost: "192.0.2.9", isOff: true },
      { how: "stop", address: "192.0.2.9" },
    ],
    ["it is off when the operator says so", { ...said, isOff: true }, { how: "said-to-be-off" }],
    [
      "it was decided when a recovery ended on this host before",
      { ...said, finished: true },
      { how: "decided-before" },
    ],
    [
      "there is none when a part is mended where the rest stands",
      { ...said, mends: true },
      { how: "this-host" },
    ],
    ["it is asked for on a terminal", said, { how: "ask" }],
  ])("%s", (_, given, plan) => {
    expect(planFencing(given)).toEqual(plan);
  });

  test("without a word of it and without a terminal nothing is done, and both flags are named", () => {
    expect(() => planFencing({ ...said, terminal: false })).toThrow(
      expect.objectContaining({
        exitCode: exitCodes.refused,
        what: "it is not said whether the old server is off",
        next: expect.stringMatching(/--old-host-is-off.*--old-host root@ADDRESS --old-host-key/) as string,
      }) as Error,
    );
  });
});

describe("the proof that it is stopped", () => {
  const lines = (...rest: string[]) => ["machine\told", ...rest, ""].join("\n");
  const worker = "unit\tclub.service\tactive, enabled\tinactive, disabled";
  const nginx = "unit\tnginx.service\tactive, enabled\tinactive, disabled";
  const judge = (printed: string, said = "") => provenStopped("192.0.2.9", "new", printed, said);

  test("is how each unit was and is", () => {
    expect(judge(lines(worker, nginx))).toEqual([
      { unit: "club.service", before: "active, enabled", after: "inactive, disabled" },
      { unit: "nginx.service", before: "active, enabled", after: "inactive, disabled" },
    ]);
  });

  test("holds for a server that was stopped before, and for a worker that failed", () => {
    const failed = "unit\tclub.service\tfailed, enabled\tfailed, disabled";
    expect(judge(lines(failed, nginx.replace("\tactive, enabled", "\tinactive, disabled")))).toHaveLength(2);
  });

  test.each([
    [
      "a unit that still runs",
      lines(worker, nginx.replace("inactive, disabled", "active, disabled")),
      "nginx.service is active, disabled",
    ],
    [
      "a unit that is still stopping",
      lines(worker, nginx.replace("inactive, disabled", "deactivating, disabled")),
      "nginx.service is deactivating, disabled",
    ],
    [
      "a unit that would start at boot",
      lines(worker.replace("inactive, disabled", "inactive, enabled"), nginx),
      "club.service is inactive, enabled",
    ],
    [
      "a web server of another name",
      lines(worker, nginx, "listening\t0.0.0.0:443"),
      "something still listens on 0.0.0.0:443",
    ],
  ])("fails on %s", (_, printed, why) => {
    expect(() => judge(printed)).toThrow(
      expect.objectContaining({
        exitCode: exitCodes.refused,
        what: "the old server 192.0.2.9 still works",
        why,
      }) as Error,
    );
  });

  test("fails on a server that has none of the site's units, and on one that says nothing", () => {
    for (const printed of [lines(), ""])
      expect(() => judge(printed)).toThrow(
        "is not the old server, or cannot be stopped\nit has neither nginx nor a worker of this site",
      );
    expect(() => judge("", "bash: systemctl: command not found")).toThrow("systemctl: command not found");
  });

  test("fails on the new host itself", () => {
    expect(() => judge("machine\tnew\n")).toThrow("it is the host that is being rebuilt");
  });
});
