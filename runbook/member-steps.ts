import type { SiteMembers, StoredMember } from "../backups/site-members.ts";
import type { Fact, PlannedStep } from "./step.ts";

/** A restore point of our own format, as a plan needs to know it. */
export interface MemberPoint {
  members: SiteMembers;
  /** Where the databases among them are of another restore point, made later. */
  newerDatabases?: {
    id: string;
    manifestSha256: string;
    /** Of that point: it tells what its databases are to be. */
    inventory: StoredMember[];
  };
  /** Name of the secret that decrypts it; null when it is not encrypted. */
  identity: string | null;
  unpackedBytes: number;
}

/** Every member that the site is restored from: of its point, and of that of its databases, if that is another. */
export function membersOf({ members, newerDatabases }: Pick<MemberPoint, "members" | "newerDatabases">): {
  point: StoredMember[];
  databases: StoredMember[];
} {
  const { inventory, databases, data, uploads, configuration } = members;
  const files = [...data, ...uploads, configuration].flat();
  const those = databases.flat();
  return newerDatabases === undefined
    ? { point: [...inventory, ...those, ...files], databases: [] }
    : { point: [...inventory, ...files], databases: [...newerDatabases.inventory, ...those] };
}

/**
 * The step that stands in the place of `unpack`. On a real host members are staged as they come from the store, without a
 * copy between. In a drill they have been fetched, as they are stored, before egress was closed.
 */
export function unpackMembers(
  { id, members, newerDatabases, identity }: MemberPoint & { id: string },
  options: {
    isolated: boolean;
    pinned: string[];
    starts: string[];
    folders: { path: string }[];
    required: string[];
  },
): PlannedStep {
  const { isolated, pinned, starts, folders, required } = options;
  const asInput = (list: StoredMember[] = []): Fact[] =>
    list.map(({ name, bytes, unpackedBytes, sha256 }) => ({ name, bytes, unpackedBytes, sha256 }));
  const ofFolders = [...members.data, ...members.uploads];
  const minutes = isolated ? 25 : 35;
  return {
    id: "unpack-members",
    title: isolated
      ? "Members decrypted, unpacked, as the manifest says"
      : "Members fetched, decrypted, unpacked, as the manifest says",
    runbook: "1.6",
    inputs: {
      from: isolated ? "fetched" : "store",
      identity: identity ?? "",
      starts,
      inventory: asInput(members.inventory),
      ...(newerDatabases === undefined
        ? {}
        : { point: id, databaseInventory: asInput(newerDatabases.inventory) }),
      configuration: asInput(members.configuration),
      databases: members.databases.map((list) => ({ members: asInput(list) })),
      folders: folders.map(({ path }, at) => ({
        name: path.slice(path.lastIndexOf("/") + 1),
        members: asInput(ofFolders[at]),
      })),
      required,
    },
    secrets: [...(isolated ? [] : ["rclone.conf"]), ...(identity === null ? [] : [identity])],
    triggers: isolated ? [] : pinned,
    after: [isolated ? "close-egress" : "install-building-packages"],
    budgetSeconds: minutes * 60,
    timeoutSeconds: 240 * 60,
  };
}
