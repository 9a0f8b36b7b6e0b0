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

/**
 * Packs a site's folder in our own format into the store `store`, as host/resident/pack does on a server, and returns the
 * folder of the point. `site` holds data/ (with admin.db and uploads/) and the files named in `configuration`.
 */
export async function makeOwnPoint(
  site: string,
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
      site: "chatbot",
      tier: "daily",
      startedAt: `${time.toISOString().slice(0, 19)}Z`,
      revision: application.revision,
      recipients,
      signingKey,
      databases: [{ name: "admin", kind: "sqlite", path: join(site, "data/admin.db") }],
      uploads: [{ path: "data/uploads", folder: join(site, "data/uploads") }],
      data: [{ path: "data", folder: join(site, "data") }],
      configuration: { folder: site, files: configuration },
      logs: [],
      bundle: application.bundle,
    }),
  });
  // The store takes the time of its arrival from the last file that came.
  const manifest = join(store, id, "MANIFEST.json");
  const { endedAt } = JSON.parse(await readFile(manifest, "utf8")) as { endedAt: string };
  await utimes(manifest, new Date(endedAt), new Date(endedAt));
  return join(store, id);
}
