import { createHash } from "node:crypto";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  utimesSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeEach, describe, expect, test } from "vitest";

const program = fileURLToPath(new URL("../../../host/resident/receive", import.meta.url));
const base = mkdtempSync(join(tmpdir(), "receive-"));
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(base, "kept-"));
});
afterAll(() => {
  rmSync(base, { recursive: true });
});

const id = "daily/20260301T020000Z";
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const asked = (name: string, content: string) => `${id}/${name} ${content.length} ${sha256(content)}`;

function receive(command: string, input: string, most = "1") {
  const { status, stdout, stderr } = spawnSync("bash", [program, folder, most], {
    input,
    encoding: "utf8",
    env: { ...process.env, SSH_ORIGINAL_COMMAND: command },
  });
  return { status, stdout, stderr };
}

describe("a server that keeps backups", { timeout: 30_000 }, () => {
  test("takes the files of a point, and answers with the hash of what it has", () => {
    for (const name of [
      "database-club.db.zst.age",
      "application.bundle.zst",
      "MANIFEST.json.sig",
      "MANIFEST.json",
    ]) {
      expect(receive(asked(name, `of ${name}`), `of ${name}`)).toEqual({
        status: 0,
        stdout: `received ${sha256(`of ${name}`)}\n`,
        stderr: "",
      });
      expect(readFileSync(join(folder, id, name), "utf8")).toBe(`of ${name}`);
    }
    expect(readdirSync(join(folder, ".backup"))).toEqual([]);
  });

  test("never takes another thing for a name that it has, nor adds to a point that is complete", () => {
    receive(asked("config.tar.zst", "one"), "one");
    expect(receive(asked("config.tar.zst", "two"), "two")).toMatchObject({
      status: 1,
      stderr: "refused: it is there already\n",
    });
    symlinkSync("/nowhere", join(folder, id, "logs.tar.zst"));
    expect(receive(asked("logs.tar.zst", "two"), "two").status).toBe(1);
    rmSync(join(folder, id, "logs.tar.zst"));
    receive(asked("MANIFEST.json", "{}"), "{}");
    expect(receive(asked("logs.tar.zst", "two"), "two").stderr).toBe(
      "refused: this restore point is complete\n",
    );
    expect(readFileSync(join(folder, id, "config.tar.zst"), "utf8")).toBe("one");
    expect(readdirSync(join(folder, id)).sort()).toEqual(["MANIFEST.json", "config.tar.zst"]);
  });

  test.each([
    ["is cut short", "whole", "whol", "refused: it is not as long as was said\n"],
    ["goes on", "whole", "whole and more", "refused: it is not as long as was said\n"],
    ["differs", "whole", "whale", "refused: it is not what was said\n"],
  ])("keeps nothing of a file that %s", (_, said, sent, why) => {
    expect(receive(asked("config.tar.zst", said), sent)).toEqual({ status: 1, stdout: "", stderr: why });
    expect(existsSync(join(folder, id))).toBe(false);
    expect(receive(asked("config.tar.zst", said), said).status).toBe(0);
  });

  test.each([
    "",
    "ls",
    `${id}/config.tar.zst`,
    `${id}/../../x.tar 1 ${"0".repeat(64)}`,
    `/etc/x.tar 1 ${"0".repeat(64)}`,
    `daily/x/config.tar.zst 1 ${"0".repeat(64)}`,
    `${id}/.ssh 1 ${"0".repeat(64)}`,
    `${id}/config.tar.zst -1 ${"0".repeat(64)}`,
    `${id}/config.tar.zst 1 ${"0".repeat(64)}; ls`,
    `${id}/config.tar.zst 1 ${"0".repeat(64)}\nls`,
  ])("does nothing else: %j", (command) => {
    expect(receive(command, "x")).toMatchObject({
      status: 1,
      stdout: "",
      stderr: "refused: not the name, size and hash of a file of a restore point\n",
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("takes no more than it was told to, of bytes and of points", () => {
    expect(receive(`${id}/config.tar.zst ${2 ** 30} ${"0".repeat(64)}`, "x").stderr).toMatch(
      /^refused: it would be more than 1 GiB/,
    );
    for (let at = 0; at < 5000; at++) mkdirSync(join(folder, `hourly/p${at}`), { recursive: true });
    expect(receive(asked("config.tar.zst", "x"), "x").stderr).toBe(
      "refused: there are 5000 restore points already\n",
    );
  });

  test("adds nothing to a point that became complete, nor to a name that was taken, while it was coming", async () => {
    const slow = (name: string, content: string) => {
      const child = spawn("bash", [program, folder, "1"], {
        env: { ...process.env, SSH_ORIGINAL_COMMAND: asked(name, content) },
      });
      let said = "";
      child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
      return { child, ended: once(child, "close").then(() => said) };
    };
    const [logs, config] = [slow("logs.tar.zst", "late"), slow("config.tar.zst", "late")];
    await expect
      .poll(() => readdirSync(folder).includes(".backup") && readdirSync(join(folder, ".backup")).length, {
        timeout: 10_000,
      })
      .toBe(2);
    receive(asked("config.tar.zst", "first"), "first");
    config.child.stdin.end("late");
    expect(await config.ended).toBe("refused: it is there already\n");
    receive(asked("MANIFEST.json", "{}"), "{}");
    logs.child.stdin.end("late");
    expect(await logs.ended).toBe("refused: this restore point is complete\n");
    expect(readdirSync(join(folder, id)).sort()).toEqual(["MANIFEST.json", "config.tar.zst"]);
    expect(readFileSync(join(folder, id, "config.tar.zst"), "utf8")).toBe("first");
    expect(readdirSync(join(folder, ".backup"))).toEqual([]);
  });

  test("has nothing of a sender that was killed in its middle, and takes the whole later", async () => {
    const child = spawn("bash", [program, folder, "1"], {
      stdio: ["pipe", "ignore", "ignore"],
      env: { ...process.env, SSH_ORIGINAL_COMMAND: asked("config.tar.zst", "whole") },
    });
    child.stdin.end("who");
    await once(child, "exit");
    const left = join(folder, ".backup/received.abc");
    writeFileSync(left, "what a power cut left");
    utimesSync(left, new Date("2026-01-01"), new Date("2026-01-01"));
    expect(receive(asked("config.tar.zst", "whole"), "whole").status).toBe(0);
    expect(readdirSync(join(folder, ".backup"))).toEqual([]);
  });
});
