import type { PointManifest } from "../../../backups/point-manifest.ts";

/** A manifest as host/resident/pack writes it, of the site club on the first of March 2026. */
export function manifest(changes: Partial<PointManifest> = {}): PointManifest {
  return {
    version: 1,
    site: "club",
    tier: "daily",
    startedAt: "2026-03-01T02:00:00Z",
    endedAt: "2026-03-01T02:10:00Z",
    revision: "c".repeat(40),
    tools: { age: "1.1.1", zstd: "1.5.4" },
    errors: [],
    warnings: [],
    members: [
      member("database-club.db.zst.age", 100),
      member("uploads-1.tar.zst.age", 200, "/srv/uploads"),
      member("data-1.tar.zst.age", 300, "data"),
      member("config.tar.zst.age", 40),
      member("inventory.tar.zst.age", 50),
    ],
    ...changes,
  };
}

export function member(name: string, bytes: number, path?: string): PointManifest["members"][number] {
  return {
    name,
    bytes,
    unpackedBytes: 10 * bytes,
    sha256: sha256Of(name),
    ...(path === undefined ? {} : { path }),
  };
}

/** Stands for a hash: the same for the same name. */
export function sha256Of(name: string): string {
  return Buffer.from(name).toString("hex").padEnd(64, "0").slice(0, 64);
}
