import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";

/** A folder for backups of a test. */
export function temporaryStore(): string {
  return mkdtempSync(join(tmpdir(), "store-"));
}

export interface ArchiveOptions {
  /** `YYYYMMDD_HHMMSS` in the archive's name. */
  named: string;
  /** What MANIFEST.txt says; undefined for the usual text. */
  manifest?: string | null;
  createdAt?: string;
  status?: string;
  /** Further files, by path in the top folder. */
  files?: Record<string, string | Buffer>;
  /** When the file was last changed; by default when its data is said to be of. */
  storedAt?: Date;
}

/** The manifest as the runbook's backup_all.sh writes it. */
export function manifestText(named: string, createdAt: string, status = "SUCCESS"): string {
  return [
    `Backup created at: ${createdAt}`,
    `Backup name: full_backup_${named}`,
    "Hostname: web1",
    "",
    "Components:",
    "- Database: SQLite (admin.db.gz)",
    "- Files: ./data/uploads (uploads.tar.gz)",
    "- Configuration: 1 files",
    "",
    "Backup Size: 12K",
    `Backup Status: ${status}`,
    "",
  ].join("\n");
}

/** Packs `full_backup_NAMED.tar.gz` into `store` with tar, as the runbook's script does, and returns its path. */
export function packArchive(store: string, options: ArchiveOptions): string {
  const { named } = options;
  const createdAt =
    options.createdAt ??
    `${named.slice(0, 4)}-${named.slice(4, 6)}-${named.slice(6, 8)}T${named.slice(9, 11)}:${named.slice(11, 13)}:${named.slice(13)}Z`;
  const files: Record<string, string | Buffer> = {
    "database/admin.db.gz": gzipSync(pseudoRandom(150_000, named)),
    "files/uploads.tar.gz": gzipSync("uploads"),
    "config/.env": "ADMIN_TOKEN=x\n",
    ...options.files,
  };
  if (options.manifest !== null) {
    files["MANIFEST.txt"] = options.manifest ?? manifestText(named, createdAt, options.status);
  }
  const work = mkdtempSync(join(tmpdir(), "pack-"));
  try {
    for (const [path, content] of Object.entries(files)) {
      const file = join(work, `full_backup_${named}`, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, content);
    }
    const archive = join(store, `full_backup_${named}.tar.gz`);
    execFileSync("tar", ["-czf", archive, "-C", work, `full_backup_${named}`]);
    const storedAt = options.storedAt ?? new Date(createdAt);
    utimesSync(archive, storedAt, storedAt);
    return archive;
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** Bytes that do not compress and are the same each time. */
function pseudoRandom(bytes: number, seed: string): Buffer {
  const buffer = Buffer.alloc(bytes);
  let state = Buffer.from(seed).reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7);
  for (let index = 0; index < bytes; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    buffer[index] = state >>> 24;
  }
  return buffer;
}
