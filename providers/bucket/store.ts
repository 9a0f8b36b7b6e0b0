import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Agent } from "node:https";
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteBucketLifecycleCommand,
  DeleteBucketPolicyCommand,
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketOwnershipControlsCommand,
  GetBucketPolicyCommand,
  GetBucketVersioningCommand,
  GetObjectLockConfigurationCommand,
  GetPublicAccessBlockCommand,
  HeadBucketCommand,
  ListObjectVersionsCommand,
  ListObjectsV2Command,
  PutBucketEncryptionCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketOwnershipControlsCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectLockConfigurationCommand,
  PutPublicAccessBlockCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import type { Document, DocumentName, Documents } from "./documents.ts";
import type { BucketIdentity } from "./identity.ts";
import { isAbsent, statusOf } from "./store-failure.ts";

/** One bucket of a server that speaks S3. Every request is bounded in time; what fails throws the SDK's error, its secrets masked. */
export interface Store {
  /** `none`: no bucket of that name; `foreign`: somebody else's, or one that these credentials may not see. */
  look(): Promise<"there" | "none" | "foreign">;
  create(options: { objectLock: boolean }): Promise<void>;
  read(name: DocumentName): Promise<Document | undefined>;
  put(name: DocumentName, document: Document): Promise<void>;
  /** Takes away a document; only of those that do harm where nobody declared them. */
  remove(name: "policy" | "lifecycle"): Promise<void>;
  /** Whether it has an object, or a version of one. */
  isEmpty(): Promise<boolean>;
  /** Fails for one that holds something: S3 deletes no such bucket. */
  delete(): Promise<void>;
  close(): void;
}

const connectSeconds = 10;
const requestSeconds = 15;
/** With all of its attempts. */
const operationSeconds = 60;

/** Where a bucket is: at AWS, where there is no endpoint. */
type Place = Pick<BucketIdentity, "region"> & { endpoint?: string | undefined };

/** A client whose every request is bounded in time. Credentials are taken as AWS' own programs take them, when they are first needed, or given. */
export async function s3Client(
  { endpoint, region }: Place,
  credentials?: { accessKeyId: string; secretAccessKey: string },
): Promise<S3Client> {
  const client = new S3Client({
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials ? { credentials } : {}),
    region,
    // A server of one's own has no name and no certificate for each bucket.
    forcePathStyle: true,
    maxAttempts: 3,
    requestHandler: {
      connectionTimeout: connectSeconds * 1000,
      requestTimeout: requestSeconds * 1000,
      throwOnRequestTimeout: true,
      httpsAgent: new Agent({ keepAlive: true, ...(await authorities()) }),
    },
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
  digestAsMd5(client);
  return client;
}

/** Credentials as of s3Client. */
export async function openStore(
  { bucket: Bucket, ...place }: Place & Pick<BucketIdentity, "bucket">,
  cancelled: AbortSignal,
  credentials?: { accessKeyId: string; secretAccessKey: string },
): Promise<Store> {
  const { region } = place;
  const client = await s3Client(place, credentials);
  const options = () => ({
    abortSignal: AbortSignal.any([cancelled, AbortSignal.timeout(operationSeconds * 1000)]),
  });
  const masked = async <Result>(request: Promise<Result>): Promise<Result> => {
    try {
      return await request;
    } catch (error) {
      throw await withoutSecrets(client, error);
    }
  };

  const readers: { [Name in DocumentName]: () => Promise<Documents[Name]> } = {
    versioning: async () => {
      const { Status } = await client.send(new GetBucketVersioningCommand({ Bucket }), options());
      return Status === undefined ? undefined : { Status };
    },
    objectLock: async () =>
      (await client.send(new GetObjectLockConfigurationCommand({ Bucket }), options()))
        .ObjectLockConfiguration,
    encryption: async () =>
      (await client.send(new GetBucketEncryptionCommand({ Bucket }), options()))
        .ServerSideEncryptionConfiguration,
    ownership: async () =>
      (await client.send(new GetBucketOwnershipControlsCommand({ Bucket }), options())).OwnershipControls,
    publicAccessBlock: async () =>
      (await client.send(new GetPublicAccessBlockCommand({ Bucket }), options()))
        .PublicAccessBlockConfiguration,
    policy: async () => {
      const { Policy } = await client.send(new GetBucketPolicyCommand({ Bucket }), options());
      return Policy === undefined ? undefined : policyIn(Policy);
    },
    lifecycle: async () =>
      (await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket }), options())).Rules,
  };

  const writers: { [Name in DocumentName]: (document: NonNullable<Documents[Name]>) => Promise<unknown> } = {
    versioning: (VersioningConfiguration) =>
      client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }), options()),
    objectLock: (ObjectLockConfiguration) =>
      client.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration }), options()),
    encryption: (ServerSideEncryptionConfiguration) =>
      client.send(new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration }), options()),
    ownership: (OwnershipControls) =>
      client.send(new PutBucketOwnershipControlsCommand({ Bucket, OwnershipControls }), options()),
    publicAccessBlock: (PublicAccessBlockConfiguration) =>
      client.send(new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration }), options()),
    policy: (policy) =>
      client.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify(policy) }), options()),
    lifecycle: (Rules) =>
      client.send(
        new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }),
        options(),
      ),
  };

  return {
    look: () =>
      masked(
        client.send(new HeadBucketCommand({ Bucket }), options()).then(
          () => "there" as const,
          (error: unknown) => {
            if (statusOf(error) === 404) return "none" as const;
            if (statusOf(error) === 403) return "foreign" as const;
            throw error;
          },
        ),
      ),
    create: async ({ objectLock }) => {
      await masked(
        client.send(
          new CreateBucketCommand({
            Bucket,
            ...(objectLock ? { ObjectLockEnabledForBucket: true } : {}),
            // AWS names its first region by none, and servers of one's own follow it.
            ...(region === "us-east-1"
              ? {}
              : { CreateBucketConfiguration: { LocationConstraint: region as never } }),
          }),
          options(),
        ),
      );
    },
    read: (name) =>
      masked(
        readers[name]().catch((error: unknown): undefined => {
          if (isAbsent(error)) return undefined;
          throw error;
        }),
      ),
    put: async (name, document) => {
      await masked((writers[name] as (document: Document) => Promise<unknown>)(document));
    },
    remove: async (name) => {
      await masked(
        name === "policy"
          ? client.send(new DeleteBucketPolicyCommand({ Bucket }), options())
          : client.send(new DeleteBucketLifecycleCommand({ Bucket }), options()),
      );
    },
    isEmpty: async () => {
      const listed = await masked(client.send(new ListObjectsV2Command({ Bucket, MaxKeys: 1 }), options()));
      if ((listed.Contents ?? []).length > 0) return false;
      const versions = await masked(
        client
          .send(new ListObjectVersionsCommand({ Bucket, MaxKeys: 1 }), options())
          .catch((error: unknown): undefined => {
            if (isAbsent(error)) return undefined;
            throw error;
          }),
      );
      return [...(versions?.Versions ?? []), ...(versions?.DeleteMarkers ?? [])].length === 0;
    },
    delete: async () => {
      await masked(client.send(new DeleteBucketCommand({ Bucket }), options()));
    },
    close: () => {
      client.destroy();
    },
  };
}

/** What a server keeps as a policy is JSON; one that is not is shown as it is. */
function policyIn(text: string): object {
  const parsed: unknown = JSON.parse(text);
  return typeof parsed === "object" && parsed !== null ? parsed : { Statement: text };
}

/** As AWS' command line has it: the only ones that are trusted then. Node itself reads NODE_EXTRA_CA_CERTS. */
async function authorities(): Promise<{ ca?: string }> {
  const file = process.env["AWS_CA_BUNDLE"];
  return file === undefined || file === "" ? {} : { ca: await readFile(file, "utf8") };
}

/** Content-MD5 is what every server takes and older ones ask for; the SDK's own CRC32 is known to newer ones alone. */
function digestAsMd5(client: S3Client): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as { headers: Record<string, string>; body?: unknown };
      if (typeof request.body === "string") {
        for (const name of Object.keys(request.headers))
          if (/^x-amz-(sdk-)?checksum-/i.test(name)) Reflect.deleteProperty(request.headers, name);
        request.headers["content-md5"] = createHash("md5").update(request.body).digest("base64");
      }
      return next(args);
    },
    { name: "digestAsMd5", step: "build", priority: "low" },
  );
}

/** A server, or what stands in front of it, may say back what it was sent. */
export async function withoutSecrets(client: S3Client, error: unknown): Promise<unknown> {
  if (!(error instanceof Error)) return error;
  const credentials = await client.config.credentials().catch(() => undefined);
  for (const secret of [credentials?.secretAccessKey, credentials?.sessionToken])
    if (secret !== undefined && secret !== "") error.message = error.message.replaceAll(secret, "***");
  error.message = error.message.replaceAll(/Signature=[0-9a-f]{16,}/gi, "Signature=***");
  return error;
}
