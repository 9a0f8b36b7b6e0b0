import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { ensureDebianPackages } from "../../machines/debian-packages.ts";
import { makeArchive } from "../archive.ts";
import { inBuildFolder, type PreparedExample } from "../build-folder.ts";
import { makeBundle } from "../bundle.ts";
import { environmentFile } from "../environment-file.ts";
import { dumpOfThrowAwayCluster } from "../throw-away-cluster.ts";
import { bookStatements, rowCounts } from "./entries.ts";

/** How full the guest book is, when its backup was made, and where it goes. */
export interface GuestBookOptions {
  /** Entries in the book. Default 40. */
  entries?: number;
  /** When the backup says that it was made, to the second. Default now. */
  time?: Date;
  /** Folder of site.yaml, which is copied there if it has none; bundle and backups go to its build/. Default this one. */
  directory?: string;
  /** Variables of settings.env, added to the default ones or standing in their place. */
  settings?: Record<string, string>;
}

const exampleFolder = fileURLToPath(new URL(".", import.meta.url));
const applicationFolder = join(exampleFolder, "app");
const tag = "v1.0.0";
const needs = [
  ...["git", "tar", "gzip"].map((name) => ({ command: name, package: name })),
  { command: "pg_createcluster", package: "postgresql" },
];
/** No real secrets, and told as such at a glance. */
const defaultSettings = {
  TITLE: "Guest book of the Lighthouse Inn",
  DB_HOST: "localhost",
  DB_NAME: "guestbook",
  DB_USER: "guestbook",
  DB_PASSWORD: "sample-not-a-real-password",
  FORM_SECRET: "sample-not-a-real-secret-0000000000000000",
};

/** Makes the guest book's bundle, and a backup of it as the runbook's scripts pack one. The same options give the same bytes. */
export async function prepareGuestBook(options: GuestBookOptions = {}): Promise<PreparedExample> {
  const { entries = 40, time: wanted = new Date(), settings } = options;
  await ensureDebianPackages(needs, (line) => {
    console.error(line);
  });
  const time = new Date(Math.floor(wanted.getTime() / 1000) * 1000);
  const directory = resolve(options.directory ?? exampleFolder);
  const build = { site: join(exampleFolder, "site.yaml"), directory, backups: "backups" };
  return inBuildFolder(build, async ({ site, work, keepBundle, keepBackup }) => {
    const made = join(work, "guestbook.bundle");
    const revision = await makeBundle(applicationFolder, { author: "Guestbook", tag }, made, work);
    const live = join(work, "site");
    await mkdir(live);
    async function* statements() {
      yield await readFile(join(applicationFolder, "schema.sql"), "utf8");
      yield* bookStatements(entries);
    }
    await dumpOfThrowAwayCluster("guestbook", Readable.from(statements()), join(live, "guestbook.sql.gz"));
    await writeFile(join(live, "settings.env"), environmentFile({ ...defaultSettings, ...settings }));
    // On a server it lies in /etc/php, and a backup takes it from there.
    await cp(join(applicationFolder, "server/php-fpm.conf"), join(live, "php-fpm.conf"));
    const archive = await makeArchive(
      live,
      {
        database: { member: "database/guestbook.sql.gz", component: "PostgreSQL (guestbook.sql.gz)" },
        configuration: ["settings.env", "php-fpm.conf"],
        data: false,
      },
      time,
      "guestbook.example.test",
      work,
    );
    return {
      site,
      bundle: await keepBundle(made),
      revision,
      archive: await keepBackup(archive),
      time,
      rows: rowCounts(entries),
    };
  });
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { archive } = await prepareGuestBook();
  console.error(`made the guest book's backup: ${relative(process.cwd(), archive)}`);
}
