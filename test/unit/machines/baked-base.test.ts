import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { bakedBaseOf, isBaked } from "../../../machines/baked-base.ts";
import type { Base } from "../../../machines/base.ts";

const cache = mkdtempSync(join(tmpdir(), "recovery-test-"));
afterAll(() => {
  rmSync(cache, { recursive: true });
});

const environment = { XDG_CACHE_HOME: cache };
const blank: Base = {
  release: "12",
  root: "/cache/debian-12-0123456789ab/root",
  digest: "0123456789ab",
  mirrors: [{ host: "mirror.example.org", port: 80 }],
};
const recipe = { packages: ["nginx", "curl"], steps: "abcdef012345" };

describe("a base with packages baked in", () => {
  it("lies beside the blank one and has its mirrors", () => {
    const { base, folder } = bakedBaseOf(blank, recipe, environment);
    expect(folder).toMatch(new RegExp(`^${cache}/recovery-stack/base/debian-12-baked-${base.digest}$`));
    expect(base).toEqual({ ...blank, root: `${folder}/root`, digest: base.digest });
    expect(base.digest).not.toBe(blank.digest);
  });

  it("is the same whatever the order of the packages", () => {
    const turned = { ...recipe, packages: ["curl", "nginx"] };
    expect(bakedBaseOf(blank, turned, environment)).toEqual(bakedBaseOf(blank, recipe, environment));
  });

  it.each([
    ["package", blank, { ...recipe, packages: ["nginx"] }],
    ["release of the steps", blank, { ...recipe, steps: "abcdef012346" }],
    ["blank base", { ...blank, digest: "0123456789ac" }, recipe],
  ])("is another one with another %s", (_, over, changed) => {
    expect(bakedBaseOf(over, changed, environment).folder).not.toBe(
      bakedBaseOf(blank, recipe, environment).folder,
    );
  });

  it("is there once it is marked and what is marked agrees", () => {
    const baked = bakedBaseOf(blank, recipe, environment);
    expect(isBaked(baked)).toBe(false);
    const files = ["var/lib/dpkg/status", "usr/sbin/sshd", "usr/lib/systemd/systemd", "usr/bin/dpkg"];
    for (const file of files) {
      mkdirSync(dirname(join(baked.base.root, file)), { recursive: true });
      writeFileSync(join(baked.base.root, file), file);
    }
    expect(isBaked(baked)).toBe(false);
    const hash = (text: string) => createHash("sha256").update(text).digest("hex");
    writeFileSync(
      join(baked.folder, "complete.sha256"),
      files.map((file) => `${hash(file)}  ${file}\n`).join(""),
    );
    expect(isBaked(baked)).toBe(true);
    writeFileSync(join(baked.base.root, "var/lib/dpkg/status"), "half of it");
    expect(isBaked(baked)).toBe(false);
  });
});
