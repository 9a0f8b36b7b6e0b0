import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, expect, test } from "vitest";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "file-hashes-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Carries out a line of bash with host/file-hashes.sh, beside `files`. */
async function withFileHashes(line: string) {
  const { pathname } = new URL("../../../host/file-hashes.sh", import.meta.url);
  return execa("bash", ["-c", `set -euo pipefail; . "$0"; ${line}`, pathname], {
    cwd: folder,
    reject: false,
    stripFinalNewline: false,
  });
}

const names = [
  ...["plain", "two words", " at both ends ", "-r", "--", "*", "* star", "quote'\"", "$(id)", "ü", "a\tb"],
  ...["in/a folder/deep", "back\\slash", "back\\nslash", "line\nbreak", "carriage\rreturn", "\\", "\n"],
];
function writeFiles(): void {
  for (const name of names) {
    mkdirSync(dirname(join(folder, "files", name)), { recursive: true });
    writeFileSync(join(folder, "files", name), `content of ${name}`);
  }
  // A name that is no text in any coding.
  writeFileSync(Buffer.concat([Buffer.from(join(folder, "files/")), Buffer.from([0xff, 0xfe])]), "bytes");
}

test("every file of a folder is hashed, whatever its name, as sha256sum would list it", async () => {
  writeFiles();
  const { exitCode, stderr } = await withFileHashes('hash_folder "$PWD/files" "$PWD/list"');
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  const list = readFileSync(join(folder, "list"), "latin1");
  const { stdout } = await execa(
    "bash",
    ["-c", "find . -type f -printf '%P\\0' | xargs -0 sha256sum -- | LC_ALL=C sort"],
    { cwd: join(folder, "files"), encoding: "buffer", stripFinalNewline: false },
  );
  expect(list).toBe(Buffer.from(stdout).toString("latin1"));
  expect(list.trim().split("\n")).toHaveLength(names.length + 1);
  const hash = createHash("sha256").update("content of plain").digest("hex");
  expect(list).toContain(`${hash}  plain\n`);
});

test("a file that is not there is not in the list, and the others are; the names in a list are those that were hashed", async () => {
  writeFiles();
  await withFileHashes('hash_folder "$PWD/files" "$PWD/list"');
  rmSync(join(folder, "files/plain"));
  rmSync(join(folder, "files/line\nbreak"));
  writeFileSync(join(folder, "files/-r"), "something else");
  const { exitCode } = await withFileHashes(
    'names_in list >names; cd files; hash_files ../names 2>/dev/null >../now || ended=$?; LC_ALL=C comm -23 ../list ../now >../wrong; exit "$ended"',
  );
  expect(exitCode).toBe(1);
  expect(
    readFileSync(join(folder, "wrong"), "utf8")
      .trim()
      .split("\n")
      .map((line) => line.replace(/^\\?[0-9a-f]{64} {2}/, ""))
      .sort(),
  ).toEqual(["-r", String.raw`line\nbreak`, "plain"]);
});

test("no files are an empty list", async () => {
  mkdirSync(join(folder, "files"));
  const { exitCode } = await withFileHashes('hash_folder "$PWD/files" "$PWD/list"');
  expect(exitCode).toBe(0);
  expect(readFileSync(join(folder, "list"), "utf8")).toBe("");
});
