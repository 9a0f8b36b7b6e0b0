import { constants } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";

/** Where a sample is made: build/ beside its site.yaml. Each thing appears there complete under its name or not at all. */
export interface BuildFolder {
  /** The site's configuration, with whose relative paths the rest agrees. */
  site: string;
  /** A folder that goes away, and that nobody else can look into: there are secrets in it. */
  work: string;
  /** Puts a bundle that was made in `work` in its place. */
  keepBundle: (made: string) => Promise<string>;
  /** Puts a backup that was made in `work`, a file or a folder, in its place. Of all there the newest three stay, this one always. */
  keepBackup: (made: string) => Promise<string>;
}

/** What an example's `prepare` has made there. */
export interface PreparedExample {
  /** site.yaml, with whose relative paths the rest agrees. */
  site: string;
  /** The application as a git bundle, and the commit id that the tag in site.yaml stands for. */
  bundle: string;
  revision: string;
  /** The backup in the site's store, an archive or a folder, and the time that its name carries. */
  archive: string;
  time: Date;
  /** Rows by table. */
  rows: Record<string, number>;
}

const backupsKept = 3;
const workFolderPrefix = ".work-";
const abandonedAfterMilliseconds = 60 * 60 * 1000;

/**
 * Makes something in the build/ of `directory`. `site` is the example's own configuration: another folder gets a copy of it,
 * unless it has one already. `backups` is the name of the folder that holds them.
 */
export async function inBuildFolder<Made>(
  { site, directory, backups }: { site: string; directory: string; backups: string },
  make: (folder: BuildFolder) => Promise<Made>,
): Promise<Made> {
  const build = join(directory, "build");
  const store = join(build, backups);
  await mkdir(build, { recursive: true, mode: 0o700 });
  await mkdir(store, { recursive: true, mode: 0o700 });
  await removeAbandonedWork(build);
  await copyUnlessThere(site, join(directory, basename(site)));
  // Inside build/, so that a rename is atomic; mkdtemp makes it 0700.
  const work = await mkdtemp(join(build, workFolderPrefix));
  try {
    return await make({
      site: join(directory, basename(site)),
      work,
      keepBundle: async (made) => {
        const bundle = join(build, basename(made));
        await rename(made, bundle);
        return bundle;
      },
      keepBackup: async (made) => {
        const backup = join(store, relative(work, made));
        await mkdir(dirname(backup), { recursive: true, mode: 0o700 });
        // No folder takes the place of another by a rename.
        if ((await stat(made)).isDirectory()) await rm(backup, { recursive: true, force: true });
        await rename(made, backup);
        await removeOldBackups(dirname(backup), basename(backup));
        return backup;
      },
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Work of a process that was killed. What is younger may be another process at work now. */
async function removeAbandonedWork(build: string): Promise<void> {
  for (const name of (await readdir(build)).filter((entry) => entry.startsWith(workFolderPrefix))) {
    const path = join(build, name);
    const details = await stat(path).catch(() => undefined);
    if (details !== undefined && Date.now() - details.mtimeMs > abandonedAfterMilliseconds) {
      await rm(path, { recursive: true, force: true });
    }
  }
}

/** Never over a file that is there: it may have been edited. */
async function copyUnlessThere(file: string, target: string): Promise<void> {
  await copyFile(file, target, constants.COPYFILE_EXCL).catch((error: unknown) => {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  });
}

async function removeOldBackups(folder: string, justMade: string): Promise<void> {
  const others = (await readdir(folder))
    .filter((name) => /^(full_backup_\d{8}_\d{6}\.tar\.gz|\d{8}T\d{6}Z)$/.test(name) && name !== justMade)
    .sort();
  for (const name of others.slice(0, -(backupsKept - 1))) {
    await rm(join(folder, name), { recursive: true, force: true });
  }
}
