import { basename } from "node:path";
import { gunzipSync } from "node:zlib";
import { execa } from "execa";
import type { PreparedExample } from "../../examples/build-folder.ts";
import type { KeptDrill } from "./kept-drill.ts";

/** The rows of the guest book's backup, table by table, in no order. */
export async function rowsInBackup({ archive }: PreparedExample): Promise<Record<string, string[]>> {
  const member = `${basename(archive, ".tar.gz")}/database/guestbook.sql.gz`;
  const { stdout } = await execa("tar", ["-xzOf", archive, member], { encoding: "buffer" });
  return rowsOf(gunzipSync(stdout).toString());
}

/** Those of the machine that it was restored on, whatever the version of its PostgreSQL. */
export async function rowsInside(inside: KeptDrill["inside"]): Promise<Record<string, string[]>> {
  const { stdout } = await inside("cd / && runuser -u postgres -- env PGTZ=UTC pg_dump guestbook");
  return rowsOf(stdout);
}

function rowsOf(dump: string): Record<string, string[]> {
  const tables = [...dump.matchAll(/^COPY public\.(\w+) .*;\n([^]*?)^\\\.$/gm)];
  return Object.fromEntries(
    tables.map(([, table = "", rows = ""]) => [table, rows.split("\n").filter(Boolean).sort()]),
  );
}
