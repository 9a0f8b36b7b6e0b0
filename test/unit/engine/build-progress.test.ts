import { expect, test } from "vitest";
import { countBuildLine, describeBuild } from "../../../engine/build-progress.ts";

const lines = [
  "go: downloading github.com/pulumi/pulumi/pkg/v3 v3.259.0",
  "go: downloading github.com/djherbis/times v1.5.0",
  "internal/goarch",
  "# github.com/pulumi/pulumi/pkg/v3/engine",
  "charm.land/bubbletea/v2",
];

test("downloads and compiled packages are counted, compiler messages are not", () => {
  expect(lines.reduce(countBuildLine, { modulesDownloaded: 0, packagesCompiled: 0 })).toEqual({
    modulesDownloaded: 2,
    packagesCompiled: 2,
  });
});

test("the operator reads the phase and the time so far", () => {
  expect(describeBuild({ modulesDownloaded: 12, packagesCompiled: 0 }, 9.6)).toBe(
    "building the engine, 9 s: 12 of at most 254 modules downloaded",
  );
  expect(describeBuild({ modulesDownloaded: 254, packagesCompiled: 700 }, 130)).toBe(
    "building the engine, 2 min 10 s: 700 of at most 1686 packages compiled",
  );
});
