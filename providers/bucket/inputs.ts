import { isDeepStrictEqual } from "node:util";
import { unknownValue } from "@pulumi/pulumi/runtime/rpc.js";
import { z } from "zod";
import { weakeningNames } from "../../site/schema.ts";
import type { Failure, Properties } from "../../engine/command-provider/command.ts";
import { documentNames, isHeld, type Documents } from "./documents.ts";
import { identityProperties } from "./identity.ts";

const days = z.number().int().positive();
const transitionClass = z.enum([
  "DEEP_ARCHIVE",
  "GLACIER",
  "GLACIER_IR",
  "INTELLIGENT_TIERING",
  "ONEZONE_IA",
  "STANDARD_IA",
]);
const bytes = z.number().int().nonnegative();
const tag = z.strictObject({ Key: z.string(), Value: z.string() });

const rule = z.strictObject({
  ID: z.string().min(1).max(255),
  Status: z.enum(["Enabled", "Disabled"]),
  // Without one the rule would hold for the whole bucket, which `Prefix: ""` says in so many words.
  Filter: z.strictObject({
    Prefix: z.string().optional(),
    Tag: tag.optional(),
    ObjectSizeGreaterThan: bytes.optional(),
    ObjectSizeLessThan: bytes.optional(),
    And: z
      .strictObject({
        Prefix: z.string().optional(),
        Tags: z.array(tag).optional(),
        ObjectSizeGreaterThan: bytes.optional(),
        ObjectSizeLessThan: bytes.optional(),
      })
      .optional(),
  }),
  Expiration: z
    .strictObject({ Days: days.optional(), ExpiredObjectDeleteMarker: z.boolean().optional() })
    .optional(),
  Transitions: z.array(z.strictObject({ Days: days.optional(), StorageClass: transitionClass })).optional(),
  NoncurrentVersionTransitions: z
    .array(
      z.strictObject({
        NoncurrentDays: days,
        NewerNoncurrentVersions: days.optional(),
        StorageClass: transitionClass,
      }),
    )
    .optional(),
  NoncurrentVersionExpiration: z
    .strictObject({ NoncurrentDays: days, NewerNoncurrentVersions: days.optional() })
    .optional(),
  AbortIncompleteMultipartUpload: z.strictObject({ DaysAfterInitiation: days }).optional(),
});

/**
 * What is declared of a bucket. The documents have the shapes of S3's API, and no field of them that is not named here: the SDK leaves
 * out in silence what it does not know. No secret is among them: the credentials are those of the environment.
 */
const schema = z.strictObject({
  endpoint: z
    .string()
    .regex(/^https:\/\/[^/?#@\s]+(\/[^?#\s]*)?$/, "must be https://HOST, without account, ? or #"),
  region: z.string().regex(/^[a-z0-9-]+$/, "must be the name of a region, such as eu-central-1"),
  bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "is no name of a bucket"),
  versioning: z.strictObject({ Status: z.literal("Enabled") }).optional(),
  objectLock: z
    .strictObject({
      ObjectLockEnabled: z.literal("Enabled"),
      Rule: z.strictObject({
        DefaultRetention: z.strictObject({ Mode: z.enum(["GOVERNANCE", "COMPLIANCE"]), Days: days }),
      }),
    })
    .optional(),
  encryption: z
    .strictObject({
      Rules: z
        .array(
          z.strictObject({
            ApplyServerSideEncryptionByDefault: z.strictObject({
              SSEAlgorithm: z.enum(["AES256", "aws:kms", "aws:kms:dsse"]),
              KMSMasterKeyID: z.string().min(1).optional(),
            }),
            BucketKeyEnabled: z.boolean().optional(),
            BlockedEncryptionTypes: z
              .strictObject({ EncryptionType: z.array(z.enum(["NONE", "SSE-C"])) })
              .optional(),
          }),
        )
        .length(1),
    })
    .optional(),
  ownership: z
    .strictObject({
      Rules: z
        .array(
          z.strictObject({
            ObjectOwnership: z.enum(["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"]),
          }),
        )
        .length(1),
    })
    .optional(),
  publicAccessBlock: z
    .strictObject({
      BlockPublicAcls: z.boolean().optional(),
      IgnorePublicAcls: z.boolean().optional(),
      BlockPublicPolicy: z.boolean().optional(),
      RestrictPublicBuckets: z.boolean().optional(),
    })
    .optional(),
  policy: z.looseObject({ Statement: z.array(z.looseObject({})).min(1) }).optional(),
  lifecycle: z.array(rule).min(1).max(1000).optional(),
  accepted: z.array(z.enum(weakeningNames)).optional(),
  onDelete: z.enum(["keep", "delete-when-empty"]).optional(),
});

export type BucketInputs = z.output<typeof schema>;

/**
 * Everything that is wrong with what was declared, each line with its place. What is not known yet passes. No property is named to the
 * engine, which would show its value: a URL with an account in it holds a password.
 */
export function failuresOf(declared: Properties): Failure[] {
  const unknown = Object.keys(declared).filter((name) => hasUnknown(declared[name]));
  const result = schema.safeParse(declared);
  const lines = (result.error?.issues ?? [])
    .filter(({ path }) => !unknown.includes(String(path[0])))
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join(".")}: ${message}`));
  const { objectLock, versioning, lifecycle = [] } = result.data ?? {};
  if (objectLock !== undefined && versioning === undefined)
    lines.push("versioning: is missing, and a lock holds versions of objects");
  const ids = lifecycle.map(({ ID }) => ID);
  for (const id of new Set(ids.filter((each, index) => ids.indexOf(each) !== index)))
    lines.push(`lifecycle: two rules have the ID ${id}`);
  return lines.map((reason) => ({ property: "", reason }));
}

/** The inputs in properties that passed, without what is not an input of them. */
export function inputsIn(properties: Properties): BucketInputs {
  return Object.fromEntries(
    Object.entries(properties).filter(([name, value]) => name in schema.shape && value !== undefined),
  ) as BucketInputs;
}

/** The documents among the inputs. */
export function documentsIn(inputs: BucketInputs): Documents {
  return Object.fromEntries(
    documentNames.flatMap((name) => (inputs[name] === undefined ? [] : [[name, inputs[name]]])),
  );
}

/** Another bucket is a replacement, what means the same is no change, and every other difference is an update. */
export function diff(olds: BucketInputs, news: BucketInputs): { changes: boolean; replaces: string[] } {
  const replaces = identityProperties.filter((name) => olds[name] !== news[name]);
  const documents: Documents[] = [documentsIn(olds), documentsIn(news)];
  const changed = documentNames.some((name) => !isHeld(name, documents[0]?.[name], documents[1]?.[name]));
  const told = [olds, news].map(({ accepted = [], onDelete = "keep" }) => [accepted.toSorted(), onDelete]);
  return { changes: replaces.length > 0 || changed || !isDeepStrictEqual(told[0], told[1]), replaces };
}

function hasUnknown(value: unknown): boolean {
  if (value === unknownValue) return true;
  return typeof value === "object" && value !== null && Object.values(value).some(hasUnknown);
}
