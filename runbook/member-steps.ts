import type { SiteMembers, StoredMember } from "../backups/site-members.ts";
import type { Fact, PlannedStep } from "./step.ts";

/** A restore point of our own format, as a plan needs to know it. */
export interface MemberPoint {
  members: SiteMembers;
  /** Name of the secret that decrypts it; null when it is not encrypted. */
  identity: string | null;
  unpackedBytes: number;
}

/** Every member that the site is restored from. */
export function allMembers({
  inventory,
  databases,
  data,
  uploads,
  configuration,
}: SiteMembers): StoredMember[] {
  return [inventory, ...databases, ...data, ...uploads, configuration].flat();
}

/**
 * The step that stands in the place of `unpack`. On a real host members are staged as they come from the store, without a
 * copy between. In a drill they have been fetched, as they are stored, before egress was closed.
 */
export function unpackMembers(
  { members, identity }: MemberPoint,
  options: { isolated: boolean; pinned: string[]; folders: { path: string }[]; required: string[] },
): PlannedStep {
  const { isolated, pinned, folders, required } = options;
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
      inventory: asInput(members.inventory),
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
