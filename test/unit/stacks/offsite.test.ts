import * as pulumi from "@pulumi/pulumi";
import { expect, test, vi } from "vitest";
import program from "../../../stacks/index.ts";
import { recordingEngine } from "../components/recording-engine.ts";
import { bucket } from "../offsite/declared-site.ts";
import { written } from "../runbook/small-site.ts";
import { siteFolder } from "./site-folder.ts";

const types = [
  "recovery-stack:index:OffsiteBucket",
  "aws:s3/bucket:Bucket",
  "aws:s3/bucketVersioning:BucketVersioning",
  "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
  "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
  "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
  "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
  "aws:s3/bucketPolicy:BucketPolicy",
  "aws:iam/user:User",
  "aws:iam/userPolicy:UserPolicy",
  "aws:iam/role:Role",
  "aws:iam/rolePolicy:RolePolicy",
];
const azure = [
  "recovery-stack:index:OffsiteContainer",
  "azure-native:storage:StorageAccount",
  "azure-native:storage:BlobServiceProperties",
  "azure-native:storage:BlobContainer",
  "azure-native:storage:ManagementPolicy",
  "azure-native:authorization:ManagementLockByScope",
];
const compatible = "recovery:storage:Bucket";
const answers = {
  "aws:index/getCallerIdentity:getCallerIdentity": { accountId: "111122223333", arn: "arn:aws:sts::1:x" },
};
const backedUp = {
  backups: {},
  restorePoints: { recipients: [`age1${"q".repeat(58)}`], identity: "MONITORING" },
  secrets: [...written.secrets, { name: "BUCKET_WRITER", from: "command:false" }],
};

/** Runs the program as `pulumi up` (or preview) of a stack `offsite` would, with the path of site.yaml in its config and nothing else. */
async function up(changes: object, { preview = false, adopt = false } = {}) {
  const engine = await recordingEngine([...types, ...azure, compatible], {
    ...{ stack: "club.offsite", preview, answers, adopting: adopt },
  });
  const said: string[] = [];
  vi.spyOn(console, "log").mockImplementation((line: string) => void said.push(line));
  const folder = siteFolder({ ...backedUp, ...changes });
  pulumi.runtime.setAllConfig({
    "recovery-stack:site": folder.file,
    ...(adopt ? { "recovery-stack:adopt": "true" } : {}),
  });
  try {
    const declared = await program();
    // A preview does not know yet what the cloud will call them.
    const outputs = preview
      ? undefined
      : await new Promise((resolve) => {
          pulumi.output(declared).apply(resolve);
        });
    await engine.settled();
    return { engine, outputs, said: said.join("\n") };
  } finally {
    folder.remove();
  }
}

const stores = [
  { ...bucket, name: "short" },
  { ...bucket, name: "long", bucket: "club-long" },
  { ...bucket, name: "theirs", bucket: "made-by-hand", declared: undefined },
];
const apart = {
  stores,
  backups: Object.fromEntries(
    ["hourly", "daily", "weekly", "monthly"].map((tier) => [
      tier,
      { keep: "60d", stores: [tier === "monthly" ? "long" : "short"] },
    ]),
  ),
};

test("the stack offsite makes the buckets that site.yaml declares, reads no secret, and tells their names", async () => {
  const { engine, outputs } = await up(apart);
  expect(
    engine.declared
      .filter(({ type }) => type === types[1])
      .map(({ name, inputs }) => [name, inputs["bucket"]]),
  ).toEqual([
    ["short", "club-backups"],
    ["long", "club-long"],
  ]);
  expect(engine.declared).toHaveLength(2 * types.length);
  expect(outputs).toMatchObject({
    buckets: {
      short: { bucket: "club-backups", writer: "club-backups-writer" },
      long: { bucket: "club-long", writer: "club-long-writer" },
    },
  });
});

test.each([false, true])(
  "a bucket of a server that is not AWS is one resource of our own provider, with nothing of AWS' classes and identities (adopted: %s)",
  async (adopt) => {
    const endpoint = "https://minio.example.org";
    const declared = { accepted: ["no-public-access-block"] };
    const { engine, outputs } = await up({ stores: [{ ...bucket, endpoint, declared }] }, { adopt });
    expect(engine.declared).toHaveLength(1);
    const [made] = engine.declared;
    expect(made).toMatchObject({
      type: compatible,
      name: "bucket",
      inputs: { endpoint, region: "eu-central-1", bucket: "club-backups", ...declared },
      options: { protect: true, retainOnDelete: true },
    });
    expect(made?.options["import"]).toBe(
      adopt ? "https://minio.example.org/club-backups?region=eu-central-1" : undefined,
    );
    expect(Object.keys(made?.inputs ?? {}).sort()).toEqual(
      [
        ...["accepted", "bucket", "encryption", "endpoint", "lifecycle", "objectLock", "ownership", "policy"],
        ...["publicAccessBlock", "region", "versioning"],
      ].sort(),
    );
    expect(JSON.stringify(made?.inputs["lifecycle"])).not.toContain("Transitions");
    expect(outputs).toMatchObject({ buckets: { bucket: { bucket: "club-backups" } } });
  },
);

test("a container of Azure is declared in an account of its own, and nothing of AWS with it", async () => {
  const container = {
    ...{
      kind: "azure-blob",
      name: "container",
      path: "club",
      reader: "READER",
      writer: "BUCKET_WRITER",
    },
    container: "https://photoclub.blob.core.windows.net/backups",
    declared: { resourceGroup: "club", location: "westeurope" },
  };
  const secrets = [...backedUp.secrets, { name: "READER", from: "command:false" }];
  const { engine, outputs } = await up({ stores: [container], secrets });
  expect(engine.declared.map(({ type }) => type).sort()).toEqual([...azure].sort());
  expect(outputs).toEqual({
    buckets: {},
    containers: { container: { account: "photoclub", container: "backups" } },
  });
});

test("a preview says what stays longer than its tier is kept, and an up says nothing of the sort", async () => {
  const changes = { stores: [bucket], backups: { daily: { keep: "30d" }, monthly: { keep: "30d" } } };
  const { said } = await up(changes, { preview: true });
  expect(said.split("\n")).toEqual([
    expect.stringMatching(
      /bucket keeps hourly backups 30d, and not 2d: as long as its lock, which is one for all. A bucket of their own costs less$/,
    ),
  ]);
  expect((await up(changes)).said).toBe("");
});

test.each([
  [{ stores: written.stores, backups: undefined }, "site.yaml declares no bucket and no container"],
  [
    { stores: [{ ...bucket, path: "club*", declared: { archive: "glacier-flexible" } }] },
    "the stores that site.yaml declares could not keep what it promises\n" +
      "stores.bucket: in a policy *, ? and $ stand for other characters, and its path is club*\n" +
      "stores.bucket: GLACIER gives monthly backups of more than 30d back after up to 5h, and objectives.rto.databaseCorruption is 2h\n" +
      "stores.bucket: GLACIER gives monthly backups of more than 30d back after up to 5h, and objectives.rto.dataDeletion is 4h\n" +
      "change the stores",
  ],
])("a preview refuses all that cannot be, and declares nothing: %#", async (changes, why) => {
  const error: unknown = await up(changes, { preview: true }).catch((reason: unknown) => reason);
  expect(pulumi.RunError.isInstance(error)).toBe(true);
  expect((error as Error).message).toContain(why);
});
