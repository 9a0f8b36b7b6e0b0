import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PreparedExample } from "../../../examples/build-folder.ts";
import { prepareGuestBook } from "../../../examples/guestbook/prepare.ts";
import { loadSite } from "../../../site/load.ts";

const time = new Date("2026-03-29T01:30:05Z");
let folder: string;
let book: PreparedExample;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "guestbook-test-"));
  book = await prepareGuestBook({ directory: join(folder, "first"), time });
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe("the prepared guest book", () => {
  it("is the same to the byte when the options are the same", async () => {
    const again = await prepareGuestBook({ directory: join(folder, "again"), time });
    expect(again.revision).toBe(book.revision);
    for (const file of ["bundle", "archive"] as const)
      expect(await readFile(again[file])).toEqual(await readFile(book[file]));
  });

  it("holds what its site.yaml names, and no more", async () => {
    const { site } = await loadSite(book.site);
    const name = basename(book.archive, ".tar.gz");
    const { stdout } = await execa("tar", ["-tzf", book.archive]);
    expect(stdout.split("\n").filter((path) => !path.endsWith("/"))).toEqual([
      `${name}/MANIFEST.txt`,
      // Not restored: in the repository it is the same.
      `${name}/config/php-fpm.conf`,
      ...site.configuration.files.map((file) => `${name}/config/${file}`),
      ...site.databases.map(({ member }) => `${name}/${member}`),
    ]);
    const clone = join(folder, "clone");
    await execa("git", ["clone", "--quiet", book.bundle, clone]);
    const git = async (...args: string[]) => (await execa("git", ["-C", clone, ...args])).stdout;
    expect(await git("rev-parse", `${site.application.revision}^{commit}`)).toBe(book.revision);
    const files = (await git("ls-files")).split("\n");
    expect(files).toEqual(
      expect.arrayContaining([site.nginx.site, site.php.pool?.file, site.configuration.load]),
    );
    expect(files).not.toContain(site.configuration.environmentFile);
  });

  it("has the rows that it announces, and none when it is to be empty", async () => {
    const dump = async ({ archive }: PreparedExample) => {
      const member = `${basename(archive, ".tar.gz")}/database/guestbook.sql.gz`;
      const { stdout } = await execa("tar", ["-xzOf", archive, member], { encoding: "buffer" });
      return (await execa("gzip", ["-dc"], { input: stdout })).stdout;
    };
    const rows = (text: string, table: string) =>
      (new RegExp(`^COPY public\\.${table} .*;\\n([^]*?)^\\\\\\.$`, "m").exec(text)?.[1] ?? "").split("\n")
        .length - 1;
    const full = await dump(book);
    expect({ entries: rows(full, "entries"), answers: rows(full, "answers") }).toEqual(book.rows);
    expect(book.rows).toEqual({ entries: 40, answers: 8 });
    // Its times are not those of this computer's zone.
    expect(full).toMatch(/\t2025-01-01 12:00:00\+00$/m);
    const empty = await prepareGuestBook({ directory: join(folder, "empty"), entries: 0 });
    expect(rows(await dump(empty), "entries")).toBe(0);
  });
});
