import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, test } from "vitest";
import { isRoot, protectedServer } from "./protected-server.ts";

const program = fileURLToPath(new URL("../../../host/resident/tasks", import.meta.url));
const signer = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS";
const stranger = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILuzfIxkDtTLUMTA9AKFOkIZfXNdmF9t6gZvYkpDLSWB laptop";
const mail = { to: ["owner@example.org"], from: "club@example.org" };

/** Stands for the server's /usr/sbin. */
let programs: string;
beforeEach(() => {
  programs = mkdtempSync(join(tmpdir(), "programs-"));
  return () => {
    rmSync(programs, { recursive: true });
  };
});

/** What a person is told of a server with these settings, when site.yaml names these signers. */
function tasks(signers: string[], settings: object = {}): string[] {
  const server = protectedServer({
    "ssh/ssh_host_ed25519_key.pub": `${signer} root@web1\n`,
    "site-backup/key.pub": "ssh-ed25519 OWN site-backup@web1\n",
    "site-backup/settings.json": JSON.stringify({ stores: {}, alerts: {}, ...settings }),
  });
  const [command = "", ...words] = [
    ...server.as,
    ...["bash", "-c", 'mount --bind "$0" /usr/sbin && exec bash "$1"', programs, program],
  ];
  const input = signers.map((one) => `${one}\n`).join("");
  const { status, stdout, stderr } = spawnSync(command, words, { input, encoding: "utf8" });
  server.remove();
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout.split("\n").filter((line) => line !== "");
}

describe.runIf(isRoot)("of a server that makes its own backups a person is told", () => {
  test("nothing, when its key is one of the signers, whatever its comment there, or when nobody asks who signed", () => {
    expect(tasks([stranger, `${signer} the new one`])).toEqual([]);
    expect(tasks([])).toEqual([]);
  });

  test("to add its key to the signers of site.yaml, as they are now", () => {
    expect(tasks([stranger])).toEqual([
      `add to restorePoints.signers in site.yaml, or the backups of this server count as nobody's: ${signer}`,
    ]);
  });

  test("to install a program of mail, when its alerts go by one and there is none", () => {
    expect(tasks([], { alerts: { mail } })).toEqual([
      "install a program of mail on this server, such as msmtp-mta, or name a server in alerts.mail.smtp: its alerts go nowhere",
    ]);
    expect(tasks([], { alerts: { mail: { ...mail, smtp: "smtps://mail.example.org" } } })).toEqual([]);
    writeFileSync(join(programs, "sendmail"), "#!/bin/sh\n", { mode: 0o755 });
    expect(tasks([], { alerts: { mail } })).toEqual([]);
  });

  test("to let each store take its key that does not, and why it does not", () => {
    // Nobody listens there.
    const store = { kind: "ssh", host: "127.0.0.1", port: 1, user: "keeper" };
    const refused = "ssh: connect to host 127.0.0.1 port 1: Connection refused";
    expect(tasks([], { stores: { second: store, first: store } })).toEqual(
      ["first", "second"].map(
        (name) =>
          `let the store ${name} take the backups of this server (${refused}): its key there is ssh-ed25519 OWN site-backup@web1`,
      ),
    );
  });

  test("to look at a store's credentials, when there are none", () => {
    expect(tasks([], { stores: { bucket: { kind: "s3", secret: "WRITER" } } })).toEqual([
      "give this server the secret WRITER, which could not be read when it was set up: npx recovery protect",
      "let the store bucket take the backups of this server (its secret WRITER is not on this server): look at its writer in site.yaml, and at what that may do there; then run npx recovery protect again",
    ]);
  });

  test("to give it the secrets that it has not got", () => {
    const alerts = { webhook: "HOOK", deadMan: "HOOK" };
    expect(tasks([], { alerts })).toEqual([
      "give this server the secret HOOK, which could not be read when it was set up: npx recovery protect",
    ]);
  });
});
