import type {
  LifecycleRule,
  ObjectLockConfiguration,
  OwnershipControls,
  PublicAccessBlockConfiguration,
  ServerSideEncryptionConfiguration,
  TransitionStorageClass,
  VersioningConfiguration,
} from "@aws-sdk/client-s3";
import type { Site } from "../site/schema.ts";
import {
  type BucketIdentity,
  bucketPolicy,
  evidenceIdentity,
  readerIdentity,
  writerIdentity,
} from "./bucket-policies.ts";
import { lockDays, type S3Store, stayDays, tiers, tiersIn } from "./bucket-stay.ts";
import type { PolicyDocument } from "./policy-document.ts";
import { infrequentBytes, largestManifestBytes, storageClasses } from "./storage-classes.ts";

/** A bucket that holds backups and lets nobody remove them, in the words of S3's API. */
export interface BucketDocuments {
  bucket: string;
  region: string;
  /** Of a server that is not AWS, and what it need not do. */
  endpoint?: string;
  accepted: NonNullable<S3Store["declared"]>["accepted"];
  versioning: VersioningConfiguration;
  objectLock: ObjectLockConfiguration;
  lifecycle: LifecycleRule[];
  encryption: ServerSideEncryptionConfiguration;
  publicAccessBlock: PublicAccessBlockConfiguration;
  ownership: OwnershipControls;
  policy: PolicyDocument;
  /** Whom the site's server is, where it is to put anything there. */
  writer?: BucketIdentity;
  /** Whom the operator is. */
  reader: BucketIdentity;
}

/** When monthly backups are moved to an archive, in days. */
const archivedAfterDays = 30;

const archiveClasses = {
  "glacier-instant": "GLACIER_IR",
  "glacier-flexible": "GLACIER",
} as const satisfies Record<string, TransitionStorageClass>;

/** What the stack `offsite` makes of a store that site.yaml declares. Pure; `bucketRefusals` says of which none can be made. */
export function bucketDocuments(site: Site, store: S3Store): BucketDocuments & { writer: BucketIdentity } {
  return {
    ...lockedBucket(store, lockDays(site, store), lifecycle(site, store)),
    writer: writerIdentity(store),
    reader: readerIdentity(store),
  };
}

/** The bucket of verdicts and records that it declares, if it does: nothing is ever removed from it by a rule, and the site's server has no part in it. */
export function evidenceDocuments({ evidence }: Site): BucketDocuments | undefined {
  if (evidence?.declared === undefined) return undefined;
  const days = Math.max(1, Math.ceil(evidence.declared.keep / 86_400));
  return { ...lockedBucket(evidence, days, [remains]), reader: evidenceIdentity(evidence) };
}

type Declared = Pick<NonNullable<S3Store["declared"]>, "lock" | "kmsKey" | "accepted">;

function lockedBucket(
  place: {
    bucket: string;
    path: string;
    region: string;
    endpoint?: string | undefined;
    declared?: Declared | undefined;
  },
  days: number,
  rules: LifecycleRule[],
): Omit<BucketDocuments, "writer" | "reader"> {
  const { bucket, region, endpoint, declared } = place;
  return {
    bucket,
    region,
    ...(endpoint !== undefined && { endpoint }),
    accepted: declared?.accepted ?? [],
    versioning: { Status: "Enabled" },
    objectLock: {
      ObjectLockEnabled: "Enabled",
      Rule: {
        DefaultRetention: {
          Mode: declared?.lock === "compliance" ? "COMPLIANCE" : "GOVERNANCE",
          Days: days,
        },
      },
    },
    lifecycle: rules,
    encryption: {
      Rules: [
        {
          ApplyServerSideEncryptionByDefault:
            declared?.kmsKey === undefined
              ? { SSEAlgorithm: "AES256" }
              : { SSEAlgorithm: "aws:kms", KMSMasterKeyID: declared.kmsKey },
          // One question to KMS for many objects; without KMS it means nothing.
          BucketKeyEnabled: declared?.kmsKey !== undefined,
        },
      ],
    },
    publicAccessBlock: {
      BlockPublicAcls: true,
      IgnorePublicAcls: true,
      BlockPublicPolicy: true,
      RestrictPublicBuckets: true,
    },
    ownership: { Rules: [{ ObjectOwnership: "BucketOwnerEnforced" }] },
    policy: bucketPolicy(place),
  };
}

/**
 * Rules by tier, those too whose backups are sent elsewhere: what was sent here before goes in its time. None is for manual ones, which are
 * kept for ever.
 */
function lifecycle(site: Site, store: S3Store): LifecycleRule[] {
  const { backups } = site;
  if (backups === undefined) return [];
  const archive = archiveOf(site, store);
  return [
    ...tiers.map((tier): LifecycleRule => ({
      ID: tier,
      Status: "Enabled",
      Filter: { Prefix: `${store.path}/${tier}/` },
      Expiration: { Days: stayDays(site, backups, store, tier) },
      // What expired, and what was put over: its lock holds it for as long as it is promised, and no rule beats that.
      NoncurrentVersionExpiration: { NoncurrentDays: 1 },
    })),
    ...(archive === "none"
      ? []
      : [
          {
            ID: "monthly-archive",
            Status: "Enabled" as const,
            Filter: {
              And: {
                Prefix: `${store.path}/monthly/`,
                ObjectSizeGreaterThan:
                  archive === "glacier-flexible" ? largestManifestBytes : infrequentBytes,
              },
            },
            Transitions: [{ Days: archivedAfterDays, StorageClass: archiveClasses[archive] }],
          },
        ]),
    remains,
  ];
}

/** What is left over of what went, and of uploads that never came to their end. */
const remains: LifecycleRule = {
  ID: "remains",
  Status: "Enabled",
  Filter: { Prefix: "" },
  Expiration: { ExpiredObjectDeleteMarker: true },
  AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
};

/** As site.yaml says, or glacier-instant where that is billed for no longer than a backup stays. */
function archiveOf(site: Site, store: S3Store): keyof typeof archiveClasses | "none" {
  const { backups } = site;
  // No other server has AWS' classes of storage.
  if (backups === undefined || store.endpoint !== undefined || !tiersIn(site, store).includes("monthly"))
    return "none";
  const billedUntilDays = archivedAfterDays + storageClasses.GLACIER_IR.minimumDays;
  const byDefault = stayDays(site, backups, store, "monthly") >= billedUntilDays ? "glacier-instant" : "none";
  return store.declared?.archive ?? byDefault;
}
