import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";

const program = fileURLToPath(new URL("../../../host/databases/pg_dump.awk", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "pg-dump-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function loaded(dump: string) {
  const messages = join(folder, "messages");
  writeFileSync(messages, "");
  const { status, stdout } = spawnSync(
    "awk",
    ["-v", `messages=${messages}`, "-v", "extensions= plpgsql postgres_fdw ", "-f", program],
    { input: dump, encoding: "utf8", env: { PATH: process.env["PATH"], LC_ALL: "C" } },
  );
  return { status, sql: stdout, messages: readFileSync(messages, "utf8") };
}

const head = "--\n-- PostgreSQL database dump\n--\n\n";
const end = "\n--\n-- PostgreSQL database dump complete\n--\n";

test("messages of pg_dump around a dump, and its own pair of keys, are taken out; lines keep their numbers", () => {
  const dump = `pg_dump: warning: a\n${head}\\restrict k1\n\nCREATE TABLE a ();\n${end}\n\\unrestrict k1\n\npg_dump: done\n`;
  expect(loaded(dump)).toEqual({
    status: 0,
    sql: `\n${head}\n\nCREATE TABLE a ();\n${end}\n`,
    messages: "pg_dump: warning: a\npg_dump: done\n",
  });
});

test("a comment on an extension is taken out where a superuser made that extension, and only before anything else", () => {
  const comment = (name: string) => `COMMENT ON EXTENSION ${name} IS 'x; y';\n`;
  const body = `CREATE TABLE a ();\n${comment("postgres_fdw")}`;
  expect(loaded(`${head}${comment("plpgsql")}${comment("pgcrypto")}${body}${end}`).sql).toBe(
    `${head}\n${comment("pgcrypto")}${body}${end}`,
  );
});

test("a dump without its last line is cut short, also when data holds that line", () => {
  expect(loaded(`${head}CREATE TABLE a ();\n`).status).toBe(3);
  expect(loaded(`${head}COPY a FROM stdin;\n-- PostgreSQL database dump complete\nrow\n`).status).toBe(3);
  expect(loaded("").status).toBe(3);
});

test("what stands between the beginning and the end comes through as it is", () => {
  const line = fc.oneof(
    fc.constantFrom(
      "\\.",
      "\\N",
      "\\restrict k1",
      "\\unrestrict k1",
      "\\unrestrict other",
      "pg_dump: no message",
      "",
      "-- PostgreSQL database dump complete",
      "COMMENT ON EXTENSION plpgsql IS 'x';",
      "ALTER SCHEMA public OWNER TO postgres;",
    ),
    fc.string({ unit: "binary" }).map((text) => text.replaceAll(/[\n\0]/g, "")),
  );
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      const body = ["CREATE TABLE a ();", ...lines, "last", ""].join("\n");
      expect(loaded(`${head}\\restrict k1\n${body}${end}`).sql).toBe(`${head}\n${body}${end}`);
    }),
    { numRuns: 50 },
  );
});
