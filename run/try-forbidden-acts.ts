import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  PutObjectRetentionCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import {
  type Answer,
  type Attempt,
  type ForbiddenActName,
  judgeInClear,
  judgeRefusal,
} from "../offsite/forbidden-acts.ts";
import type { S3Store } from "../offsite/bucket-stay.ts";
import { s3Client, withoutSecrets } from "../providers/bucket/store.ts";
import { statusOf } from "../providers/bucket/store-failure.ts";

interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
}

/** What the acts are tried on, under the store's path: no listing of backups shows it, and no other object is touched. */
export const probeName = ".recovery-doctor/probe";
/** Outside of the path, where the server may write nothing. */
export const strayName = ".recovery-doctor-was-here";
export const probeContent =
  "npx recovery doctor --offsite tries here what the site's server must not be able to do.\n";

/** What whoever breaks into the site's server could try with its credentials, and what came of it; why not, when nothing could be tried. */
export async function tryForbiddenActs(
  store: S3Store,
  { writer, elsewhere }: { writer: Credentials; elsewhere: { key: string } | { unknown: string } },
): Promise<Map<ForbiddenActName, Attempt> | { untried: string }> {
  const { bucket: Bucket, path, region, endpoint } = store;
  const Key = `${path}/${probeName}`;
  const client = await s3Client({ region, endpoint }, writer);
  const clear = await s3Client({ region, endpoint: inClear(store) }, writer);
  try {
    const VersionId = await probe(client, { Bucket, Key });
    if (typeof VersionId === "object") return VersionId;
    const version = { Bucket, Key, VersionId };
    const unversioned = { outcome: "undecided", because: "the bucket keeps no versions" } as const;
    const attempts = new Map<ForbiddenActName, Attempt>();
    const attempt = async (name: ForbiddenActName, act: () => Promise<Attempt>) => {
      attempts.set(name, await act());
    };
    await attempt("list-elsewhere", () =>
      tried(client, () => client.send(new ListObjectsV2Command({ Bucket, Prefix: "", MaxKeys: 1 }))),
    );
    await attempt("read-elsewhere", () =>
      "unknown" in elsewhere
        ? Promise.resolve({ outcome: "undecided", because: elsewhere.unknown })
        : tried(client, () =>
            client.send(new GetObjectCommand({ Bucket, Key: elsewhere.key, Range: "bytes=0-0" })),
          ),
    );
    await attempt("write-elsewhere", () =>
      tried(client, () => client.send(new PutObjectCommand({ Bucket, Key: strayName, Body: probeContent })), {
        left: strayName,
      }),
    );
    await attempt("write-in-clear", () =>
      tried(clear, () => clear.send(new PutObjectCommand({ Bucket, Key, Body: probeContent })), {
        judge: judgeInClear,
        left: `another version of ${probeName}`,
      }),
    );
    await attempt("shorten-lock", () =>
      VersionId === undefined
        ? Promise.resolve(unversioned)
        : tried(client, () =>
            client.send(
              new PutObjectRetentionCommand({
                ...version,
                Retention: { Mode: "GOVERNANCE", RetainUntilDate: new Date(Date.now() + 60_000) },
                BypassGovernanceRetention: true,
              }),
            ),
          ),
    );
    await attempt("bypass-lock", () =>
      VersionId === undefined
        ? Promise.resolve(unversioned)
        : tried(client, () =>
            client.send(new DeleteObjectCommand({ ...version, BypassGovernanceRetention: true })),
          ),
    );
    await attempt("destroy-version", () =>
      VersionId === undefined
        ? Promise.resolve(unversioned)
        : attempts.get("bypass-lock")?.outcome === "done"
          ? Promise.resolve({ outcome: "undecided", because: "it is gone by then" })
          : tried(client, () => client.send(new DeleteObjectCommand(version))),
    );
    await attempt("delete", () =>
      tried(client, () => client.send(new DeleteObjectCommand({ Bucket, Key })), {
        left: `a marker of the deletion of ${probeName}`,
      }),
    );
    return attempts;
  } finally {
    client.destroy();
    clear.destroy();
  }
}

/**
 * Who can do nothing is refused everything: first what the server must be able to do. The probe's version, undefined where there are none;
 * why nothing else is tried, where that failed.
 */
async function probe(
  client: S3Client,
  object: { Bucket: string; Key: string },
): Promise<string | undefined | { untried: string }> {
  try {
    // It is locked for as long as a backup: one is enough.
    const there = await client.send(new GetObjectCommand(object)).catch((error: unknown) => {
      // Who may not list is told 403 of what is not there.
      if ([403, 404].includes(statusOf(error) ?? 0)) return undefined;
      throw error;
    });
    await there?.Body?.transformToByteArray();
    if (there) return there.VersionId;
    await client.send(new PutObjectCommand({ ...object, Body: probeContent }));
    const put = await client.send(new GetObjectCommand(object));
    await put.Body?.transformToByteArray();
    return put.VersionId;
  } catch (error) {
    const { code, message } = answerOf(await withoutSecrets(client, error));
    return { untried: `the writer cannot put and read what is its own: ${code}: ${message}` };
  }
}

async function tried(
  client: S3Client,
  act: () => Promise<unknown>,
  { judge = judgeRefusal, left }: { judge?: (answer: Answer) => Attempt; left?: string } = {},
): Promise<Attempt> {
  try {
    await act();
    return { outcome: "done", ...(left === undefined ? {} : { left }) };
  } catch (error) {
    return judge(answerOf(await withoutSecrets(client, error)));
  }
}

function answerOf(error: unknown): Answer {
  if (!(error instanceof Error)) return { code: "Error", message: String(error) };
  const status = statusOf(error);
  // What became of a connection has a code of the system; the SDK may call it by another name.
  const code = status === undefined && "code" in error ? String(error.code) : error.name;
  // What a server sends is shown.
  const message = error.message
    .replaceAll(/[\s\p{Cc}]+/gu, " ")
    .trim()
    .slice(0, 300);
  return { code, status, message };
}

function inClear({ endpoint, region }: S3Store): string {
  if (endpoint !== undefined) return endpoint.replace(/^https:/, "http:");
  return `http://s3.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
}
