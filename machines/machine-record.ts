import { mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

/** Who a machine belongs to and what is needed to reach it. Lies under /run: gone with the boot that made it. */
const processSchema = z.strictObject({ pid: z.int(), startTicks: z.int() });
const recordSchema = z.object({
  id: z.string().regex(/^[0-9a-f]{8}$/),
  name: z.string(),
  release: z.enum(["12", "13"]),
  /** UTC, ISO 8601. */
  createdAt: z.string(),
  owner: processSchema,
  keeper: processSchema,
  /** Handed over: it outlives its owner, until it is removed by name. */
  released: z.boolean(),
  address: z.string().optional(),
  hostKey: z.string().optional(),
});

export type MachineRecord = z.infer<typeof recordSchema>;

const runtime = "/run/recovery-stack";
const recordFolder = join(runtime, "machines");
const claimFolder = join(runtime, "subnets");
const stateFolder = "/var/lib/recovery-stack/machines";

/** Everything of a machine that lies on disk; what it changed is in its `upper`. */
export function folderOf(id: string): string {
  return join(stateFolder, id);
}

/** Folders shared by all machines; made before the first. */
export function makeSharedFolders(): void {
  for (const folder of [recordFolder, claimFolder, stateFolder]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }
}

/** Written whole or not at all: a reader never sees half of it. */
export function writeRecord(record: MachineRecord): void {
  const path = join(recordFolder, `${record.id}.json`);
  writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

export function readRecord(id: string): MachineRecord | undefined {
  try {
    return recordSchema.parse(JSON.parse(readFileSync(join(recordFolder, `${id}.json`), "utf8")));
  } catch {
    return undefined;
  }
}

/** Ids of everything on this computer that belongs or belonged to a machine: records, folders, claimed networks. */
export function idsOnThisComputer(): string[] {
  const records = namesIn(recordFolder).map((name) => name.replace(/\.json(\.new)?$/, ""));
  const claims = namesIn(claimFolder).map((name) => {
    try {
      return readlinkSync(join(claimFolder, name));
    } catch {
      return "";
    }
  });
  const ids = [...records, ...namesIn(stateFolder), ...claims];
  return [...new Set(ids)].filter((id) => /^[0-9a-f]{8}$/.test(id)).sort();
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
