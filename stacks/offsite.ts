import * as pulumi from "@pulumi/pulumi";
import type { OffsiteContainer } from "../components/offsite-container.ts";
import { OffsiteBucket } from "../components/offsite-bucket.ts";
import { Bucket } from "../providers/bucket/bucket.ts";
import { idOf } from "../providers/bucket/identity.ts";
import { bucketDocuments, type BucketDocuments, evidenceDocuments } from "../offsite/bucket-documents.ts";
import { declaredStores } from "../offsite/bucket-refusals.ts";
import { containerDocuments, type ContainerDocuments } from "../offsite/container-documents.ts";
import { declaredContainers } from "../offsite/container-refusals.ts";
import { longerStays } from "../offsite/bucket-stay.ts";
import { requireObjectives } from "../offsite/require-objectives.ts";
import { loadSite } from "../site/load.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";

/** What the stack tells of each bucket and container, by the store's name. No secret is among it. */
export interface OffsiteOutputs {
  buckets: Record<string, BucketOfAws | CompatibleBucket>;
  containers: Record<string, Pick<OffsiteContainer, "account" | "container">>;
}

/** The documents of all that a site declares, by the store's name. */
interface PreparedOffsite {
  buckets: ReadonlyMap<string, BucketDocuments>;
  containers: ReadonlyMap<string, ContainerDocuments>;
}

type BucketOfAws = Pick<OffsiteBucket, "bucket" | "reader"> & { writer?: pulumi.Output<string> };

/** One at a server that is not AWS: its keys are made there, by hand. */
interface CompatibleBucket {
  bucket: string;
  /** What the server does not do, as site.yaml accepts. */
  weakenings: Bucket["weakenings"];
}

/**
 * The buckets and containers that a site declares, looked at from all sides that need no cloud.
 *
 * @throws OperatorError (2) when it declares none, or one that could not keep what site.yaml promises.
 */
export async function prepareOffsite(
  siteFile: string,
  say: (line: string) => void,
): Promise<PreparedOffsite> {
  const { site } = await loadSite(siteFile);
  const [buckets, containers] = [declaredStores(site), declaredContainers(site)];
  const evidence = evidenceDocuments(site);
  if (buckets.length + containers.length === 0 && evidence === undefined) {
    throw new OperatorError(
      exitCodes.usage,
      "site.yaml declares no bucket and no container",
      "the stack offsite makes those stores of kind s3 and azure-blob that have a section `declared`, and `evidence` if it has one",
      "add `declared` to one: docs/offsite.md",
    );
  }
  requireObjectives(site);
  if (pulumi.runtime.isDryRun()) {
    [...buckets, ...containers].flatMap((store) => longerStays(site, store)).forEach(say);
  }
  return {
    buckets: new Map([
      ...buckets.map((store): [string, BucketDocuments] => [store.name, bucketDocuments(site, store)]),
      ...(evidence ? [["evidence", evidence] as const] : []),
    ]),
    containers: new Map(containers.map((store) => [store.name, containerDocuments(site, store)])),
  };
}

/** Declares them; with `adopt`, buckets that are there already and that no state knows any more. */
export async function declareOffsite(
  prepared: PreparedOffsite,
  { adopt }: { adopt: boolean },
): Promise<OffsiteOutputs> {
  const buckets = [...prepared.buckets].map(([name, made]): [string, OffsiteOutputs["buckets"][string]] => {
    const { endpoint } = made;
    if (endpoint !== undefined) return [name, compatibleBucket(name, { ...made, endpoint }, adopt)];
    const { bucket, writer, reader } = new OffsiteBucket(name, made, { adopt });
    return [name, { bucket, ...(writer ? { writer } : {}), reader }];
  });
  return { buckets: Object.fromEntries(buckets), containers: await declareContainers(prepared) };
}

async function declareContainers({ containers }: PreparedOffsite): Promise<OffsiteOutputs["containers"]> {
  if (containers.size === 0) return {};
  // Azure's SDK takes a second to load: for those who have one.
  const { OffsiteContainer } = await import("../components/offsite-container.ts");
  return Object.fromEntries(
    [...containers].map(([name, documents]) => {
      const { account, container } = new OffsiteContainer(name, documents);
      return [name, { account, container }];
    }),
  );
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
