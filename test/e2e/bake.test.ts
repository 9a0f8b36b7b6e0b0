import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { prepareSample } from "../../examples/chatbot/prepare.ts";
import { bakedBaseOf, isBaked, keepAsBase } from "../../machines/baked-base.ts";
import { ensureBase, type Base } from "../../machines/base.ts";
import { createMachine } from "../../machines/nspawn.ts";
import { machinesOf, run } from "./drill-process.ts";
import { needed, say } from "./recovery-host.ts";
import { tracesOf } from "./traces.ts";
import { typed } from "./typed.ts";

let directory: string;
let blank: Base;
let cache: string;

beforeAll(async () => {
  await needed();
  directory = await mkdtemp(join(tmpdir(), "recovery-test-"));
  blank = await ensureBase("12", say);
  // A cache of the test's own, in which the blank base is there and nothing else.
  cache = join(directory, "cache/recovery-stack/base");
  mkdirSync(cache, { recursive: true });
  const folder = join(blank.root, "..");
  symlinkSync(folder, join(cache, `debian-12-${blank.digest}`));
});

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

const partsOf = (name: string) => readdirSync(cache).filter((entry) => entry.includes(name));

test("a machine whose owner is killed while it is kept as a base leaves nothing that looks like one; the next is whole", async () => {
  const environment = { XDG_CACHE_HOME: join(directory, "cache") };
  const baked = bakedBaseOf(blank, { packages: [], steps: "of-a-test" }, environment);
  const request = { release: "12", authorizedKeys: [], admittedHosts: [] } as const;
  const owner = spawn(
    process.execPath,
    [
      "--import",
      "tsx",
      "--input-type=module",
      "--eval",
      `import { createMachine } from ${JSON.stringify(join(process.cwd(), "machines/nspawn.ts"))};
       import { keepAsBase } from ${JSON.stringify(join(process.cwd(), "machines/baked-base.ts"))};
       const say = () => undefined;
       const machine = await createMachine({ ...${JSON.stringify({ ...request, base: blank })}, say });
       await keepAsBase(machine, ${JSON.stringify(baked)}, say);`,
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  const name = baked.base.digest;
  const copied = () => partsOf(`${name}.partial`).some((part) => existsSync(join(cache, part, "root/usr")));
  while (!copied()) {
    expect(owner.exitCode).toBeNull();
    await pause(2);
  }
  const [machine = ""] = await machinesOf(owner.pid ?? 0);
  owner.kill("SIGKILL");
  await once(owner, "exit");
  await expect.poll(() => tracesOf(machine), { timeout: 30_000 }).toEqual([]);
  await expect.poll(() => partsOf(`${name}.partial`), { timeout: 30_000 }).toEqual([]);
  expect(isBaked(baked)).toBe(false);
  expect(existsSync(baked.folder)).toBe(false);

  const again = await createMachine({ ...request, base: blank, say });
  try {
    await keepAsBase(again, baked, say);
  } finally {
    await again.destroy();
  }
  expect(isBaked(baked)).toBe(true);
  // As blank as what it was made of.
  const names = (folder: string) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((file) => !/^(var\/lib\/systemd|var\/log|etc\/systemd|run\/)/.test(file))
      .sort();
  expect(names(baked.base.root)).toEqual(names(blank.root));
});

test(
  "of two who bake at once the second waits, and bakes itself when the first is killed; what is baked holds nothing of its machine",
  { timeout: 600_000 },
  async () => {
    await prepareSample({ directory });
    const bake = () =>
      run("bash", ["-c", `exec ${typed("npx recovery machine bake --site site.yaml")}`], {
        cwd: directory,
        env: { ...process.env, XDG_CACHE_HOME: join(directory, "cache") },
      });
    const first = bake();
    await first.says("baking 23 packages");
    const second = bake();
    await second.says("another run is baking these packages; waiting for it");
    await expect.poll(() => machinesOf(first.pid), { timeout: 60_000, interval: 50 }).toHaveLength(1);
    const [machine = ""] = await machinesOf(first.pid);
    first.child.kill("SIGKILL");
    await second.says("baking 23 packages");
    expect(await second.ended, second.stderr()).toBe(0);
    await expect.poll(() => tracesOf(machine), { timeout: 30_000 }).toEqual([]);
    const folder = /^baked: (.*)$/m.exec(second.stdout())?.[1] ?? "";
    expect(folder).toContain(join(directory, "cache/recovery-stack/base/debian-12-baked-"));

    // There for whoever asks next.
    const third = bake();
    expect(await third.ended).toBe(0);
    expect(third.stderr()).toBe("");
    expect(third.stdout()).toBe(second.stdout());

    const root = join(folder, "root");
    expect(readFileSync(join(root, "var/lib/dpkg/status"), "utf8")).toMatch(/^Package: php8\.2-fpm$/m);
    expect(readFileSync(join(root, "etc/machine-id"), "utf8")).toBe("");
    for (const path of [
      "etc/hostname",
      "etc/recovery-wall.json",
      "etc/apt/apt.conf.d/00recovery-proxy",
      "etc/systemd/system.conf.d/recovery-proxy.conf",
      "root/.ssh/authorized_keys",
      "usr/local/lib/recovery",
      "usr/sbin/policy-rc.d",
      "var/lib/recovery",
    ])
      expect(existsSync(join(root, path)), path).toBe(false);
    const below = (path: string) =>
      readdirSync(join(root, path), { recursive: true, encoding: "utf8" }).filter((name) =>
        lstatSync(join(root, path, name)).isFile(),
      );
    expect(readdirSync(join(root, "etc/ssh")).filter((name) => name.includes("host"))).toEqual([]);
    expect(below("var/log")).toEqual([]);
    expect(below("var/cache/apt/archives").filter((name) => name.endsWith(".deb"))).toEqual([]);
    // Nothing of it starts with a machine, before there is a site.
    const links = (base: string) =>
      readdirSync(join(base, "etc/systemd/system"), { recursive: true, encoding: "utf8" })
        .filter((name) => name.includes(".wants/"))
        .sort();
    expect(links(root)).toEqual(links(blank.root));
  },
);
