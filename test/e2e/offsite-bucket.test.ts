import {
  CreateBucketCommand,
  DeleteBucketPolicyCommand,
  DeleteObjectCommand,
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketOwnershipControlsCommand,
  GetBucketPolicyCommand,
  GetBucketVersioningCommand,
  GetObjectLockConfigurationCommand,
  GetPublicAccessBlockCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutBucketEncryptionCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketOwnershipControlsCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectLockConfigurationCommand,
  PutPublicAccessBlockCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { execa } from "execa";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findEngine } from "../../engine/find.ts";
import { openStack } from "../../engine/stack.ts";
import { ensureDebianPackages } from "../../machines/debian-packages.ts";
import { brokenPromises } from "../../offsite/broken-promises.ts";
import { bucketDocuments } from "../../offsite/bucket-documents.ts";
import { backupSettings } from "../../runbook/protection.ts";
import program from "../../stacks/index.ts";
import { bucket, declaredSite } from "../unit/offsite/declared-site.ts";
import { replacement } from "../unit/servers/replacement.ts";
import { siteFolder } from "../unit/stacks/site-folder.ts";
import { protectedServer } from "../unit/host/protected-server.ts";
import { startOpenS3 } from "./object-servers.ts";
import { say } from "./recovery-host.ts";

const { site, store } = declaredSite({ declared: { archive: "glacier-instant" } });
const documents = bucketDocuments(site, store);
const Bucket = documents.bucket;

let server: Awaited<ReturnType<typeof startOpenS3>>;
let s3: S3Client;

beforeAll(async () => {
  await ensureDebianPackages(
    ["rclone", "jq"].map((name) => ({ command: name, package: name })),
    say,
  );
  server = await startOpenS3();
  s3 = new S3Client({
    endpoint: server.endpoint,
    region: documents.region,
    forcePathStyle: true,
    credentials: { accessKeyId: "anybody", secretAccessKey: "anything" },
  });
  await s3.send(
    new CreateBucketCommand({
      Bucket,
      ObjectLockEnabledForBucket: true,
      CreateBucketConfiguration: { LocationConstraint: "eu-central-1" },
    }),
  );
});
afterAll(async () => {
  s3.destroy();
  await server.close();
});

test("a server of S3 takes the documents of a bucket, and gives them back as they are", async () => {
  const { versioning, objectLock, lifecycle, encryption, publicAccessBlock, ownership, policy } = documents;
  await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: versioning }));
  await s3.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration: objectLock }));
  await s3.send(
    new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules: lifecycle } }),
  );
  await s3.send(new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration: encryption }));
  await s3.send(
    new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration: publicAccessBlock }),
  );
  await s3.send(new PutBucketOwnershipControlsCommand({ Bucket, OwnershipControls: ownership }));
  await s3.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify(policy) }));

  const read = {
    versioning: (await s3.send(new GetBucketVersioningCommand({ Bucket }))).Status,
    objectLock: (await s3.send(new GetObjectLockConfigurationCommand({ Bucket }))).ObjectLockConfiguration,
    lifecycle: (await s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))).Rules,
    encryption: (await s3.send(new GetBucketEncryptionCommand({ Bucket }))).ServerSideEncryptionConfiguration,
    publicAccessBlock: (await s3.send(new GetPublicAccessBlockCommand({ Bucket })))
      .PublicAccessBlockConfiguration,
    ownership: (await s3.send(new GetBucketOwnershipControlsCommand({ Bucket }))).OwnershipControls,
    policy: JSON.parse((await s3.send(new GetBucketPolicyCommand({ Bucket }))).Policy ?? "") as unknown,
  };
  // moto knows no conditions: it would refuse everything.
  await s3.send(new DeleteBucketPolicyCommand({ Bucket }));
  expect(read).toEqual({
    versioning: versioning.Status,
    // moto knows years, and no sizes of what a rule is for.
    objectLock: {
      ...objectLock,
      Rule: { DefaultRetention: { ...objectLock.Rule?.DefaultRetention, Years: 0 } },
    },
    lifecycle: lifecycle.map(({ Filter, ...rule }) => ({
      ...rule,
      Filter: Filter?.And ? { And: { Prefix: Filter.And.Prefix } } : Filter,
    })),
    ...{ encryption, publicAccessBlock, ownership, policy },
  });
  const living = { objectLock: read.objectLock ?? {}, lifecycle: read.lifecycle ?? [] };
  expect(brokenPromises(site, store, living)).toEqual([]);
});

test("what a protected server sends there is locked as it arrives, and full backups are of infrequent access but for their lists", async () => {
  const settings = backupSettings(site, site.backups ?? never());
  const [own] = Object.values(settings["stores"] as Record<string, object>);
  const folder = await mkdtemp(join(tmpdir(), "offsite-bucket-"));
  const protectedHost = protectedServer({
    // AWS itself is not asked.
    "site-backup/settings.json": JSON.stringify({
      stores: { bucket: { ...own, endpoint: server.endpoint } },
    }),
    "site-backup/secrets/BUCKET_WRITER": "anything\n",
  });
  const files = {
    "config.tar.zst": Buffer.alloc(128 * 1024 - 1, "c"),
    "uploads-1.tar.zst": Buffer.alloc(128 * 1024, "u"),
    "MANIFEST.json.sig": Buffer.alloc(200 * 1024, "s"),
  };
  const members = Object.entries(files)
    .filter(([name]) => !name.startsWith("MANIFEST"))
    .map(([name, bytes]) => ({
      name,
      bytes: bytes.length,
      sha256: createHash("sha256").update(bytes).digest("hex"),
    }));
  const points = ["hourly/20260301T010000Z", "weekly/20260301T020000Z"];
  try {
    for (const point of points) {
      const at = join(folder, point);
      await mkdir(at, { recursive: true });
      await writeFile(join(at, "MANIFEST.json"), JSON.stringify({ members }));
      for (const [name, bytes] of Object.entries(files)) await writeFile(join(at, name), bytes);
      const send = fileURLToPath(new URL("../../host/resident/send", import.meta.url));
      // rclone 1.60 ends when it is told of authorities so.
      const env = { AWS_CA_BUNDLE: undefined };
      await execa({ env })`${[...protectedHost.as, "bash", send, "bucket", folder, point]}`;
    }
  } finally {
    protectedHost.remove();
    await rm(folder, { recursive: true });
  }

  const { Versions: versions = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket }));
  expect(Object.fromEntries(versions.map(({ Key, StorageClass }) => [Key, StorageClass]))).toEqual({
    "club/hourly/20260301T010000Z/MANIFEST.json": "STANDARD",
    "club/hourly/20260301T010000Z/MANIFEST.json.sig": "STANDARD",
    "club/hourly/20260301T010000Z/config.tar.zst": "STANDARD",
    "club/hourly/20260301T010000Z/uploads-1.tar.zst": "STANDARD",
    "club/weekly/20260301T020000Z/MANIFEST.json": "STANDARD",
    "club/weekly/20260301T020000Z/MANIFEST.json.sig": "STANDARD",
    "club/weekly/20260301T020000Z/config.tar.zst": "STANDARD",
    "club/weekly/20260301T020000Z/uploads-1.tar.zst": "STANDARD_IA",
  });
  for (const { Key, VersionId, LastModified } of versions) {
    const { ObjectLockMode, ObjectLockRetainUntilDate } = await s3.send(
      new HeadObjectCommand({ Bucket, Key, VersionId }),
    );
    expect(ObjectLockMode).toBe("GOVERNANCE");
    const lockedDays = (Number(ObjectLockRetainUntilDate) - Number(LastModified)) / 86_400_000;
    expect(Math.round(lockedDays)).toBe(365);
    await expect(s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId }))).rejects.toThrow(
      /AccessDenied|Access Denied/,
    );
  }
});

describe("a preview with the real engine", { timeout: 600_000 }, () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "offsite-stack-"));
  });
  afterAll(async () => {
    await rm(directory, { recursive: true });
  });

  const written = (of: object) => ({
    stores: [{ ...bucket, ...of }],
    secrets: ["MONITORING", "BUCKET_WRITER"].map((name) => ({ name, from: "command:false" })),
  });
  async function preview(changes: Record<string, unknown>, role = "offsite"): Promise<unknown> {
    const engine = (await findEngine({ allowBuild: true, say })) ?? never();
    const folder = siteFolder({
      backups: {},
      restorePoints: { recipients: [`age1${"q".repeat(58)}`], identity: "MONITORING" },
      ...changes,
    });
    try {
      const stack = await openStack({
        engine,
        plugin: { from: "ours", environment: { PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true" } },
        stackName: `club.${role}`,
        directory,
        program: async () => ({ ...(await program()) }),
        config: { site: folder.file },
        say,
      });
      return await stack.preview().then(
        () => undefined,
        (reason: unknown) => reason,
      );
    } finally {
      folder.remove();
    }
  }

  test("refuses a bucket that could not keep what is promised, before it asks for anything of the cloud", async () => {
    const impossible = written({ declared: { archive: "glacier-flexible" }, path: "club*" });
    expect(String(await preview(impossible))).toContain(
      "the stores that site.yaml declares could not keep what it promises\n" +
        "stores.bucket: in a policy *, ? and $ stand for other characters, and its path is club*\n" +
        "stores.bucket: GLACIER gives monthly backups of more than 30d back after up to 5h, and objectives.rto.databaseCorruption is 2h\n" +
        "stores.bucket: GLACIER gives monthly backups of more than 30d back after up to 5h, and objectives.rto.dataDeletion is 4h\n",
    );
  });

  test("refuses a server that could not take the lost one's place, and a container that is none of Azure's", async () => {
    const smaller = { ...replacement, zone: "eu-west-1a", image: { ...replacement.image, release: "13" } };
    expect(String(await preview({ ...written({}), replacement: smaller }, "server"))).toContain(
      "the server that site.yaml describes could not take the lost one's place\n" +
        "replacement: eu-west-1a is no zone of eu-central-1\n" +
        "replacement: its image is of Debian 13, and server.release is 12\n",
    );
    const elsewhere = { ...container, container: "https://club.example.org/backups" };
    expect(String(await preview(withContainer(elsewhere)))).toContain(
      "stores.container: an account and a container are made of a URL such as",
    );
  });

  const container = {
    ...{ kind: "azure-blob", name: "container", path: "club", reader: "READER", writer: "BUCKET_WRITER" },
    container: "https://photoclub.blob.core.windows.net/backups",
    declared: { resourceGroup: "club", location: "westeurope" },
  };
  const withContainer = (store: object) => {
    const { secrets } = written({});
    return { stores: [store], secrets: [...secrets, { name: "READER", from: "command:false" }] };
  };

  test.each<[string, string, string, Record<string, unknown>]>([
    ["a bucket", "offsite", "aws", written({})],
    ["a container", "offsite", "azure-native", withContainer(container)],
    ["a server", "server", "aws", { ...written({}), replacement }],
  ])(
    "of %s that can be wants the vendor's plugin, of the version that package.json pins",
    async (_, role, plugin, changes) => {
      const pinned = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8")) as {
        dependencies: Record<string, string>;
      };
      expect(String(await preview(changes, role))).toContain(
        `no resource plugin 'pulumi-resource-${plugin}' found in the workspace at version v${pinned.dependencies[`@pulumi/${plugin}`] ?? never()}`,
      );
    },
  );
});

function never(): never {
  throw new Error("there is none");
}
