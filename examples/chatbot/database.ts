import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { execa } from "execa";
import type { ArchivedDatabase } from "../archive.ts";
import { literal } from "../insert-statements.ts";
import { dumpOfThrowAwayCluster } from "../throw-away-cluster.ts";
import { type SampleSize, givenIds, insertStatements, rowCounts } from "./rows.ts";

export interface MadeDatabase extends ArchivedDatabase {
  /** Number of rows by table. */
  rows: Record<string, number>;
}

/** Makes the SQLite database data/admin.db of a site, by the application's own migrations, and fills it. */
export async function makeSqlite(
  site: string,
  migrationsFolder: string,
  size: SampleSize,
): Promise<MadeDatabase> {
  const names = await migrations(migrationsFolder);
  async function* statements(): AsyncGenerator<string> {
    yield "PRAGMA journal_mode = WAL;\nPRAGMA foreign_keys = ON;\nBEGIN;\n";
    yield* schema(migrationsFolder, names, " STRICT");
    yield* insertStatements(size);
    yield `UPDATE sqlite_sequence SET seq = ${String(givenIds(size)["agents"])} WHERE name = 'agents';\n`;
    yield "COMMIT;\n";
  }
  await execa("sqlite3", ["-init", "/dev/null", "-batch", "-bail", join(site, "data/admin.db")], {
    input: Readable.from(statements()),
  });
  return {
    member: "database/admin.db.gz",
    component: "SQLite (admin.db.gz)",
    rows: { schema_migrations: names.length, ...rowCounts(size) },
  };
}

/** Makes `file`, a packed dump of the PostgreSQL database, as pg_dump writes it; the same for the same size. */
export async function makePostgresqlDump(
  file: string,
  migrationsFolder: string,
  size: SampleSize,
): Promise<MadeDatabase> {
  const { statements, rows } = await postgresql(migrationsFolder, size);
  await dumpOfThrowAwayCluster("chatbot", statements, file);
  return {
    member: "database/admin_postgres.sql.gz",
    component: "PostgreSQL (admin_postgres.sql.gz)",
    rows,
  };
}

/** The PostgreSQL database: what makes it, and the rows that it then has. */
export async function postgresql(
  migrationsFolder: string,
  size: SampleSize,
): Promise<{ statements: Readable; rows: MadeDatabase["rows"] }> {
  const names = await migrations(migrationsFolder);
  async function* statements(): AsyncGenerator<string> {
    yield "BEGIN;\n";
    yield* schema(migrationsFolder, names, "");
    yield* insertStatements(size);
    for (const [table, id] of Object.entries(givenIds(size))) {
      if (id > 0) yield `SELECT setval(pg_get_serial_sequence('${table}', 'id'), ${String(id)});\n`;
    }
    yield "COMMIT;\n";
  }
  return {
    statements: Readable.from(statements()),
    rows: { schema_migrations: names.length, ...rowCounts(size) },
  };
}

async function migrations(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort();
}

/** As migrate.php makes it, so that it finds nothing left to do on a restored database. */
async function* schema(folder: string, names: readonly string[], options: string): AsyncGenerator<string> {
  yield `CREATE TABLE schema_migrations (version TEXT PRIMARY KEY, applied_at TEXT NOT NULL)${options};\n`;
  for (const name of names) {
    yield await readFile(join(folder, name), "utf8");
    const version = literal(name.replace(/\.sql$/, ""));
    yield `INSERT INTO schema_migrations VALUES (${version}, '2025-01-01T00:00:00Z');\n`;
  }
}
