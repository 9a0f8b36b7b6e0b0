import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { chooseExecutor, type ExecutorWish } from "../../../run/choose-executor.ts";
import { directExecutor } from "../../../run/direct.ts";
import { exitCodes } from "../../../site/operator-error.ts";

let nothing: string;
beforeEach(() => {
  nothing = mkdtempSync(join(tmpdir(), "choose-executor-"));
  for (const name of ["PATH", "PULUMI_HOME", "XDG_CACHE_HOME"]) vi.stubEnv(name, nothing);
  vi.stubGlobal("fetch", () => Promise.reject(new Error("no such host")));
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
  rmSync(nothing, { recursive: true });
});

async function chosen(wish: Pick<ExecutorWish, "kind" | "withoutPulumi">) {
  const said: string[] = [];
  const { signal } = new AbortController();
  const make = await chooseExecutor({ ...wish, say: (line) => said.push(line), signal });
  return { executor: make({ stack: "club.staging", directory: nothing }), said };
}

test("a drill that finds no engine goes on directly, and says so", async () => {
  const { executor, said } = await chosen({ kind: "drill", withoutPulumi: false });
  expect(executor).toBe(directExecutor);
  expect(said.at(-1)).toBe(
    "there is no Pulumi engine on this computer: the steps are carried out directly, over ssh",
  );
});

test("a rebuild that finds no engine stops, and names the way without", async () => {
  await expect(chosen({ kind: "rebuild", withoutPulumi: false })).rejects.toMatchObject({
    exitCode: exitCodes.missingHere,
    what: "there is no Pulumi engine on this computer",
    next: expect.stringContaining("--without-pulumi") as string,
  });
});

test.each(["drill", "rebuild"] as const)(
  "for a %s that is to go without, none is looked for",
  async (kind) => {
    vi.stubGlobal("fetch", () => {
      throw new Error("the network was asked");
    });
    expect(await chosen({ kind, withoutPulumi: true })).toEqual({ executor: directExecutor, said: [] });
  },
);
