import { runSimulation } from "@cloud-copilot/iam-simulate";
import { describe, expect, test } from "vitest";
import {
  bucketDocuments,
  type BucketDocuments,
  evidenceDocuments,
} from "../../../offsite/bucket-documents.ts";
import type { PolicyDocument } from "../../../offsite/policy-document.ts";
import { declaredSite, siteWith } from "./declared-site.ts";

const account = "111122223333";
const kmsKey = `arn:aws:kms:eu-central-1:${account}:key/0a1b`;
const bucket = "arn:aws:s3:::club-backups";
const object = `${bucket}/club/daily/20260301T020000Z/MANIFEST.json`;
const administrator: PolicyDocument = {
  Version: "2012-10-17",
  Statement: [{ Sid: "All", Effect: "Allow", Action: ["*"], Resource: ["*"] }],
};

function documentsOf(declared: object = {}) {
  const { site, store } = declaredSite({ declared });
  return bucketDocuments(site, store);
}
const documents = documentsOf();

/** What IAM would say to a request of somebody who has this policy, of the bucket that has ours. */
async function asked(
  identity: PolicyDocument,
  action: string,
  resource: string,
  contextVariables: Record<string, string> = {},
  of: Pick<BucketDocuments, "policy"> = documents,
): Promise<string> {
  const answer = await runSimulation(
    {
      request: {
        principal: `arn:aws:iam::${account}:user/somebody`,
        action,
        resource: { resource, accountId: account },
        contextVariables: { "aws:SecureTransport": "true", ...contextVariables },
      },
      identityPolicies: [{ name: "its", policy: identity }],
      serviceControlPolicies: [],
      resourceControlPolicies: [],
      ...(action.startsWith("kms:") ? { resourcePolicy: keyPolicy } : { resourcePolicy: of.policy }),
    },
    { simulationMode: "Strict" },
  );
  if (answer.resultType === "error") throw new Error(JSON.stringify(answer.errors));
  return answer.overallResult;
}
/** As AWS makes it for a new key: the account's own policies decide. */
const keyPolicy = {
  Version: "2012-10-17",
  Statement: [
    { Effect: "Allow", Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: "kms:*", Resource: "*" },
  ],
};

type Request = [action: string, resource: string, context?: Record<string, string>];
const mayNot: Request[] = [
  ["s3:DeleteObject", object],
  ["s3:DeleteObjectVersion", object],
  ["s3:BypassGovernanceRetention", object],
  ["s3:PutObjectRetention", object],
  ["s3:PutObjectLegalHold", object],
  ["s3:PutObjectAcl", object],
  ["s3:PutObjectTagging", object],
  ["s3:PutBucketPolicy", bucket],
  ["s3:DeleteBucketPolicy", bucket],
  ["s3:PutLifecycleConfiguration", bucket],
  ["s3:PutBucketVersioning", bucket],
  ["s3:PutBucketObjectLockConfiguration", bucket],
  ["s3:PutEncryptionConfiguration", bucket],
  ["s3:PutBucketPublicAccessBlock", bucket],
  ["s3:DeleteBucket", bucket],
  ["s3:GetObject", "arn:aws:s3:::another/club/daily/x"],
];

describe("the site's server", () => {
  const { policy } = documents.writer;

  test.each<Request>([
    ["s3:PutObject", object],
    ["s3:GetObject", object],
    ["s3:ListBucket", bucket, { "s3:prefix": "club/daily/" }],
    ["s3:ListBucket", bucket, { "s3:prefix": "club/" }],
  ])("may %s of %s %j", async (action, resource, context = {}) => {
    expect(await asked(policy, action, resource, context)).toBe("Allowed");
  });

  test.each<Request>([
    ...mayNot,
    ["s3:PutObject", `${bucket}/club2/daily/x`],
    ["s3:PutObject", `${bucket}/club`],
    ["s3:GetObject", `${bucket}/other/x`],
    ["s3:GetObjectVersion", object],
    ["s3:RestoreObject", object],
    ["s3:ListBucketVersions", bucket, { "s3:prefix": "club/" }],
    ["s3:ListBucket", bucket, { "s3:prefix": "other/" }],
    ["s3:ListBucket", bucket, { "s3:prefix": "" }],
    ["s3:ListBucket", bucket],
  ])("may not %s of %s %j", async (action, resource, context = {}) => {
    expect(await asked(policy, action, resource, context)).not.toBe("Allowed");
  });
});

describe("the operator", () => {
  const { policy } = documents.reader;

  test.each([
    ["s3:GetObject", object],
    ["s3:GetObjectVersion", object],
    ["s3:GetObject", `${bucket}/other/x`],
    ["s3:ListBucket", bucket],
    ["s3:ListBucketVersions", bucket],
  ])("may %s of %s", async (action, resource) => {
    expect(await asked(policy, action, resource)).toBe("Allowed");
  });

  test.each<Request>([...mayNot, ["s3:PutObject", object], ["s3:RestoreObject", object]])(
    "may not %s of %s",
    async (action, resource) => {
      expect(await asked(policy, action, resource)).not.toBe("Allowed");
    },
  );

  test("may have a backup thawed where some are frozen, and write nothing there either", async () => {
    const { reader } = documentsOf({ archive: "glacier-flexible" });
    expect(await asked(reader.policy, "s3:RestoreObject", object)).toBe("Allowed");
    expect(await asked(reader.policy, "s3:PutObject", object)).not.toBe("Allowed");
  });
});

describe("the operator, in the bucket of verdicts and records,", () => {
  const evidence = { bucket: "club-evidence", path: "club", region: "eu-central-1", declared: { kmsKey } };
  const made = evidenceDocuments(siteWith({ evidence }));
  if (!made) throw new Error("none is declared");
  const verdict = "arn:aws:s3:::club-evidence/club/verdicts/disk/daily/x/readable-1.json";
  const may = (action: string, resource: string) => asked(made.reader.policy, action, resource, {}, made);

  test.each([
    ["s3:PutObject", verdict],
    ["s3:GetObject", verdict],
    ["s3:GetObjectVersion", verdict],
    ["s3:ListBucket", "arn:aws:s3:::club-evidence"],
    ["kms:GenerateDataKey", kmsKey],
  ])("may %s of %s", async (action, resource) => {
    expect(await may(action, resource)).toBe("Allowed");
  });

  test.each([
    ...mayNot.map(([action, resource]): [string, string] => [
      action,
      resource.replace("club-backups", "club-evidence"),
    ]),
    ["s3:PutObject", "arn:aws:s3:::club-evidence/other/x"],
    ["s3:PutObject", object],
    ["s3:GetObject", object],
  ])("may not %s of %s", async (action, resource) => {
    expect(await may(action, resource)).not.toBe("Allowed");
  });

  test("who administers the account deletes nothing there either", async () => {
    expect(await asked(administrator, "s3:DeleteObjectVersion", verdict, {}, made)).toBe("ExplicitlyDenied");
  });
});

describe("nobody, whatever else they may do,", () => {
  test.each<Request>([
    ["s3:DeleteObject", object],
    ["s3:DeleteObjectVersion", object],
    ["s3:BypassGovernanceRetention", object],
    ["s3:GetObject", object, { "aws:SecureTransport": "false" }],
    ["s3:PutObject", object, { "aws:SecureTransport": "false" }],
    ["s3:ListBucket", bucket, { "aws:SecureTransport": "false" }],
    ["s3:PutObject", object, { "s3:x-amz-server-side-encryption-customer-algorithm": "AES256" }],
  ])("may %s of %s %j", async (action, resource, context = {}) => {
    expect(await asked(administrator, action, resource, context)).toBe("ExplicitlyDenied");
  });

  test("is kept from putting and reading by that, and from changing what holds the bucket", async () => {
    expect(await asked(administrator, "s3:PutObject", object)).toBe("Allowed");
    expect(await asked(administrator, "s3:GetObject", object)).toBe("Allowed");
    expect(await asked(administrator, "s3:PutBucketPolicy", bucket)).toBe("Allowed");
  });
});

test("with a key of KMS both may use that key as they need it, and no other", async () => {
  const { writer, reader } = documentsOf({ kmsKey });
  expect(await asked(writer.policy, "kms:GenerateDataKey", kmsKey)).toBe("Allowed");
  expect(await asked(writer.policy, "kms:Decrypt", kmsKey)).toBe("Allowed");
  expect(await asked(reader.policy, "kms:Decrypt", kmsKey)).toBe("Allowed");
  expect(await asked(reader.policy, "kms:GenerateDataKey", kmsKey)).not.toBe("Allowed");
  for (const { policy } of [writer, reader]) {
    expect(await asked(policy, "kms:Decrypt", `${kmsKey}2`)).not.toBe("Allowed");
    expect(await asked(policy, "kms:ScheduleKeyDeletion", kmsKey)).not.toBe("Allowed");
  }
});

test("a bucket of China or of the US government is named in its own partition", () => {
  for (const [region, partition] of [
    ["cn-north-1", "aws-cn"],
    ["us-gov-west-1", "aws-us-gov"],
  ]) {
    const { site, store } = declaredSite({ region });
    const { writer, policy } = bucketDocuments(site, store);
    const resources = [...writer.policy.Statement, ...policy.Statement].flatMap(({ Resource }) => Resource);
    expect(resources.filter((arn) => !arn?.startsWith(`arn:${partition}:s3:::club-backups`))).toEqual([]);
  }
});
