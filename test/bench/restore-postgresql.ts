import { createReadStream } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { createGunzip } from "node:zlib";
import { Readable } from "node:stream";
import { execa } from "execa";
import { prepareSample, type PreparedSample } from "../../examples/chatbot/prepare.ts";
import { withThrowAwayCluster } from "../../examples/throw-away-cluster.ts";
import { drilled, tellSteps } from "./drilled.ts";
import { figure, say } from "./figure.ts";
import { timedInside, whileKept } from "./kept-machine.ts";

/** About 1 GiB of tables and 250 MiB of indexes. */
const rows = 3_000_000;
const grow = `
INSERT INTO public.messages (conversation_id, role, content, created_at)
  SELECT 'conversation-0000001', 'user', repeat(md5(n::text) || ' ', 8), '2025-01-01T00:00:00Z' FROM generate_series(1, ${rows}) AS n;
`;

/** A PostgreSQL database of 1 GiB in pg_dump's custom format, beside `pg_restore -j 2` of the same dump on the same machine. */
export async function restorePostgresql(directory: string): Promise<void> {
  const sample = await prepareSample({ directory, database: "postgresql" });
  const dump = await withManyRows(sample, directory);
  await whileKept(await drilled(sample.site, { baked: true, keep: true }), async ({ record, enter }) => {
    await execa("bash", ["-c", `${enter} 'cat >/tmp/floor.dump && chmod 644 /tmp/floor.dump' <"$0"`, dump]);
    const postgres = "runuser -u postgres --";
    const floor = await timedInside(
      enter,
      `cd / && ${postgres} createdb floor && ${postgres} pg_restore --no-owner --jobs 2 --dbname floor /tmp/floor.dump`,
    );
    figure("floor: pg_restore -j 2 of the same dump", floor, floor);
    tellSteps(
      "ours: loaded, verified by pg_amcheck, counted, put in place",
      record,
      ["stage-databases", "restore"],
      floor,
    );
  });
}

/** Puts another dump of the same database into the sample's backup, with many more messages, for pg_restore. @returns the dump */
async function withManyRows(sample: PreparedSample, directory: string): Promise<string> {
  say("making a PostgreSQL database of 1 GiB, and a dump of it");
  const point = basename(sample.archive, ".tar.gz");
  const work = join(directory, "repacked");
  await mkdir(work);
  await execa("tar", ["-xzf", sample.archive, "-C", work]);
  const plain = join(work, point, "database/admin_postgres.sql.gz");
  const dump = join(directory, "admin.dump");
  async function* statements(): AsyncGenerator<string | Buffer> {
    yield* createReadStream(plain).pipe(createGunzip());
    yield grow;
  }
  await withThrowAwayCluster("chatbot", Readable.from(statements()), (server) =>
    execa(
      "pg_dump",
      ["--host", server, "--username", "chatbot", "--format", "custom", "--compress", "1", "chatbot"],
      {
        stdin: "ignore",
        stdout: { file: dump },
      },
    ),
  );
  await rm(plain);
  await execa("cp", [dump, join(work, point, "database/admin.dump")]);
  const manifest = join(work, point, "MANIFEST.txt");
  const said = await readFile(manifest, "utf8");
  await writeFile(manifest, said.replaceAll(basename(plain), "admin.dump"));
  await execa("tar", ["-C", work, "--use-compress-program=gzip -1", "-cf", sample.archive, point]);
  await rm(work, { recursive: true });
  const text = await readFile(sample.site, "utf8");
  await writeFile(
    sample.site,
    text.replace("    role: chatbot\n", "    role: chatbot\n    member: database/admin.dump\n"),
  );
  return dump;
}
