import type { S3Store } from "./bucket-stay.ts";
import { policy, type PolicyDocument } from "./policy-document.ts";

/** Whoever is given a policy, and what it is called: a user of IAM, or a role. */
export interface BucketIdentity {
  name: string;
  policy: PolicyDocument;
}

/** A bucket, as far as a policy is about it. */
interface PolicedBucket {
  bucket: string;
  path: string;
  region: string;
  declared?: { kmsKey?: string | undefined } | undefined;
}

/** The ARN of a bucket, in the partition that its region belongs to. */
function bucketArn({ bucket, region }: PolicedBucket): string {
  const partition = region.startsWith("cn-") ? "aws-cn" : region.startsWith("us-gov-") ? "aws-us-gov" : "aws";
  return `arn:${partition}:s3:::${bucket}`;
}

/**
 * What a bucket refuses to everybody, whatever else somebody may do: to be spoken to in clear, keys that only an intruder has (SSE-C), and to lose
 * what it holds. Its lifecycle rules are not asked.
 */
export function bucketPolicy(store: PolicedBucket): PolicyDocument {
  const arn = bucketArn(store);
  return policy(
    {
      Sid: "OnlyOverTls",
      Effect: "Deny",
      Principal: "*",
      Action: ["s3:*"],
      Resource: [arn, `${arn}/*`],
      Condition: { Bool: { "aws:SecureTransport": "false" } },
    },
    {
      Sid: "NoKeysOfWhoeverWrites",
      Effect: "Deny",
      Principal: "*",
      Action: ["s3:PutObject"],
      Resource: [`${arn}/*`],
      Condition: { Null: { "s3:x-amz-server-side-encryption-customer-algorithm": "false" } },
    },
    {
      Sid: "NobodyDeletes",
      Effect: "Deny",
      Principal: "*",
      Action: ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"],
      Resource: [`${arn}/*`],
    },
  );
}

/** The site's server: puts under its path, reads and lists there, and nothing else. */
export function writerIdentity(store: S3Store): BucketIdentity {
  const arn = bucketArn(store);
  const under = `${store.path}/*`;
  return {
    name: `${store.bucket}-writer`,
    policy: policy(
      {
        Sid: "PutAndRead",
        Effect: "Allow",
        Action: ["s3:PutObject", "s3:GetObject"],
        Resource: [`${arn}/${under}`],
      },
      {
        Sid: "List",
        Effect: "Allow",
        Action: ["s3:ListBucket"],
        Resource: [arn],
        Condition: { StringLike: { "s3:prefix": under } },
      },
      // An upload in parts needs both.
      ...keyStatements(store, ["kms:GenerateDataKey", "kms:Decrypt"]),
    ),
  };
}

/** How a bucket is kept: what `recovery doctor --offsite` compares with what is declared. */
const looks = [
  "s3:GetBucketObjectLockConfiguration",
  "s3:GetBucketOwnershipControls",
  "s3:GetBucketPolicy",
  "s3:GetBucketPublicAccessBlock",
  "s3:GetBucketVersioning",
  "s3:GetEncryptionConfiguration",
  "s3:GetLifecycleConfiguration",
];

/** The operator: reads all, what was put over too, and how the bucket is kept, and puts nothing. */
export function readerIdentity(store: S3Store): BucketIdentity {
  const arn = bucketArn(store);
  return {
    name: `${store.bucket}-reader`,
    policy: policy(
      {
        Sid: "List",
        Effect: "Allow",
        Action: ["s3:ListBucket", "s3:ListBucketVersions"],
        Resource: [arn],
      },
      { Sid: "Look", Effect: "Allow", Action: looks, Resource: [arn] },
      {
        Sid: "Read",
        Effect: "Allow",
        Action: [
          ...["s3:GetObject", "s3:GetObjectVersion"],
          ...(store.declared?.archive === "glacier-flexible" ? ["s3:RestoreObject"] : []),
        ],
        Resource: [`${arn}/*`],
      },
      ...keyStatements(store, ["kms:Decrypt"]),
    ),
  };
}

/** Whoever verifies and recovers: puts verdicts and records, and reads all of them. */
export function evidenceIdentity(evidence: PolicedBucket): BucketIdentity {
  const arn = bucketArn(evidence);
  return {
    name: `${evidence.bucket}-operator`,
    policy: policy(
      { Sid: "List", Effect: "Allow", Action: ["s3:ListBucket", "s3:ListBucketVersions"], Resource: [arn] },
      {
        Sid: "Read",
        Effect: "Allow",
        Action: ["s3:GetObject", "s3:GetObjectVersion"],
        Resource: [`${arn}/*`],
      },
      { Sid: "Put", Effect: "Allow", Action: ["s3:PutObject"], Resource: [`${arn}/${evidence.path}/*`] },
      ...keyStatements(evidence, ["kms:GenerateDataKey", "kms:Decrypt"]),
    ),
  };
}

function keyStatements({ declared }: PolicedBucket, actions: string[]): PolicyDocument["Statement"] {
  const key = declared?.kmsKey;
  return key === undefined ? [] : [{ Sid: "UseKey", Effect: "Allow", Action: actions, Resource: [key] }];
}
