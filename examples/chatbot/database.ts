import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { execa } from "execa";
import { type SampleSize, insertStatements, literal, rowCounts } from "./rows.ts";

/**
 * Makes the SQLite database by the application's own migrations and fills it; `file` must not be there yet.
 * Returns the number of rows by table.
 */
export async function makeDatabase(
  file: string,
  migrationsFolder: string,
  size: SampleSize,
): Promise<Record<string, number>> {
  const names = (await readdir(migrationsFolder)).filter((name) => name.endsWith(".sql")).sort();
  async function* statements(): AsyncGenerator<string> {
    yield "PRAGMA journal_mode = WAL;\nPRAGMA foreign_keys = ON;\nBEGIN;\n";
    yield "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY, applied_at TEXT NOT NULL) STRICT;\n";
    for (const name of names) {
      yield await readFile(join(migrationsFolder, name), "utf8");
      // As migrate.php writes them, so that it finds nothing left to do on a restored database.
      const version = literal(name.replace(/\.sql$/, ""));
      yield `INSERT INTO schema_migrations VALUES (${version}, '2025-01-01T00:00:00Z');\n`;
    }
    yield* insertStatements(size);
    yield "COMMIT;\n";
  }
  await execa("sqlite3", ["-init", "/dev/null", "-batch", "-bail", file], {
    input: Readable.from(statements()),
  });
  return { schema_migrations: names.length, ...rowCounts(size) };
}
