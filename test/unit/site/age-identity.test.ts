import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { identityProblem } from "../../../site/age-identity.ts";

const key = `AGE-SECRET-KEY-1${"Q".repeat(58)}`;
let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), "identity-"))));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function sshKey(type: string, passphrase: string, ...more: string[]): string {
  const file = join(folder, `${type}-${passphrase}-${more.length}`);
  execFileSync("ssh-keygen", ["-q", "-t", type, "-N", passphrase, "-f", file, ...more]);
  return readFileSync(file, "utf8").trimEnd();
}

test("what age-keygen writes is a key", () => {
  expect(identityProblem(key)).toBeUndefined();
  expect(identityProblem(`# created: 2026-03-01T02:00:00Z\n# public key: age1abc\n${key}\n`)).toBeUndefined();
  expect(identityProblem(`${key}\r\n${key}`)).toBeUndefined();
});

test.each(["", "password", key.slice(1), key.toLowerCase(), `${key} # mine`, "# only a comment", "age1abc"])(
  "%j is none",
  (text) => {
    expect(identityProblem(text)).toContain("neither a private key of age");
  },
);

test("an ssh key is one unless a passphrase locks it, in OpenSSH's form and in the older one", () => {
  expect(identityProblem(sshKey("ed25519", ""))).toBeUndefined();
  expect(identityProblem(sshKey("ed25519", "a passphrase"))).toContain("locked with a passphrase");
  expect(identityProblem(sshKey("rsa", "", "-m", "PEM"))).toBeUndefined();
  expect(identityProblem(sshKey("rsa", "a passphrase", "-m", "PEM"))).toContain("locked with a passphrase");
});

test("a key on a device stays on that device", () => {
  expect(identityProblem("AGE-PLUGIN-YUBIKEY-1QQQQ")).toContain("a plugin of age");
});
