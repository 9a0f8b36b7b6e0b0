import type { DumpVersions } from "./dump-versions.ts";
import type { PointManifest } from "./point-manifest.ts";

/**
 * What is known of a restore point:
 * - `complete`: all stored bytes were read, the archive is sound, its manifest is there and what it names is in it;
 * - `readable`: beside that, one of the site's verifiers decrypted, unpacked and hashed all of it;
 * - `proven`: one of them restored it on a machine, and the checks passed;
 * - `partial`: sound, and its own manifest says that parts of the backup failed;
 * - `damaged`: it must not be restored, for the reason given;
 * - `foreign`: not a restore point of this site, or not one at all.
 */
type RestorePointState = "complete" | "readable" | "proven" | "partial" | "damaged" | "foreign";

/** A file in an archive, or one of the files that are a restore point of our own format. */
export interface Member {
  /**
   * Relative to the archive's top folder, such as `database/admin.db.gz`: what site.yaml calls `member`. Of our own format
   * the file's name, such as `database-admin.db.zst.age`.
   */
  path: string;
  bytes: number;
  /**
   * Bytes after unpacking a `.gz`, as its own trailer says: modulo 4 GiB and not to be trusted, good for planning
   * disk space. Equal to `bytes` for other files. Of our own format what the manifest says; more is not unpacked.
   */
  unpackedBytes: number;
  /** The versions that a PostgreSQL dump says it is of; not there for other files. */
  dumped?: DumpVersions | undefined;
  /** SHA-256 of the stored bytes. Of our own format alone: an archive is pinned as a whole. */
  sha256?: string;
  /** The folder that it holds, as site.yaml calls it. Of our own format alone. */
  folder?: string;
}

/** One backup of a site at one time in one store, or a file that lies among them. Plain data. */
export interface RestorePoint {
  /** `archive`: one file, as the runbook's scripts make it; `folder`: our own format, docs/format.md. */
  format: "archive" | "folder";
  /** The file's name without its ending, or a folder's TIER/TIME; for what is foreign the whole name. */
  id: string;
  /** Name of the store. */
  store: string;
  /** Name of the file, or path of the folder, in the store. */
  file: string;
  /** Other names of the same bytes in the store, such as `full_backup_latest.tar.gz`. */
  aliases: string[];
  /** `full`: a whole site; `database`: a database alone; null for a foreign file. */
  kind: "full" | "database" | null;
  state: RestorePointState;
  /** Why it is not good; null when it is. */
  reason: string | null;
  /** What an operator should know of a point all the same. */
  notes: string[];
  /** Time that the data is of: UTC, ISO 8601; null when nothing trustworthy tells it. */
  timeOfData: string | null;
  /** Time of the file's last change in the store: UTC, ISO 8601. A copy is newer than its data. */
  storedAt: string;
  storedBytes: number;
  /** SHA-256 of the stored bytes; null when they were not read to the end, and for a folder. */
  sha256: string | null;
  /** SHA-256 of the manifest; of the stored bytes for a point without a manifest of its own; null when unread. */
  manifestSha256: string | null;
  /** The archive's top folder as its entries write it: a member's entry is `root/path`. Null for a database alone. */
  root: string | null;
  members: Member[];
  /** Bytes of the tar, or of the database dump, after unpacking the outer gzip. */
  unpackedBytes: number;
  /** The host that the backup says it was made on. */
  hostname: string | null;
  /** What that has, where a point of our own format says so. */
  server?: NonNullable<PointManifest["server"]>;
}

/**
 * What a recovery is held to. The manifest's hash alone would let another archive with a copied MANIFEST.txt pass,
 * so the archive's own belongs to the pin. The manifest of our own format names the hash of every member, and is enough.
 */
export interface Pin {
  id: string;
  manifestSha256: string;
  /** Null for a folder. */
  archiveSha256: string | null;
}

/** Whether a verifier read all of the point. */
export function isRead(point: RestorePoint): boolean {
  return ["readable", "proven"].includes(point.state);
}

/** Whether the point may be restored. */
export function isGood(point: RestorePoint): boolean {
  return ["complete", "readable", "proven"].includes(point.state);
}

/** The pin of a point of which enough was read, null for others. */
export function pinOf({ format, id, manifestSha256, sha256 }: RestorePoint): Pin | null {
  if (manifestSha256 === null || (format === "archive" && sha256 === null)) return null;
  return { id, manifestSha256, archiveSha256: sha256 };
}
