import * as pulumi from "@pulumi/pulumi";
import { expect, test } from "vitest";
import { OffsiteBucket } from "../../../components/offsite-bucket.ts";
import { bucketDocuments, evidenceDocuments } from "../../../offsite/bucket-documents.ts";
import { declaredSite, siteWith } from "../offsite/declared-site.ts";
import { recordingEngine } from "./recording-engine.ts";

const component = "recovery-stack:index:OffsiteBucket";
const types = {
  bucket: "aws:s3/bucket:Bucket",
  versioning: "aws:s3/bucketVersioning:BucketVersioning",
  lock: "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
  lifecycle: "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
  encryption: "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
  publicAccess: "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
  ownership: "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
  policy: "aws:s3/bucketPolicy:BucketPolicy",
  user: "aws:iam/user:User",
  userPolicy: "aws:iam/userPolicy:UserPolicy",
  role: "aws:iam/role:Role",
  rolePolicy: "aws:iam/rolePolicy:RolePolicy",
};
const answers = {
  "aws:index/getCallerIdentity:getCallerIdentity": {
    accountId: "111122223333",
    arn: "arn:aws:iam::111122223333:user/owner",
  },
};

async function declare(store: object = {}, changes: object = {}, adopt = false) {
  const engine = await recordingEngine([component, ...Object.values(types)], { answers, adopting: adopt });
  const made = declaredSite(store, changes);
  const documents = bucketDocuments(made.site, made.store);
  const declared = new OffsiteBucket("bucket", documents, { adopt });
  const { bucket, writer, reader } = declared;
  const told = await new Promise((resolve) => {
    pulumi.output({ bucket, writer, reader }).apply(resolve);
  });
  await engine.settled();
  return { engine, documents, told };
}

test("a bucket for all tiers is declared as exactly these resources", async () => {
  const { engine, documents, told } = await declare();
  const at = { bucket: "club-backups", region: "eu-central-1" };
  const kept = { parent: "bucket", protect: true, retainOnDelete: true };
  const removes = (id: string) => ({
    id,
    status: "Enabled",
    filter: { prefix: `club/${id}/` },
    expiration: { days: 365 },
    noncurrentVersionExpiration: { noncurrentDays: 1 },
  });
  // The vendor's SDK knows what each was called before.
  const declared = engine.declared.map(({ options, ...rest }) => ({
    ...rest,
    options: Object.fromEntries(Object.entries(options).filter(([option]) => option !== "aliases")),
  }));
  const own = { parent: "bucket" };
  const [writer, reader] = ["club-backups-writer", "club-backups-reader"];
  const expected = [
    { type: component, name: "bucket", inputs: {}, options: {} },
    { type: types.bucket, name: "bucket", inputs: { ...at, objectLockEnabled: true }, options: kept },
    {
      type: types.versioning,
      name: "bucket-versioning",
      inputs: { ...at, versioningConfiguration: { status: "Enabled" } },
      options: { ...kept, dependsOn: ["bucket"] },
    },
    {
      type: types.lock,
      name: "bucket-lock",
      inputs: {
        ...at,
        objectLockEnabled: "Enabled",
        rule: { defaultRetention: { mode: "GOVERNANCE", days: 365 } },
      },
      options: { ...kept, dependsOn: ["bucket", "bucket-versioning"], additionalSecretOutputs: ["token"] },
    },
    {
      type: types.lifecycle,
      name: "bucket-lifecycle",
      inputs: {
        ...at,
        rules: [
          ...["hourly", "daily", "weekly", "monthly"].map(removes),
          {
            id: "monthly-archive",
            status: "Enabled",
            filter: { and: { prefix: "club/monthly/", objectSizeGreaterThan: 131_072 } },
            transitions: [{ days: 30, storageClass: "GLACIER_IR" }],
          },
          {
            id: "remains",
            status: "Enabled",
            filter: { prefix: "" },
            expiration: { expiredObjectDeleteMarker: true },
            abortIncompleteMultipartUpload: { daysAfterInitiation: 1 },
          },
        ],
      },
      options: { ...kept, dependsOn: ["bucket", "bucket-versioning"] },
    },
    {
      type: types.encryption,
      name: "bucket-encryption",
      inputs: {
        ...at,
        rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" }, bucketKeyEnabled: false }],
      },
      options: { ...kept, dependsOn: ["bucket"] },
    },
    {
      type: types.publicAccess,
      name: "bucket-public-access",
      inputs: {
        ...at,
        blockPublicAcls: true,
        ignorePublicAcls: true,
        blockPublicPolicy: true,
        restrictPublicBuckets: true,
      },
      options: { ...kept, dependsOn: ["bucket"] },
    },
    {
      type: types.ownership,
      name: "bucket-ownership",
      inputs: { ...at, rule: { objectOwnership: "BucketOwnerEnforced" } },
      options: { ...kept, dependsOn: ["bucket"] },
    },
    {
      type: types.policy,
      name: "bucket-policy",
      inputs: { ...at, policy: JSON.stringify(documents.policy) },
      options: { ...kept, dependsOn: ["bucket", "bucket-public-access"] },
    },
    { type: types.user, name: writer, inputs: { name: writer }, options: own },
    {
      type: types.userPolicy,
      name: writer,
      inputs: { name: "backups", user: writer, policy: JSON.stringify(documents.writer.policy) },
      options: { ...own, dependsOn: [writer] },
    },
    {
      type: types.role,
      name: reader,
      inputs: {
        name: reader,
        assumeRolePolicy: JSON.stringify({
          Version: "2012-10-17",
          Statement: [
            {
              Sid: "OwnAccount",
              Effect: "Allow",
              Principal: { AWS: "arn:aws:iam::111122223333:root" },
              Action: ["sts:AssumeRole"],
            },
          ],
        }),
      },
      options: own,
    },
    {
      type: types.rolePolicy,
      name: reader,
      inputs: { name: "backups", role: reader, policy: JSON.stringify(documents.reader.policy) },
      options: { ...own, dependsOn: [reader] },
    },
  ];
  const ordered = (list: typeof expected) =>
    list.toSorted((one, other) => one.type.localeCompare(other.type));
  expect(ordered(declared as typeof expected)).toEqual(ordered(expected));
  expect(told).toMatchObject({ bucket: "club-backups", writer });
});

test("what site.yaml chooses reaches the cloud: the lock, the key and the archive", async () => {
  const kmsKey = "arn:aws:kms:eu-central-1:111122223333:key/0a1b";
  const { engine } = await declare({ declared: { lock: "compliance", archive: "glacier-flexible", kmsKey } });
  const inputsOf = (type: string) => engine.declared.find((one) => one.type === type)?.inputs;
  expect(inputsOf(types.lock)).toMatchObject({ rule: { defaultRetention: { mode: "COMPLIANCE" } } });
  expect(inputsOf(types.encryption)?.["rules"]).toEqual([
    {
      applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms", kmsMasterKeyId: kmsKey },
      bucketKeyEnabled: true,
    },
  ]);
  expect(inputsOf(types.lifecycle)?.["rules"]).toContainEqual({
    id: "monthly-archive",
    status: "Enabled",
    filter: { and: { prefix: "club/monthly/", objectSizeGreaterThan: 1024 ** 2 } },
    transitions: [{ days: 30, storageClass: "GLACIER" }],
  });
});

test("nothing that holds backups can be emptied, and no access key is made", async () => {
  const { engine } = await declare();
  const all = JSON.stringify(engine.declared);
  expect(all).not.toMatch(/forceDestroy|AccessKey/);
});

test("the bucket of verdicts and records has one role, and no user", async () => {
  const engine = await recordingEngine([component, ...Object.values(types)], { answers });
  const evidence = { bucket: "club-evidence", path: "club", region: "eu-central-1", declared: {} };
  const made = evidenceDocuments(siteWith({ evidence }));
  if (!made) throw new Error("none is declared");
  const { writer } = new OffsiteBucket("evidence", made);
  await engine.settled();
  expect(writer).toBeUndefined();
  const declared = engine.declared.map(({ type }) => type);
  expect(declared).not.toContain(types.user);
  expect(declared).not.toContain(types.userPolicy);
  expect(engine.declared.find(({ type }) => type === types.rolePolicy)?.inputs).toMatchObject({
    role: "club-evidence-operator",
    policy: JSON.stringify(made.reader.policy),
  });
});

test("what is there already is taken up by the names that AWS has for it, and nothing is made", async () => {
  const { engine } = await declare({}, {}, true);
  const [writer, reader] = ["club-backups-writer", "club-backups-reader"];
  const imported = engine.declared
    .filter(({ type }) => type !== component)
    .map(({ type, options }) => [type, options["import"]]);
  const names: Record<string, string> = {
    ...{ [types.user]: writer, [types.userPolicy]: `${writer}:backups` },
    ...{ [types.role]: reader, [types.rolePolicy]: `${reader}:backups` },
  };
  expect(new Map(imported as [string, unknown][])).toEqual(
    new Map(Object.values(types).map((type) => [type, names[type] ?? "club-backups"])),
  );
});
