import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterEach, beforeEach, expect, test } from "vitest";

const mask = fileURLToPath(new URL("../../../host/mask", import.meta.url));
let folder: string;
let environmentFile: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "mask-test-"));
  environmentFile = join(folder, ".env");
  await mkdir(join(folder, "secrets"));
  await writeFile(join(folder, "secrets/KEY"), "AGE-SECRET-KEY-1QQ");
  await writeFile(environmentFile, "ADMIN_TOKEN='token (of) $the site'\nNAME=the club of friends\n");
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

const masked = (input: string, args: string[] = [], path = process.env["PATH"]) =>
  execa(mask, args, {
    input,
    env: { RECOVERY_VOLATILE: folder, RECOVERY_ENVIRONMENT_FILE: environmentFile, PATH: path },
    reject: false,
    stripFinalNewline: false,
  });

test("what is secret is blotted out of every line, the rest stays byte by byte", async () => {
  const { stdout } = await masked(
    "one token (of) $the site, AGE-SECRET-KEY-1QQ\nthe club of friends\\n\n no end",
  );
  expect(stdout).toBe("one [masked], [masked]\nthe club of friends\\n\n no end");
});

test("in a JSON document where the filter says", async () => {
  const { stdout } = await masked('{"why":"token (of) $the site","at":1}', [".why |= masked"]);
  expect(stdout).toBe('{"why":"[masked]","at":1}\n');
});

test("an environment file that is another is read anew, also one of the same length and time", async () => {
  const said = "token (of) $the site, token (of) $the farm\n";
  const time = new Date("2026-01-01T00:00:00Z");
  await utimes(environmentFile, time, time);
  await masked("{}", ["."]);
  expect((await masked(said)).stdout).toBe("[masked], token (of) $the farm\n");
  const text = await readFile(environmentFile, "utf8");
  await rm(environmentFile);
  await writeFile(environmentFile, text.replace("site", "farm"));
  await utimes(environmentFile, time, time);
  expect((await masked(said)).stdout).toBe("token (of) $the site, [masked]\n");
});

test("what was read is kept for root alone, where the secrets are, and nowhere when there are none any more", async () => {
  await masked("{}", ["."]);
  expect(await readdir(join(folder, "secrets"))).toEqual([".environment", "KEY"]);
  expect((await stat(join(folder, "secrets/.environment"))).mode & 0o777).toBe(0o600);
  await rm(join(folder, "secrets"), { recursive: true });
  expect((await masked('"token (of) $the site"', ["masked"])).stdout).toBe('"[masked]"\n');
  expect(await readdir(folder)).toEqual([".env"]);
});

test("nothing is kept while a step runs, for the last step removes the secrets", async () => {
  expect((await masked("token (of) $the site\n")).stdout).toBe("[masked]\n");
  expect(await readdir(join(folder, "secrets"))).toEqual(["KEY"]);
});

test("nothing is let through when the secrets cannot be read, and that is not kept", async () => {
  const programs = join(folder, "programs");
  await mkdir(programs);
  await writeFile(join(programs, "jq"), "#!/bin/sh\necho half a secret\nexit 5\n");
  await chmod(join(programs, "jq"), 0o755);
  const { exitCode, stdout, stderr } = await masked(
    "token (of) $the site\n",
    [],
    [programs, process.env["PATH"]].join(delimiter),
  );
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
  expect(stderr).toContain("the secrets that would be blotted out cannot be read");
  expect((await masked("token (of) $the site\n")).stdout).toBe("[masked]\n");
});
