import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { secretOf } from "../backups/stores/open-store.ts";
import { brokenPromises } from "../offsite/broken-promises.ts";
import { bucketDocuments } from "../offsite/bucket-documents.ts";
import type { S3Store } from "../offsite/bucket-stay.ts";
import { type Attempt, forbiddenActs, type ForbiddenActName } from "../offsite/forbidden-acts.ts";
import {
  differences,
  documentNames,
  type DocumentName,
  type Documents,
  isHeld,
} from "../providers/bucket/documents.ts";
import { openStore, s3Client, withoutSecrets } from "../providers/bucket/store.ts";
import { attempts, brokenPromises as weakeningsIn, weakenings } from "../providers/bucket/weakenings.ts";
import type { LoadedSite } from "../site/load.ts";
import { OperatorError } from "../site/operator-error.ts";
import type { Store } from "../site/schema.ts";
import { tryForbiddenActs } from "./try-forbidden-acts.ts";
import { tryForbiddenBlobActs } from "./try-forbidden-blob-acts.ts";
import type { Finding } from "./finding.ts";

/**
 * Whether the stores that a site's server writes to are what site.yaml promises: each living bucket is read and compared, and then, with the
 * credentials that the server has, everything is tried that must be refused. It changes no backup; a probe of a few bytes stays.
 */
export async function examineOffsite(
  loaded: LoadedSite,
  { say, signal }: { say: (line: string) => void; signal: AbortSignal },
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const store of loaded.site.stores) {
    signal.throwIfAborted();
    say(`looking at the store ${store.name}`);
    findings.push(...(await examined(loaded, store, signal)));
  }
  return [
    ...findings,
    ...(loaded.site.evidence === undefined
      ? []
      : [
          {
            about: "evidence",
            level: "not seen" as const,
            seen: "how the bucket of verdicts and records is kept",
            next: "pulumi refresh of the stack offsite, where it made it",
          },
        ]),
  ];
}

async function examined(loaded: LoadedSite, store: Store, signal: AbortSignal): Promise<Finding[]> {
  const about = `store ${store.name}`;
  const seen = async (look: () => Promise<Finding[]>): Promise<Finding[]> => {
    try {
      return await look();
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      return [{ about, level: "bad", seen: `${error.what}: ${error.why}`, next: error.next }];
    }
  };
  switch (store.kind) {
    case "s3":
      return [
        ...(await seen(() => examinedBucket(loaded, store, signal))),
        ...(await seen(() => attempted(loaded, store))),
      ];
    case "azure-blob":
      return [
        {
          about,
          level: "not seen",
          seen: "how its account keeps it, since no signature of a container may ask for that",
          next: "pulumi refresh of the stack offsite, or Azure's portal: its immutability policy, and the rules of its lifecycle",
        },
        ...(await seen(async () =>
          store.writer === undefined
            ? []
            : told(store, await tryForbiddenBlobActs(store, await secretOf(loaded, store.writer))),
        )),
      ];
    case "ssh":
      return [
        {
          about,
          level: "not seen",
          seen: "what the site's server may do there is not tried: its key is on that server alone",
          next: "on the site's server: sftp with /etc/site-backup/key must be refused",
        },
      ];
    case "directory":
      return [];
  }
}

async function examinedBucket(loaded: LoadedSite, store: S3Store, signal: AbortSignal): Promise<Finding[]> {
  const about = `store ${store.name}`;
  const { region, endpoint, bucket } = store;
  const credentials = await keyOf(loaded, store.reader);
  const living = await openStore({ region, endpoint, bucket }, signal, credentials);
  const live: Documents = {};
  const unread = new Map<DocumentName, Finding>();
  try {
    for (const name of documentNames) {
      try {
        Object.assign(live, { [name]: await living.read(name) });
      } catch (error) {
        unread.set(name, {
          about,
          level: "not seen",
          seen: `its ${words[name]} cannot be read: ${messageOf(error)}`,
          next: "let your own credentials read how the bucket is kept: the reader that docs/offsite.md describes may",
        });
      }
    }
  } finally {
    living.close();
  }
  return [
    ...unread.values(),
    ...documentNames
      .filter((name) => !unread.has(name))
      .flatMap((name) => compared(loaded, store, name, live)),
    ...(unread.has("objectLock") || unread.has("lifecycle") ? [] : promised(loaded, store, live)),
  ];
}

/** An access key with its secret half; without one the environment's is taken. */
async function keyOf(
  loaded: LoadedSite,
  key: S3Store["reader"],
): Promise<{ accessKeyId: string; secretAccessKey: string } | undefined> {
  return key && { ...key, secretAccessKey: await secretOf(loaded, key.secretAccessKey) };
}

const words: Record<DocumentName, string> = {
  versioning: "keeping of versions",
  objectLock: "lock",
  encryption: "encryption",
  ownership: "ownership of objects",
  publicAccessBlock: "wall against the public",
  policy: "policy",
  lifecycle: "lifecycle rules",
};

/** Of a bucket that site.yaml declares each document must be the declared one, or one that it accepts; of another it must keep versions. */
function compared(loaded: LoadedSite, store: S3Store, name: DocumentName, live: Documents): Finding[] {
  const about = `store ${store.name}`;
  if (store.declared === undefined) {
    if (name !== "versioning" || !store.versions) return [];
    return live.versioning?.Status === "Enabled"
      ? [{ about, level: "ok", seen: "it keeps versions" }]
      : [broken(store, "it keeps no versions", weakenings["no-versioning"])];
  }
  const { [name]: declared, accepted } = bucketDocuments(loaded.site, store);
  const taken = attempts(name, declared, accepted).find(({ document }) => isHeld(name, document, live[name]));
  if (taken) {
    const weak =
      taken.weakenings.length === 0 ? "as declared" : `as accepted: ${taken.weakenings.join(", ")}`;
    return [{ about, level: "ok", seen: `its ${words[name]}: ${weak}` }];
  }
  const [difference = "it is another"] = differences(name, declared, live[name]);
  const line = difference.replace(/^it was put, and the server has none when it is asked$/, "there is none");
  return weakeningsIn(name, declared, live[name]).map((weakening) =>
    broken(store, `its ${words[name]}: ${line}`, weakenings[weakening]),
  );
}

/** What a lock and rules would do to what site.yaml promises, whoever made them. */
function promised(
  loaded: LoadedSite,
  store: S3Store,
  { objectLock = {}, lifecycle = [] }: Documents,
): Finding[] {
  return brokenPromises(loaded.site, store, { objectLock, lifecycle }).map((line) => ({
    about: `store ${store.name}`,
    level: "bad",
    seen: line,
    next: nextOf(store),
  }));
}

function broken(
  store: S3Store,
  seen: string,
  { promise, consequence }: { promise: string; consequence: string },
): Finding {
  return {
    about: `store ${store.name}`,
    level: "bad",
    seen: `${seen}. Promised is that ${promise}: ${consequence}`,
    next: nextOf(store),
  };
}

const nextOf = ({ declared }: S3Store) =>
  declared === undefined
    ? "mend the bucket: docs/backups.md says what it must be; or declare it"
    : "pulumi up of the stack offsite";

async function attempted(loaded: LoadedSite, store: S3Store): Promise<Finding[]> {
  const writer = await keyOf(loaded, store.writer);
  if (writer === undefined) return [];
  const elsewhere = await somethingElsewhere(store, await keyOf(loaded, store.reader));
  return told(store, await tryForbiddenActs(store, { writer, elsewhere }));
}

/** What came of the acts, a finding each. */
function told(
  { name: store }: Pick<Store, "name">,
  attempts: Map<ForbiddenActName, Attempt> | { untried: string },
): Finding[] {
  const about = `store ${store}`;
  if ("untried" in attempts) {
    return [
      {
        about,
        level: "bad",
        seen: `nothing is tried with the writer's credentials: ${attempts.untried}`,
        next: "see its writer in site.yaml: no backups arrive there either",
      },
    ];
  }
  return [...attempts].map(([name, attempt]) => {
    const { name: act, promise, consequence } = forbiddenActs[name];
    switch (attempt.outcome) {
      case "refused":
        return { about, level: "ok", seen: `the server may not ${act}` };
      case "done":
        return {
          about,
          level: "bad",
          seen: `the server may ${act}${attempt.left === undefined ? "" : `, and left ${attempt.left} there`}. Promised is that ${promise}: ${consequence}`,
          next: "take that right from the writer, or let the bucket's policy deny it: docs/backups.md says what it needs",
        };
      case "undecided":
        return { about, level: "not seen", seen: `whether the server may ${act}: ${attempt.because}` };
    }
  });
}

/** The name of an object that is not under the store's path; why none is known, where the operator sees none. */
async function somethingElsewhere(
  { region, endpoint, bucket, path }: S3Store,
  reader: { accessKeyId: string; secretAccessKey: string } | undefined,
): Promise<{ key: string } | { unknown: string }> {
  const client = await s3Client({ region, endpoint }, reader);
  try {
    const [before, after] = await Promise.all(
      // What comes before and after the path in the order of names: its own backups may be thousands.
      [{ MaxKeys: 1 }, { MaxKeys: 1, StartAfter: `${path}/\u{10ffff}` }].map((where) =>
        client.send(new ListObjectsV2Command({ Bucket: bucket, ...where })),
      ),
    );
    const [key] = [before, after]
      .flatMap((listed) => listed?.Contents ?? [])
      .flatMap(({ Key }) => (Key === undefined || Key.startsWith(`${path}/`) ? [] : [Key]));
    return key === undefined ? { unknown: "there is nothing outside its path to read" } : { key };
  } catch (error) {
    const why = messageOf(await withoutSecrets(client, error));
    return { unknown: `what is outside its path cannot be listed: ${why}` };
  } finally {
    client.destroy();
  }
}

function messageOf(error: unknown): string {
  const { name, message } = error instanceof Error ? error : { name: "Error", message: String(error) };
  return `${name}: ${message
    .replaceAll(/[\s\p{Cc}]+/gu, " ")
    .trim()
    .slice(0, 300)}`;
}
