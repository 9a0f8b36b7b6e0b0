import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { packerNeeds } from "../../../examples/packer-needs.ts";
import { ensureDebianPackages } from "../../../machines/debian-packages.ts";

const packer = fileURLToPath(new URL("../../../host/resident/pack", import.meta.url));

/** Private keys in files, by name: of age `identity`, `escrow`, `other`; of ssh `verifier`, `stranger`, and `locked` by a passphrase. */
export interface Keys {
  file(name: string): string;
  publicKey(name: string): string;
  remove(): void;
}

export async function makeKeys(): Promise<Keys> {
  await ensureDebianPackages([...packerNeeds, { command: "sqlite3", package: "sqlite3" }], () => undefined);
  const folder = mkdtempSync(join(tmpdir(), "verifiers-"));
  const file = (name: string) => join(folder, name);
  for (const [name, passphrase] of [
    ["verifier", ""],
    ["stranger", ""],
    ["locked", "locked away"],
  ] as const)
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", file(name)]);
  for (const name of ["identity", "escrow", "other"])
    execFileSync("age-keygen", ["-o", file(name)], { stdio: "ignore" });
  return {
    file,
    publicKey: (name) =>
      ["verifier", "stranger", "locked"].includes(name)
        ? readFileSync(file(`${name}.pub`), "utf8").trim()
        : execFileSync("age-keygen", ["-y", file(name)], { encoding: "utf8" }).trim(),
    remove: () => {
      rmSync(folder, { recursive: true });
    },
  };
}

export interface SealedPoint {
  tier?: string;
  /** `2026-03-01T02:00:00Z`; now without. */
  startedAt?: string;
  /** Public keys of age. */
  recipients: string[];
}

/** Makes a point of the small site in `directory`/backups, by the program that servers make them with. */
export function packSealed(
  directory: string,
  { tier = "daily", startedAt, recipients }: SealedPoint,
): { id: string; path: string } {
  const site = join(directory, "living");
  mkdirSync(join(site, "uploads"), { recursive: true });
  writeFileSync(join(site, ".env"), "TOKEN=x\n");
  writeFileSync(join(site, "uploads", "one.jpg"), "picture ".repeat(1000));
  execFileSync("sqlite3", [join(site, "club.db")], {
    input: "CREATE TABLE IF NOT EXISTS members (name); INSERT INTO members VALUES ('Ann');",
  });
  const { status, stdout, stderr } = spawnSync("bash", [packer, join(directory, "backups")], {
    input: JSON.stringify({
      ...{ site: "club", tier, startedAt: startedAt ?? null, waitSeconds: 0, recipients, signingKey: "" },
      databases: [{ name: "club", kind: "sqlite", path: join(site, "club.db") }],
      uploads: [{ path: "/srv/uploads", folder: join(site, "uploads") }],
      ...{ data: [], logs: [] },
      configuration: { folder: site, files: [".env"], named: [], server: [], certificates: "" },
      application: { packed: false, revision: "c".repeat(40) },
    }),
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  const id = stdout.trim();
  return { id, path: join(directory, "backups", id) };
}
