import type { Site } from "../site/schema.ts";
import { type ContainerStore, type DeclaredContainer, lockDays, stayDays, tiers } from "./bucket-stay.ts";

/** A container that holds backups and lets nobody remove them, in the words of Azure's storage API (Microsoft.Storage). */
export interface ContainerDocuments {
  resourceGroup: string;
  /** The account is the container's own: what locks its blobs is said of the account. */
  account: {
    accountName: string;
    location: string;
    kind: "StorageV2";
    sku: { name: `Standard_${"LRS" | "ZRS" | "GRS"}` };
    minimumTlsVersion: "TLS1_2";
    enableHttpsTrafficOnly: true;
    allowBlobPublicAccess: false;
    allowCrossTenantReplication: false;
    /** Shared access signatures are signed with a key of the account. */
    allowSharedKeyAccess: true;
    immutableStorageWithVersioning: {
      enabled: true;
      immutabilityPolicy: {
        state: "Unlocked" | "Locked";
        immutabilityPeriodSinceCreationInDays: number;
        allowProtectedAppendWrites: false;
      };
    };
  };
  service: {
    isVersioningEnabled: true;
    deleteRetentionPolicy: { enabled: true; days: number };
    containerDeleteRetentionPolicy: { enabled: true; days: number };
  };
  container: { containerName: string; publicAccess: "None" };
  rules: ManagementRule[];
}

/** A rule of the account's lifecycle management. */
export interface ManagementRule {
  name: string;
  type: "Lifecycle";
  enabled: true;
  definition: {
    filters: { blobTypes: ["blockBlob"]; prefixMatch: [string] };
    actions: {
      baseBlob: {
        tierToCool?: { daysAfterCreationGreaterThan: number };
        delete: { daysAfterCreationGreaterThan: number };
      };
      /** What was put over, and what was deleted: each for as long as it is promised. */
      version: { delete: { daysAfterCreationGreaterThan: number } };
    };
  };
}

/** Azure bills the class Cool for as many days, however soon something is removed. */
const coolMinimumDays = 30;
/** What was removed by mistake can be brought back for as many days. */
const removedDays = 7;

/** What the stack `offsite` makes of a container that site.yaml declares. Pure; `containerRefusals` says of which none can be made. */
export function containerDocuments(site: Site, store: DeclaredContainer): ContainerDocuments {
  const { account, container } = containerPlace(store);
  const { resourceGroup, location, redundancy, lock } = store.declared;
  return {
    resourceGroup,
    account: {
      accountName: account,
      location,
      kind: "StorageV2",
      sku: { name: `Standard_${redundancy}` },
      minimumTlsVersion: "TLS1_2",
      enableHttpsTrafficOnly: true,
      allowBlobPublicAccess: false,
      allowCrossTenantReplication: false,
      allowSharedKeyAccess: true,
      immutableStorageWithVersioning: {
        enabled: true,
        immutabilityPolicy: {
          state: lock === "locked" ? "Locked" : "Unlocked",
          immutabilityPeriodSinceCreationInDays: lockDays(site, store),
          allowProtectedAppendWrites: false,
        },
      },
    },
    service: {
      isVersioningEnabled: true,
      deleteRetentionPolicy: { enabled: true, days: removedDays },
      containerDeleteRetentionPolicy: { enabled: true, days: removedDays },
    },
    container: { containerName: container, publicAccess: "None" },
    rules: rules(site, store, container),
  };
}

/** Account and container of a URL such as `https://photoclub.blob.core.windows.net/backups`; empty where it is none of Azure's. */
export function containerPlace({ container: url }: Pick<ContainerStore, "container">): {
  account: string;
  container: string;
} {
  const match =
    /^https:\/\/(?<account>[a-z0-9]{3,24})\.blob\.core\.[a-z.]+\/(?<container>[a-z0-9](-?[a-z0-9]){2,62})$/.exec(
      url,
    );
  const { account = "", container = "" } = match?.groups ?? {};
  return { account, container };
}

/**
 * By tier, those too whose backups are sent elsewhere: what was sent here before goes in its time. None is for manual ones, which are kept for
 * ever. Weekly and monthly backups are read when there is need alone, and move to Cool, from which they are read at once.
 */
function rules(site: Site, store: ContainerStore, container: string): ManagementRule[] {
  const { backups } = site;
  if (backups === undefined) return [];
  return tiers.map((tier) => {
    const stay = { daysAfterCreationGreaterThan: stayDays(site, backups, store, tier) };
    const cools =
      (tier === "weekly" || tier === "monthly") && stay.daysAfterCreationGreaterThan > coolMinimumDays;
    return {
      name: tier,
      type: "Lifecycle",
      enabled: true,
      definition: {
        filters: { blobTypes: ["blockBlob"], prefixMatch: [`${container}/${store.path}/${tier}/`] },
        actions: {
          baseBlob: {
            ...(cools ? { tierToCool: { daysAfterCreationGreaterThan: 0 } } : {}),
            delete: stay,
          },
          version: { delete: stay },
        },
      },
    };
  });
}
