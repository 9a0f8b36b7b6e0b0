import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { backupMixed } from "./backup.ts";
import { bakedDrills, drillOnPostgresql, drillOnSqlite } from "./drill.ts";
import { restoreFiles } from "./restore-files.ts";
import { restorePostgresql } from "./restore-postgresql.ts";

/** `npm run bench`: what docs/benchmarks.md tells. Figures stand beside a floor of the same run; nothing here is a timed test. */
const benches = new Map([
  [
    "drill",
    { about: "the sample on SQLite, and an Ansible playbook, beside a bare apt-get", measure: drillOnSqlite },
  ],
  [
    "drill-postgresql",
    { about: "the sample on PostgreSQL, beside a bare apt-get", measure: drillOnPostgresql },
  ],
  ["baked", { about: "both, with their packages baked in", measure: bakedDrills }],
  ["backup", { about: "2 GiB of mixed data, beside tar | zstd, restic and borg", measure: backupMixed }],
  ["restore", { about: "2 GiB of files in our own format, beside zstd -dc | tar -x", measure: restoreFiles }],
  [
    "restore-postgresql",
    { about: "a database of 1 GiB, beside pg_restore -j 2", measure: restorePostgresql },
  ],
]);
const usage = [
  "usage: npm run bench [-- NAME…]     without a name: all of them, one after the other",
  "",
  ...[...benches].map(([name, { about }]) => `  ${name.padEnd(20)}${about}`),
].join("\n");

const { values, positionals } = parseArgs({
  options: { help: { type: "boolean", short: "h" } },
  allowPositionals: true,
});
const unknown = positionals.filter((name) => !benches.has(name));
if (values.help === true) console.log(usage);
else if (unknown.length > 0) {
  console.error(`there is no bench ${unknown.join(", ")}\n\n${usage}`);
  process.exitCode = 2;
} else {
  const directory = await mkdtemp(join(tmpdir(), "recovery-bench-"));
  process.env["XDG_STATE_HOME"] = join(directory, "state");
  try {
    for (const [name, { measure }] of benches) {
      if (positionals.length > 0 && !positionals.includes(name)) continue;
      const folder = join(directory, name);
      await mkdir(folder);
      console.log(`\n${name}`);
      await measure(folder);
      await rm(folder, { recursive: true });
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
