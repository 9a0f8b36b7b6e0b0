import { chmod, cp, mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { execa } from "execa";

/** The name that the runbook's scripts give a backup: the server's local time, which is UTC for the sample. */
export function archiveName(time: Date): string {
  return `full_backup_${time.toISOString().slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "_")}`;
}

/** The text of MANIFEST.txt. `bytes` is the size of the members together. */
export function manifestText(time: Date, hostname: string, components: string[], bytes: number): string {
  return [
    `Backup created at: ${time.toISOString().slice(0, 19)}Z`,
    `Backup name: ${archiveName(time)}`,
    `Hostname: ${hostname}`,
    "",
    "Components:",
    ...components.map((component) => `- ${component}`),
    "",
    `Backup Size: ${humanSize(bytes)}`,
    "Backup Status: SUCCESS",
    "",
  ].join("\n");
}

/** A size as `du -h` writes it: powers of 1024, one decimal below 10, rounded up. */
export function humanSize(bytes: number): string {
  const units = ["K", "M", "G", "T"];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  const rounded = value < 10 ? Math.ceil(value * 10) / 10 : Math.ceil(value);
  return `${rounded < 10 ? rounded.toFixed(1) : String(rounded)}${units[unit] ?? ""}`;
}

export interface ArchivedDatabase {
  /** Where it lies in the archive, and how MANIFEST.txt names it. */
  member: string;
  component: string;
}

/** What of a site's folder goes into an archive. */
export interface ArchiveParts {
  /** `database/….db.gz` is made of data/admin.db; any other lies in the folder already, packed, under the last part of its name. */
  database: ArchivedDatabase;
  /** Files of the folder. */
  configuration: string[];
  /** Whether it has data/, with data/uploads/ in it. */
  data: boolean;
}

/** Packs a site's folder as the runbook's scripts do, into `workFolder`, and returns the archive's path. */
export async function makeArchive(
  site: string,
  { database, configuration, data }: ArchiveParts,
  time: Date,
  hostname: string,
  workFolder: string,
): Promise<string> {
  const name = archiveName(time);
  const folder = join(workFolder, name);
  const inFolder = (member: string): string => join(folder, member);
  for (const part of ["database", "config", ...(data ? ["files", "data"] : [])])
    await mkdir(inFolder(part), { recursive: true });

  const { member, component } = database;
  if (member.endsWith(".db.gz")) {
    // SQLite's own backup, as a copy of a live file may be torn; relative names, as the dot-command has quoting of its own.
    await execa("sqlite3", ["-init", "/dev/null", "-bail", "data/admin.db", ".backup backup.db"], {
      cwd: site,
    });
    await execa("gzip", ["-n", "-1", "-c", "backup.db"], { cwd: site, stdout: { file: inFolder(member) } });
  } else {
    await cp(join(site, basename(member)), inFolder(member));
  }
  if (data) {
    await pack(join(site, "data"), "uploads", inFolder("files/uploads.tar.gz"), time, "www-data:33");
    // Uploads are in here a second time: so do the runbook's scripts.
    const exclude = ["*.db", "*-journal", "*-wal", "*-shm"];
    await pack(site, "data", inFolder("data/app_data.tar.gz"), time, "www-data:33", exclude);
  }
  for (const file of configuration) await cp(join(site, file), inFolder(`config/${file}`));

  const components = [
    `Database: ${component}`,
    ...(data ? ["Files: ./data/uploads (uploads.tar.gz)"] : []),
    `Configuration: ${configuration.length} files`,
    ...(data ? ["Application Data: ./data (app_data.tar.gz)"] : []),
  ];
  await writeFile(inFolder("MANIFEST.txt"), manifestText(time, hostname, components, await bytesIn(folder)));
  const archive = join(workFolder, `${name}.tar.gz`);
  await pack(workFolder, name, archive, time, "root:0");
  await chmod(archive, 0o600);
  return archive;
}

/** A tar.gz of one folder under its own name, with the same bytes for the same files and time. */
async function pack(
  parent: string,
  folder: string,
  archive: string,
  time: Date,
  owner: string,
  exclude: string[] = [],
): Promise<void> {
  await execa("tar", [
    "--create",
    `--file=${archive}`,
    "--use-compress-program=gzip -n -1",
    "--format=gnu",
    "--sort=name",
    `--mtime=@${Math.floor(time.getTime() / 1000)}`,
    `--owner=${owner}`,
    `--group=${owner}`,
    "--mode=u=rwX,g=rwX,o=",
    ...exclude.map((pattern) => `--exclude=${pattern}`),
    `--directory=${parent}`,
    folder,
  ]);
}

async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const sizes = entries
    .filter((entry) => entry.isFile())
    .map(async (entry) => (await stat(join(entry.parentPath, entry.name))).size);
  return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
}
