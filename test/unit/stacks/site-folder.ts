import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { packArchive, type ArchiveOptions } from "../backups/archives.ts";
import { written } from "../runbook/small-site.ts";

/** The small site as it lies on an operator's computer: site.yaml, and a store in backups/ beside it. */
export interface SiteFolder {
  directory: string;
  /** site.yaml. */
  file: string;
  /** Packs a backup of the small site into a store, by default backups/, and returns its path. */
  backUp(options: ArchiveOptions, store?: string): string;
  remove(): void;
}

/** What the small site has beside what every archive of `packArchive` holds. */
export const ownMembers = {
  "database/club.db.gz": gzipSync("the club's rows"),
  "data/app_data.tar.gz": gzipSync("the club's data"),
  "config/config.php": "<?php\n",
};

/** A full commit id: nobody has to be asked for what it means. */
export const commit = "c".repeat(40);

export function siteFolder(changes: Record<string, unknown> = {}): SiteFolder {
  const directory = mkdtempSync(join(tmpdir(), "site-folder-"));
  const file = join(directory, "site.yaml");
  mkdirSync(join(directory, "backups"));
  const application = { ...written.application, revision: commit };
  // JSON is YAML.
  writeFileSync(file, JSON.stringify({ ...written, application, ...changes }, null, 2));
  return {
    directory,
    file,
    backUp: (options, store = "backups") =>
      packArchive(join(directory, store), { ...options, files: { ...ownMembers, ...options.files } }),
    remove: () => {
      rmSync(directory, { recursive: true });
    },
  };
}
