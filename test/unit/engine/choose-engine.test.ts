import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { chooseEngine, engineVersion, type InstalledEngine } from "../../../engine/choose-engine.ts";

const owners = (version: string | undefined): InstalledEngine => ({
  path: "/usr/bin/pulumi",
  version,
  from: "path",
});
const cached: InstalledEngine = { path: "/cache/built/bin/pulumi", version: "3.259.0", from: "cache" };

describe("which engine is taken", () => {
  test("the owner's, when it is new enough, even with one in the cache", () => {
    const engine = owners("3.260.1");
    expect(chooseEngine([cached, engine], undefined, false)).toEqual({ kind: "use", engine, passedOver: [] });
  });

  test.each(["3.258.9", "4.0.0", "2.300.0"])("not the owner's of version %s, and it says why", (version) => {
    expect(chooseEngine([owners(version), cached], undefined, false)).toEqual({
      kind: "use",
      engine: cached,
      passedOver: [`/usr/bin/pulumi is version ${version}; 3.259.0 or later, below 4, is needed`],
    });
  });

  test("not one that does not run", () => {
    expect(chooseEngine([owners(undefined)], undefined, false)).toEqual({
      kind: "get",
      attempts: ["download"],
      passedOver: ["/usr/bin/pulumi does not run"],
    });
  });

  test("none here: the download is tried first, then a build", () => {
    expect(chooseEngine([], "go1.21.0", true)).toEqual({
      kind: "get",
      attempts: ["download", "build"],
      passedOver: [],
    });
  });

  test("nothing is compiled inside an RTO, whatever go there is", () => {
    expect(chooseEngine([], "go1.26.8", false)).toEqual({
      kind: "get",
      attempts: ["download"],
      passedOver: [],
    });
  });

  test("a go that cannot fetch a newer toolchain builds nothing", () => {
    expect(chooseEngine([], "go1.19.8", true)).toEqual({
      kind: "get",
      attempts: ["download"],
      passedOver: ["go1.19.8 is too old to build it; 1.21 or later is needed"],
    });
  });

  test("without go there is no build", () => {
    expect(chooseEngine([], undefined, true)).toEqual({
      kind: "get",
      attempts: ["download"],
      passedOver: ["no go to build it with"],
    });
  });
});

test("SDK, engine and Go module are of one version", () => {
  const sdk = JSON.parse(
    readFileSync(new URL("../../../node_modules/@pulumi/pulumi/package.json", import.meta.url), "utf8"),
  ) as { version: string };
  const module = readFileSync(new URL("../../../engine/module/go.mod", import.meta.url), "utf8");
  expect(sdk.version).toBe(engineVersion);
  expect(module).toContain(`github.com/pulumi/pulumi/pkg/v3 v${engineVersion} `);
});
