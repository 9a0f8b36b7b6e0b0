import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { prepareSample } from "../../examples/chatbot/prepare.ts";
import { prepareGuestBook } from "../../examples/guestbook/prepare.ts";
import { rowsInBackup, rowsInside } from "./guestbook-rows.ts";
import { keptDrill } from "./kept-drill.ts";
import { needed } from "./recovery-host.ts";
import { typed } from "./typed.ts";

let directory: string;

beforeAll(async () => {
  await needed();
  directory = await mkdtemp(join(tmpdir(), "next-release-test-"));
});

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

const onto13 = (site: string) =>
  keptDrill(
    typed("npx recovery drill --site site.yaml --release 13", { "site.yaml": site }),
    join(directory, "state"),
  );

describe("a site that is configured for Debian 12 comes back on Debian 13", { timeout: 600_000 }, () => {
  test("the guest book: its dump of PostgreSQL 15 in 17, row by row, its pool from the backup in PHP 8.4", async () => {
    const book = await prepareGuestBook({ directory: join(directory, "guestbook") });
    const site = await readFile(book.site, "utf8");
    const fromBackup = site.replace("{ file: server/php-fpm.conf }", "{ file: php-fpm.conf, from: backup }");
    expect(fromBackup).not.toBe(site);
    await writeFile(book.site, fromBackup);

    const drill = await onto13(book.site);
    try {
      expect(drill.record.notes).toContain(
        "onto Debian 13 with PHP 8.4, as --release says: a rebuild takes what site.yaml names",
      );
      expect(await rowsInside(drill.inside)).toEqual(await rowsInBackup(book));
      const { stdout } = await drill.inside(
        "cat /etc/debian_version; ls /etc/php/*/fpm/pool.d/*; ls /usr/lib/postgresql; ps -C php-fpm8.4 -o user:20= | sort -u",
      );
      expect(stdout.split("\n")).toEqual([
        expect.stringMatching(/^13\./),
        "/etc/php/8.4/fpm/pool.d/guestbook.conf",
        "17",
        "guestbook",
        "root",
      ]);
    } finally {
      await drill.remove();
    }
  });

  test("the chatbot, by the socket that Debian's own pool has whatever its PHP", async () => {
    const sample = await prepareSample({ directory: join(directory, "chatbot") });
    const drill = await onto13(sample.site);
    try {
      const { steps } = drill.record;
      expect(steps.find(({ id }) => id === "stage-databases")?.facts["admin"]).toMatchObject({
        rows: sample.rows,
      });
      expect((await drill.inside("readlink -f /run/php/php-fpm.sock")).stdout).toBe(
        "/run/php/php8.4-fpm.sock",
      );
    } finally {
      await drill.remove();
    }
  });
});
