import { execFileSync, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packerNeeds } from "../../../examples/packer-needs.ts";
import { ensureDebianPackages } from "../../../machines/debian-packages.ts";

const program = fileURLToPath(new URL("../../../host/resident/measure", import.meta.url));
const base = mkdtempSync(join(tmpdir(), "measure-"));
const files = new Map<string, Buffer>();
let tar: Buffer;

const result = join(base, "result");
const list = join(base, "list");
const measure = (input: Buffer, ...more: string[]) =>
  spawnSync(program, [result, ...more], { input, maxBuffer: 1024 ** 3 });
const sha256 = (content: Buffer) => createHash("sha256").update(content).digest("hex");

beforeAll(async () => {
  await ensureDebianPackages(packerNeeds, () => undefined);
  const at = (name: string) => join(base, name);
  mkdirSync(at(`folder/${"deep".repeat(20)}/${"deeper".repeat(20)}`), { recursive: true });
  for (const size of [0, 1, 511, 512, 513, 10_240, 3_999_999, 4_000_000, 4_000_001, 9_000_000])
    files.set(`folder/of-${size}`, randomBytes(size));
  for (const name of [
    "line\nbreak",
    "back\\slash",
    "spaces  two",
    "n".repeat(99),
    "n".repeat(100),
    "n".repeat(200),
  ])
    files.set(`folder/${name}`, Buffer.from(name));
  files.set(`folder/${"deep".repeat(20)}/${"deeper".repeat(20)}/file`, Buffer.from("deep"));
  for (const [name, content] of files) writeFileSync(at(name), content);
  symlinkSync("of-1", at("folder/link"));
  symlinkSync("x".repeat(300), at("folder/long-link"));
  linkSync(at("folder/of-513"), at("folder/same"));
  files.set("folder/same", files.get("folder/of-513") ?? Buffer.alloc(0));
  execFileSync("mkfifo", [at("folder/pipe")]);
  tar = execFileSync(
    "tar",
    ["--create", "--format=gnu", "--hard-dereference", "--directory", base, "folder"],
    {
      maxBuffer: 1024 ** 3,
    },
  );
});
afterAll(() => {
  rmSync(base, { recursive: true });
});

test("each file of a tar has the hash of its bytes there, whatever its name and size; nothing else is a file", () => {
  const { status, stdout, stderr } = measure(tar, list);
  expect({ status, stderr: stderr.toString() }).toEqual({ status: 0, stderr: "" });
  const told = readFileSync(list).toString("latin1").split("\0").filter(Boolean);
  const expected = [...files].map(([name, content]) => `${sha256(content)}  ${name}`);
  expect(told.sort()).toEqual(expected.sort());
  expect(stdout.equals(tar)).toBe(true);
  expect(readFileSync(result, "utf8")).toBe(`${sha256(tar)} ${tar.length}\n`);
});

test.each([0, 1, 5_000_000])("%d bytes that are no tar are handed on as they are, and told", (bytes) => {
  const content = randomBytes(bytes);
  const { status, stdout } = measure(content);
  expect(status).toBe(0);
  expect(stdout.equals(content)).toBe(true);
  expect(readFileSync(result, "utf8")).toBe(`${sha256(content)} ${bytes}\n`);
});

test.each([0, 100, 512, 700, 100_000, 20_000_000])("a tar that ends after %d bytes is cut short", (bytes) => {
  expect(bytes).toBeLessThan(tar.length);
  rmSync(result, { force: true });
  const { status, stderr } = measure(tar.subarray(0, bytes), list);
  expect(status).not.toBe(0);
  expect(existsSync(result)).toBe(false);
  expect(stderr.toString()).toContain("the tar is cut short");
});
