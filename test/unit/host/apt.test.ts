import { chmod, mkdir, mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterEach, beforeEach, expect, test } from "vitest";

const library = fileURLToPath(new URL("../../../host/apt.sh", import.meta.url));
let folder: string;

/** apt-get is another, which keeps a line of each call. */
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "apt-test-"));
  await mkdir(join(folder, "lists"));
  await mkdir(join(folder, "programs"));
  await writeFile(join(folder, "calls"), "");
  const program = join(folder, "programs/apt-get");
  await writeFile(program, `#!/bin/sh\necho "$@" >>'${folder}/calls'\n[ ! -e '${folder}/fails' ]\n`);
  await chmod(program, 0o755);
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const updated = () =>
  execa("bash", ["-c", `set -euo pipefail; . '${library}'; update_lists`], {
    env: {
      RECOVERY_APT_LISTS: join(folder, "lists"),
      PATH: [join(folder, "programs"), process.env["PATH"]].join(delimiter),
    },
    reject: false,
  });
const calls = async () => (await readFile(join(folder, "calls"), "utf8")).split("\n").length - 1;
const stampedHoursAgo = async (hours: number) => {
  const at = new Date(Date.now() - hours * 3_600_000);
  await utimes(join(folder, "lists/recovery-updated"), at, at);
};

test("package lists are fetched, and not again within six hours", async () => {
  expect((await updated()).exitCode).toBe(0);
  expect(await calls()).toBe(1);
  for (const [hours, fetched] of [
    [5.9, 1],
    [6.1, 2],
  ] as const) {
    await stampedHoursAgo(hours);
    expect((await updated()).exitCode).toBe(0);
    expect(await calls()).toBe(fetched);
  }
});

test("package lists whose time is yet to come are fetched: the clock was wrong", async () => {
  await updated();
  await stampedHoursAgo(-24);
  await updated();
  expect(await calls()).toBe(2);
});

test("package lists that could not be fetched are fetched the next time", async () => {
  await writeFile(join(folder, "fails"), "");
  expect((await updated()).exitCode).toBe(1);
  await rm(join(folder, "fails"));
  expect((await updated()).exitCode).toBe(0);
  expect(await calls()).toBe(2);
});
