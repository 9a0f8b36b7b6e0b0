import fc from "fast-check";
import { expect, test } from "vitest";
import { target } from "../../../scripts/target.ts";
import { OperatorError } from "../../../site/operator-error.ts";

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS";

test.each([
  ["192.0.2.10", { user: "root", address: "192.0.2.10", port: 22 }],
  ["192.0.2.10:2222", { user: "root", address: "192.0.2.10", port: 2222 }],
  ["root@new.example.org", { user: "root", address: "new.example.org", port: 22 }],
  ["root@new.example.org:65535", { user: "root", address: "new.example.org", port: 65_535 }],
  ["[2001:db8::1]", { user: "root", address: "2001:db8::1", port: 22 }],
  ["root@[2001:db8::1]:2222", { user: "root", address: "2001:db8::1", port: 2222 }],
])("%s is a host", (text, expected) => {
  expect(target(text, hostKey)).toEqual({ ...expected, hostKey });
});

test.each([
  "",
  "root@",
  "@host",
  "host:",
  "host:0",
  "host:65536",
  "host:ssh",
  "2001:db8::1",
  "a b",
  "a@b@c",
  "[::1",
])("'%s' is none", (text) => {
  expect(() => target(text, hostKey)).toThrow(`'${text}' does not name a host`);
});

test("what is read of a host can be written down and read again", () => {
  const hosts = fc.record({
    address: fc.oneof(fc.ipV4(), fc.domain()),
    port: fc.integer({ min: 1, max: 65_535 }),
  });
  fc.assert(
    fc.property(hosts, ({ address, port }) => {
      expect(target(`root@${address}:${port}`, hostKey)).toEqual({ user: "root", address, port, hostKey });
    }),
  );
});

test("whoever is not root can neither install packages nor start services, and is refused by name", () => {
  const others = fc.stringMatching(/^[a-zA-Z_][a-zA-Z0-9_-]{0,8}$/).filter((user) => user !== "root");
  fc.assert(
    fc.property(others, (user) => {
      let refusal: unknown;
      try {
        target(`${user}@192.0.2.10:2222`, hostKey);
      } catch (error) {
        refusal = error;
      }
      expect(refusal).toBeInstanceOf(OperatorError);
      expect(refusal).toMatchObject({ exitCode: 2, what: `recovery cannot log in as ${user}` });
    }),
    { examples: [["rescue"], ["Root"], ["root2"]] },
  );
});

test("a host key that is none is refused with the host's name, before anything is looked up", () => {
  expect(() => target("192.0.2.10", "SHA256:abc")).toThrow("This is no host key");
});
