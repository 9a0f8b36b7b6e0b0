import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { OperatorError } from "../../../site/operator-error.ts";
import { readSecrets, type SecretOptions } from "../../../site/secrets.ts";
import type { Site } from "../../../site/schema.ts";

const planted = "planted-value-4711";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "secrets-"));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true });
});

async function read(from: string, options?: SecretOptions): Promise<string | undefined> {
  const site = { secrets: [{ name: "TOKEN", from }] } as unknown as Site;
  return (await readSecrets({ site, directory }, ["TOKEN"], options))["TOKEN"];
}

async function failure(from: string, options?: SecretOptions): Promise<OperatorError> {
  const error = await read(from, options).catch((caught: unknown) => caught);
  if (!(error instanceof OperatorError)) throw new Error(`no operator's error: ${String(error)}`);
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(planted);
  return error;
}

async function secretFile(content: string | Buffer, mode = 0o600): Promise<void> {
  await writeFile(join(directory, "secret"), content);
  await chmod(join(directory, "secret"), mode);
}

test("a secret comes from a variable, a file beside site.yaml, or a command run there", async () => {
  vi.stubEnv("SECRET_OF_A_TEST", planted);
  expect(await read("env:SECRET_OF_A_TEST")).toBe(planted);
  await secretFile(`${planted}\n`);
  expect(await read("file:secret")).toBe(planted);
  expect(await read(`file:${directory}/secret`)).toBe(planted);
  expect(await read("command:cat secret | tr a-z a-z")).toBe(planted);
});

test("one newline at the end is no part of a secret, everything else is", async () => {
  await secretFile(" two\r\nlines: \t\n\n");
  expect(await read("file:secret")).toBe(" two\r\nlines: \t\n");
  await secretFile("windows\r\n");
  expect(await read("file:secret")).toBe("windows");
});

test("only the secrets that are asked for are read", async () => {
  const site = {
    secrets: [
      { name: "ONE", from: "command:echo one" },
      { name: "TWO", from: "command:touch touched; echo two" },
    ],
  } as unknown as Site;
  expect(await readSecrets({ site, directory }, ["ONE", "ONE"])).toEqual({ ONE: "one" });
  await expect(read("file:touched")).rejects.toThrow("cannot be read");
});

test("a secret that site.yaml does not name is wrong usage", async () => {
  const site = { secrets: [] } as unknown as Site;
  await expect(readSecrets({ site, directory }, ["TOKEN"])).rejects.toMatchObject({ exitCode: 2 });
});

test("an empty secret is missing, wherever it comes from", async () => {
  vi.stubEnv("SECRET_OF_A_TEST", "");
  await secretFile("\n");
  for (const from of ["env:SECRET_OF_A_TEST", "env:SURELY_NOT_SET_4711", "file:secret", "command:true"]) {
    const error = await failure(from);
    expect(error.exitCode, from).toBe(3);
    expect(error.what).toBe("the secret TOKEN cannot be read");
  }
});

test("a file that other accounts can read is refused, with the command that closes it", async () => {
  await secretFile(planted, 0o644);
  const error = await failure("file:secret");
  expect(error.next).toBe(`chmod 600 ${directory}/secret`);
});

test("a file that is missing, a folder, too large or no text is told as such", async () => {
  expect((await failure("file:nowhere")).why).toContain("ENOENT");
  expect((await failure("file:.")).why).toContain("is not a file");
  await secretFile("x".repeat(70_000));
  expect((await failure("file:secret")).why).toContain("larger than");
  await secretFile(Buffer.from([0xff, 0xfe, 0x41]));
  expect((await failure("file:secret")).why).toContain("not UTF-8");
  await secretFile("a\0b");
  expect((await failure("file:secret")).why).toContain("zero byte");
});

test("a command that fails shows what it said as an error, never what it printed", async () => {
  const error = await failure(
    "command:cat secret 2>/dev/null; printf 'planted-%s' value-4711; echo locked >&2; exit 7",
  );
  expect(error.exitCode).toBe(3);
  expect(error.why).toContain("ended with 7 status; it said: locked");
});

test("a command that prints without end or does not end is ended", async () => {
  expect((await failure("command:yes")).why).toContain("printed more than 65536 bytes");
  const started = Date.now();
  const error = await failure("command:sleep 60; echo late", { commandTimeoutSeconds: 0.2 });
  expect(error.why).toContain("did not end within 0.2 s");
  expect(Date.now() - started).toBeLessThan(10_000);
});

test("an interruption ends the command and is passed on", async () => {
  const controller = new AbortController();
  const reading = read("command:sleep 60", { signal: controller.signal });
  controller.abort(new Error("stopped by the test"));
  await expect(reading).rejects.toThrow("stopped by the test");
});
