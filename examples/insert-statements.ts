export type Value = string | number | null;

const rowsPerInsert = 200;

/** The statements that put `count` rows into a table, a bounded number with each; `row` gives the values of one, from 1. */
export function* inserts(table: string, count: number, row: (id: number) => Value[]): Generator<string> {
  for (let first = 1; first <= count; first += rowsPerInsert) {
    const rows: string[] = [];
    for (let id = first; id < first + rowsPerInsert && id <= count; id++) {
      rows.push(`(${row(id).map(literal).join(",")})`);
    }
    yield `INSERT INTO ${table} VALUES ${rows.join(",")};\n`;
  }
}

/** A value as the sqlite3 command reads it from its standard input, and psql too if it has no carriage return; texts must not hold NUL. */
export function literal(value: Value): string {
  if (value === null) return "NULL";
  if (typeof value === "number") return String(value);
  // sqlite3 drops a carriage return at the end of a line, in a text too.
  return `'${value.replaceAll("'", "''").replaceAll("\r", "'||char(13)||'")}'`;
}
