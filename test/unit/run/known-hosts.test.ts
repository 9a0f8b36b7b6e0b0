import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  confirmsKey,
  firstContact,
  readKnownHosts,
  rememberHost,
  type KnownHost,
} from "../../../run/known-hosts.ts";
import { consoleQuestion } from "../../../run/meet-host.ts";
import { exitCodes } from "../../../site/operator-error.ts";
import { fingerprint } from "../../../ssh/connection.ts";

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS";
const shown = fingerprint(hostKey).slice("SHA256:".length);
const place = { address: "192.0.2.10", port: 22 };
const known: KnownHost = { hostKey, how: "console", who: "anna@office", at: "2026-03-01T08:00:00.000Z" };

describe("the key of a host", () => {
  const given = { flag: "--host-key", terminal: true };

  test("that is given counts, also instead of another that was known", () => {
    const flag = { ...given, hostKey: "ssh-ed25519 AAAAanew" };
    for (const hosts of [{}, { "192.0.2.10:22": known }])
      expect(firstContact(hosts, place, flag)).toEqual({ from: "flag", hostKey: "ssh-ed25519 AAAAanew" });
  });

  test("that is known needs no flag and no question", () => {
    const hosts = { "192.0.2.10:22": known };
    expect(firstContact(hosts, place, { ...given, terminal: false })).toEqual({ from: "memory", hostKey });
  });

  test.each([
    ["another address", { "192.0.2.11:22": known }],
    ["another port", { "192.0.2.10:2222": known }],
  ])("is asked for when only %s is known", (_, hosts) => {
    expect(firstContact(hosts, place, given)).toEqual({ from: "question" });
  });

  test("is never guessed: without a terminal a new host is refused with the flag to give", () => {
    expect(() => firstContact({}, place, { flag: "--old-host-key", terminal: false })).toThrow(
      expect.objectContaining({
        exitCode: exitCodes.refused,
        next: "read it on the host's console, cat /etc/ssh/ssh_host_ed25519_key.pub, and give it: --old-host-key 'ssh-ed25519 AAAA…'",
      }) as Error,
    );
  });
});

describe("what the operator types", () => {
  test.each([
    ["the whole fingerprint", `SHA256:${shown}`],
    ["it without its prefix", shown],
    ["the line that ssh-keygen prints", `256 SHA256:${shown} root@club (ED25519)`],
    ["twelve characters of its middle", shown.slice(20, 32)],
    ["its end, with spaces around", `  ${shown.slice(-14)} `],
  ])("confirms the key: %s", (_, typed) => {
    expect(confirmsKey(typed, hostKey)).toBe(true);
  });

  test.each([
    ["nothing", ""],
    ["yes", "yes"],
    ["the prefix alone", "SHA256:"],
    ["eleven characters", shown.slice(0, 11)],
    ["two pieces", `${shown.slice(0, 8)}${shown.slice(20, 28)}`],
    ["other letters of the same shape", shown.toLowerCase()],
    [
      "another key's",
      fingerprint("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEJKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"),
    ],
  ])("does not confirm it: %s", (_, typed) => {
    expect(confirmsKey(typed, hostKey)).toBe(false);
  });

  test("confirms with any piece that is long enough, and with nothing that is not in it", () => {
    fc.assert(
      fc.property(fc.nat(31), fc.nat(43), (from, length) => {
        const piece = shown.slice(from, from + length);
        expect(confirmsKey(piece, hostKey)).toBe(piece.length >= 12);
      }),
    );
    fc.assert(
      fc.property(fc.string({ minLength: 12 }), (typed) => {
        expect(confirmsKey(typed, hostKey)).toBe(
          shown.includes(typed.trim().replace(/=+$/, "")) && typed.trim().length >= 12,
        );
      }),
    );
  });

  test("is asked for beside where to read it", () => {
    expect(consoleQuestion("192.0.2.10", hostKey)).toBe(`\
192.0.2.10 is not known yet. What answers there presents this key:
  ed25519 SHA256:${shown}
Whoever stands in between would present one too. Open the host's console at its provider, and there, not by ssh:
  ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub
type or paste the fingerprint that the CONSOLE shows, all of it or 12 characters: `);
    expect(
      consoleQuestion("h", "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBA=="),
    ).toContain("/etc/ssh/ssh_host_ecdsa_key.pub");
  });
});

describe("what is remembered", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "known-hosts-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  test("is nothing at first; then each host, with who came to know it, when and how, for its owner's eyes", async () => {
    expect(await readKnownHosts(folder)).toEqual({});
    await rememberHost(folder, place, known);
    const other = { ...known, how: "flag" as const };
    await rememberHost(folder, { address: "192.0.2.11", port: 2222 }, other);
    expect(await readKnownHosts(folder)).toEqual({ "192.0.2.10:22": known, "192.0.2.11:2222": other });
    expect(readdirSync(folder)).toEqual(["known-hosts.json"]);
    expect(statSync(join(folder, "known-hosts.json")).mode & 0o777).toBe(0o600);
  });

  test("keeps how a key was first confirmed when the same is given again, and takes a new one", async () => {
    await rememberHost(folder, place, known);
    await rememberHost(folder, place, { ...known, how: "flag", who: "ben@home" });
    expect(await readKnownHosts(folder)).toEqual({ "192.0.2.10:22": known });
    const anew = { ...known, hostKey: "ssh-ed25519 AAAAanew", how: "flag" as const };
    await rememberHost(folder, place, anew);
    expect(await readKnownHosts(folder)).toEqual({ "192.0.2.10:22": anew });
  });

  test("is never taken for nothing when it cannot be read", async () => {
    writeFileSync(join(folder, "known-hosts.json"), '{"192.0.2.10:22": {"hostKey": 1}}');
    await expect(readKnownHosts(folder)).rejects.toThrow();
  });
});
