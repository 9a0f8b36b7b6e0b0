import fc from "fast-check";
import { expect, test } from "vitest";
import { exitCodes, OperatorError } from "../../../site/operator-error.ts";
import { algorithmsFor, fingerprint, parseHostKey } from "../../../ssh/host-key.ts";

// Made by ssh-keygen -t ed25519; its fingerprint as ssh-keygen -l printed it.
const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIILJUaO1kNGVY5v6v+OtcIe93vrS9Uuy8esrH/jWZ9n";
const printed = "SHA256:G7d1V8o/mVrl+BMfjUYy0bxbAZOVJuxB1PSPfounaYE";

test("a host key's fingerprint is what ssh-keygen prints, with and without a comment", () => {
  expect(fingerprint(key)).toBe(printed);
  expect(fingerprint(`${key} root@chatbot\n`)).toBe(printed);
  expect(fingerprint(parseHostKey(key).blob)).toBe(printed);
});

test("an ed25519 key asks the server for that key alone, an RSA key never for SHA-1", () => {
  expect(algorithmsFor(parseHostKey(key))).toEqual(["ssh-ed25519"]);
  expect(algorithmsFor({ type: "ssh-rsa", blob: Buffer.alloc(0) })).toEqual(["rsa-sha2-512", "rsa-sha2-256"]);
});

test.each([
  ["nothing", ""],
  ["a fingerprint", printed],
  ["a known_hosts line", `chatbot.example.org ${key}`],
  ["a type that differs from the one inside", key.replace("ssh-ed25519", "ssh-rsa")],
  ["a key cut short", key.slice(0, -5)],
  ["a type that is a name of every object", "toString AAAACHRvU3RyaW5n"],
])("%s is no host key", (_, text) => {
  expect(() => parseHostKey(text)).toThrow(OperatorError);
});

test("any text is a host key or a wrong usage, never a crash", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.base64String().map((text) => `ssh-ed25519 ${text}`),
      ),
      (text) => {
        try {
          parseHostKey(text);
        } catch (error) {
          expect(error).toBeInstanceOf(OperatorError);
          expect((error as OperatorError).exitCode).toBe(exitCodes.usage);
        }
      },
    ),
  );
});
