import { lutimes, readdir, readFile, utimes } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";

const packer = fileURLToPath(new URL("../../host/resident/pack", import.meta.url));

/** Who may read a restore point, and who says that it is genuine. */
interface Sealing {
  /** age or ssh public keys; without any nothing is encrypted. */
  recipients: string[];
  /** Path of the ssh private key that signs; empty when nobody does. */
  signingKey: string;
}

/** A database as the packer is told of it; `server` is the folder of a server's socket. */
export type PackedDatabase =
  | { name: string; kind: "sqlite"; path: string }
  | {
      name: string;
      kind: "postgresql";
      server: string;
      user: string;
      database: string;
      port: string;
      account: string;
    };

/**
 * Packs the folder of a site of this name in our own format into the store `store`, as host/resident/pack does on a server, and returns the
 * folder of the point. `site` holds data/ (with uploads/) and the files named in `configuration`.
 */
export async function makeOwnPoint(
  name: string,
  site: string,
  database: PackedDatabase,
  configuration: string[],
  application: { revision: string; bundle: string },
  time: Date,
  store: string,
  { recipients, signingKey }: Sealing,
): Promise<string> {
  // Tars keep the times of files, which should not depend on when the sample was made.
  const entries = await readdir(site, { recursive: true });
  for (const entry of entries) await lutimes(join(site, entry), time, time);
  const { stdout: id } = await execa("bash", [packer, store], {
    input: JSON.stringify({
      site: name,
      tier: "daily",
      startedAt: `${time.toISOString().slice(0, 19)}Z`,
      waitSeconds: 0,
      recipients,
      signingKey,
      databases: [database],
      uploads: [{ path: "data/uploads", folder: join(site, "data/uploads") }],
      data: [{ path: "data", folder: join(site, "data") }],
      configuration: { folder: site, files: configuration, named: [], server: [], certificates: "" },
      logs: [],
      application: { packed: true, ...application },
    }),
  });
  // The store takes the time of its arrival from the last file that came.
  const manifest = join(store, id, "MANIFEST.json");
  const { endedAt } = JSON.parse(await readFile(manifest, "utf8")) as { endedAt: string };
  await utimes(manifest, new Date(endedAt), new Date(endedAt));
  return join(store, id);
}
