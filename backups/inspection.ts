import type { Member } from "./restore-point.ts";

/** What one reading of a stored file found. Plain data: it is cached. */
export interface Inspection {
  /** SHA-256 of all stored bytes. */
  sha256: string;
  storedBytes: number;
  /** Why the file is broken or must not be unpacked, and where; null when it is sound. */
  damage: string | null;
  /** Top folder of an archive as its entries write it. */
  root: string | null;
  members: Member[];
  /** Bytes after unpacking the gzip; as far as it went, when damaged. */
  unpackedBytes: number;
  manifest: { text: string; sha256: string } | null;
}

/** How much of a file that may come from anybody is taken in. */
export interface InspectionLimits {
  /** Entries of an archive. */
  entries: number;
  /** Bytes of MANIFEST.txt. */
  manifestBytes: number;
  /** An archive that unpacks to more than this many times its stored size... */
  expansion: number;
  /** ...and to more bytes than this is a bomb. */
  expandedBytes: number;
}

export const inspectionLimits: InspectionLimits = {
  entries: 20_000,
  manifestBytes: 64 * 1024,
  expansion: 100,
  expandedBytes: 1024 ** 3,
};

/** The file is broken, or must not be unpacked. */
export class Damage extends Error {
  override readonly name = "Damage";
}
