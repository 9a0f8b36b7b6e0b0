import type { LifecycleRule } from "@aws-sdk/client-s3";
import { getCallerIdentityOutput } from "@pulumi/aws/getCallerIdentity.js";
import { Role } from "@pulumi/aws/iam/role.js";
import { RolePolicy } from "@pulumi/aws/iam/rolePolicy.js";
import { User } from "@pulumi/aws/iam/user.js";
import { UserPolicy } from "@pulumi/aws/iam/userPolicy.js";
import { Bucket } from "@pulumi/aws/s3/bucket.js";
import { BucketLifecycleConfiguration } from "@pulumi/aws/s3/bucketLifecycleConfiguration.js";
import { BucketObjectLockConfiguration } from "@pulumi/aws/s3/bucketObjectLockConfiguration.js";
import { BucketOwnershipControls } from "@pulumi/aws/s3/bucketOwnershipControls.js";
import { BucketPolicy } from "@pulumi/aws/s3/bucketPolicy.js";
import { BucketPublicAccessBlock } from "@pulumi/aws/s3/bucketPublicAccessBlock.js";
import { BucketServerSideEncryptionConfiguration } from "@pulumi/aws/s3/bucketServerSideEncryptionConfiguration.js";
import { BucketVersioning } from "@pulumi/aws/s3/bucketVersioning.js";
import type * as inputs from "@pulumi/aws/types/input.js";
import * as pulumi from "@pulumi/pulumi";
import type { BucketDocuments } from "../offsite/bucket-documents.ts";
import { policy } from "../offsite/policy-document.ts";

/**
 * A bucket on AWS that lets nobody remove what it keeps, the user that a site's server writes as, and the role that the operator has there.
 * It makes no access key: one made here would lie in Pulumi's state for ever. The bucket outlives the stack.
 */
export class OffsiteBucket extends pulumi.ComponentResource {
  /** Where the bucket is found, once it is there. */
  readonly bucket: pulumi.Output<string>;
  /** The name of the user, where there is one. */
  readonly writer: pulumi.Output<string> | undefined;
  /** The ARN of the role. */
  readonly reader: pulumi.Output<string>;

  /** `adopt`: it is there already, and a state that knew it was lost. */
  constructor(
    name: string,
    documents: BucketDocuments,
    { adopt = false, ...options }: pulumi.ComponentResourceOptions & { adopt?: boolean } = {},
  ) {
    super("recovery-stack:index:OffsiteBucket", name, {}, options);
    // What AWS calls each: a part of a bucket by the bucket's name, a policy of somebody by both names.
    const existing = (id: string) => (adopt ? { import: id } : {});
    const kept = { parent: this, protect: true, retainOnDelete: true, ...existing(documents.bucket) };
    const { region } = documents;
    const made = new Bucket(
      name,
      {
        bucket: documents.bucket,
        region,
        objectLockEnabled: documents.objectLock.ObjectLockEnabled === "Enabled",
      },
      kept,
    );
    const at = { bucket: made.bucket, region };
    const versioning = new BucketVersioning(
      `${name}-versioning`,
      { ...at, versioningConfiguration: { status: documents.versioning.Status ?? "" } },
      kept,
    );
    // S3 takes a lock of no bucket that does not keep versions yet.
    const versioned = { ...kept, dependsOn: versioning };
    new BucketObjectLockConfiguration(`${name}-lock`, { ...at, ...objectLock(documents) }, versioned);
    new BucketLifecycleConfiguration(
      `${name}-lifecycle`,
      { ...at, rules: documents.lifecycle.map(lifecycleRule) },
      versioned,
    );
    new BucketServerSideEncryptionConfiguration(
      `${name}-encryption`,
      { ...at, rules: encryptionRules(documents) },
      kept,
    );
    const closed = new BucketPublicAccessBlock(
      `${name}-public-access`,
      { ...at, ...publicAccessBlock(documents) },
      kept,
    );
    const objectOwnership = documents.ownership.Rules?.[0]?.ObjectOwnership ?? "";
    new BucketOwnershipControls(`${name}-ownership`, { ...at, rule: { objectOwnership } }, kept);
    // Side by side S3 refuses one of the two as a conflict.
    new BucketPolicy(
      `${name}-policy`,
      { ...at, policy: JSON.stringify(documents.policy) },
      { ...kept, dependsOn: closed },
    );

    const own = (id: string) => ({ parent: this, ...existing(id) });
    const policyName = "backups";
    const { writer: whoWrites } = documents;
    const writer = whoWrites && new User(whoWrites.name, { name: whoWrites.name }, own(whoWrites.name));
    if (writer) {
      new UserPolicy(
        whoWrites.name,
        { name: policyName, user: writer.name, policy: JSON.stringify(whoWrites.policy) },
        own(`${whoWrites.name}:${policyName}`),
      );
    }
    const reader = new Role(
      documents.reader.name,
      { name: documents.reader.name, assumeRolePolicy: trustInOwnAccount(this) },
      own(documents.reader.name),
    );
    new RolePolicy(
      documents.reader.name,
      { name: policyName, role: reader.name, policy: JSON.stringify(documents.reader.policy) },
      own(`${documents.reader.name}:${policyName}`),
    );
    this.bucket = made.bucket;
    this.writer = writer?.name;
    this.reader = reader.arn;
    this.registerOutputs({ bucket: this.bucket, writer: this.writer, reader: this.reader });
  }
}

/** Whom the account lets assume roles may assume this one. */
function trustInOwnAccount(parent: pulumi.Resource): pulumi.Output<string> {
  return getCallerIdentityOutput({}, { parent }).apply(({ accountId, arn }) => {
    const partition = arn.split(":")[1] ?? "aws";
    const principal = { AWS: `arn:${partition}:iam::${accountId}:root` };
    return JSON.stringify(
      policy({ Sid: "OwnAccount", Effect: "Allow", Principal: principal, Action: ["sts:AssumeRole"] }),
    );
  });
}

// S3's API leaves fields open that Pulumi asks for; ours are set.

function objectLock({ objectLock: { ObjectLockEnabled: objectLockEnabled, Rule: rule } }: BucketDocuments) {
  const { Mode: mode, Days: days } = rule?.DefaultRetention ?? {};
  return { objectLockEnabled, rule: { defaultRetention: { mode, days } } };
}

function lifecycleRule(rule: LifecycleRule): inputs.s3.BucketLifecycleConfigurationRule {
  const { Filter: filter, Expiration: expiration, NoncurrentVersionExpiration: noncurrent } = rule;
  const aborted = rule.AbortIncompleteMultipartUpload;
  return {
    id: rule.ID ?? "",
    status: rule.Status ?? "",
    filter: filter?.And
      ? { and: { prefix: filter.And.Prefix, objectSizeGreaterThan: filter.And.ObjectSizeGreaterThan } }
      : { prefix: filter?.Prefix },
    expiration: expiration && {
      days: expiration.Days,
      expiredObjectDeleteMarker: expiration.ExpiredObjectDeleteMarker,
    },
    noncurrentVersionExpiration: noncurrent && { noncurrentDays: noncurrent.NoncurrentDays ?? 0 },
    transitions: rule.Transitions?.map(({ Days: days, StorageClass: storageClass = "" }) => ({
      days,
      storageClass,
    })),
    abortIncompleteMultipartUpload: aborted && { daysAfterInitiation: aborted.DaysAfterInitiation },
  };
}

function encryptionRules({ encryption }: BucketDocuments) {
  return (encryption.Rules ?? []).map(
    ({ ApplyServerSideEncryptionByDefault: byDefault, BucketKeyEnabled: bucketKeyEnabled }) => ({
      applyServerSideEncryptionByDefault: byDefault && {
        sseAlgorithm: byDefault.SSEAlgorithm ?? "",
        kmsMasterKeyId: byDefault.KMSMasterKeyID,
      },
      bucketKeyEnabled,
    }),
  );
}

function publicAccessBlock({ publicAccessBlock: block }: BucketDocuments) {
  return {
    blockPublicAcls: block.BlockPublicAcls,
    ignorePublicAcls: block.IgnorePublicAcls,
    blockPublicPolicy: block.BlockPublicPolicy,
    restrictPublicBuckets: block.RestrictPublicBuckets,
  };
}
