import * as pulumi from "@pulumi/pulumi";
import { OffsiteBucket } from "../components/offsite-bucket.ts";
import { Bucket } from "../providers/bucket/bucket.ts";
import { idOf } from "../providers/bucket/identity.ts";
import { bucketDocuments, type BucketDocuments } from "../offsite/bucket-documents.ts";
import { declaredStores } from "../offsite/bucket-refusals.ts";
import { longerStays } from "../offsite/bucket-stay.ts";
import { requireObjectives } from "../offsite/require-objectives.ts";
import { loadSite } from "../site/load.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";

/** What the stack tells of each bucket, by the store's name. No secret is among it. */
export interface OffsiteOutputs {
  buckets: Record<string, Pick<OffsiteBucket, "bucket" | "writer" | "reader"> | CompatibleBucket>;
}

/** One at a server that is not AWS: its keys are made there, by hand. */
interface CompatibleBucket {
  bucket: string;
  /** What the server does not do, as site.yaml accepts. */
  weakenings: Bucket["weakenings"];
}

/**
 * The buckets that a site declares, looked at from all sides that need no cloud: by the store's name.
 *
 * @throws OperatorError (2) when it declares none, or one that could not keep what site.yaml promises.
 */
export async function prepareOffsite(
  siteFile: string,
  say: (line: string) => void,
): Promise<Map<string, BucketDocuments>> {
  const { site } = await loadSite(siteFile);
  const stores = declaredStores(site);
  if (stores.length === 0) {
    throw new OperatorError(
      exitCodes.usage,
      "site.yaml declares no bucket",
      "the stack offsite makes those stores of kind s3 that have a section `declared`",
      "add `declared: {}` to one: docs/offsite.md",
    );
  }
  requireObjectives(site);
  if (pulumi.runtime.isDryRun()) stores.flatMap((store) => longerStays(site, store)).forEach(say);
  return new Map(stores.map((store) => [store.name, bucketDocuments(site, store)]));
}

/** Declares them; with `adopt`, those that are there already and that no state knows any more. */
export function declareOffsite(
  documents: ReadonlyMap<string, BucketDocuments>,
  { adopt }: { adopt: boolean },
): OffsiteOutputs {
  const buckets = [...documents].map(([name, made]): [string, OffsiteOutputs["buckets"][string]] => {
    const { endpoint } = made;
    if (endpoint !== undefined) return [name, compatibleBucket(name, { ...made, endpoint }, adopt)];
    const { bucket, writer, reader } = new OffsiteBucket(name, made, { adopt });
    return [name, { bucket, writer, reader }];
  });
  return { buckets: Object.fromEntries(buckets) };
}

function compatibleBucket(
  name: string,
  made: BucketDocuments & { endpoint: string },
  adopt: boolean,
): CompatibleBucket {
  const { endpoint, region, bucket, accepted, versioning, objectLock, encryption, ownership } = made;
  const { publicAccessBlock, policy, lifecycle } = made;
  const { weakenings } = new Bucket(
    name,
    {
      ...{ endpoint, region, bucket, accepted, versioning, objectLock, encryption, ownership },
      ...{ publicAccessBlock, policy, lifecycle },
    },
    { protect: true, retainOnDelete: true, ...(adopt ? { import: idOf(made) } : {}) },
  );
  return { bucket, weakenings };
}
