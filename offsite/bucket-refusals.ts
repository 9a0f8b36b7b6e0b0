import type { Site } from "../site/schema.ts";
import { brokenPromises } from "./broken-promises.ts";
import { bucketDocuments, type BucketDocuments, evidenceDocuments } from "./bucket-documents.ts";
import { lockDays, type S3Store, tiersIn } from "./bucket-stay.ts";

/** S3 locks nothing for longer. */
const longestLockDays = 36_500;
/** IAM has no longer names, of users and of roles. */
const longestIdentityName = 64;

/** The stores that the stack `offsite` makes. */
export function declaredStores(site: Site): S3Store[] {
  return site.stores.filter((store) => store.kind === "s3").filter(({ declared }) => declared !== undefined);
}

/** Why the bucket of verdicts and records cannot be made as site.yaml declares it: a line each. Pure. */
export function evidenceRefusals(site: Site): string[] {
  const documents = evidenceDocuments(site);
  if (documents === undefined || site.evidence === undefined) return [];
  return unmakeable(site.evidence, documents).map((line) => `evidence: ${line}`);
}

/** Why buckets that site.yaml declares cannot be made so that they keep what it promises: a line each. Pure. */
export function bucketRefusals(site: Site): string[] {
  const stores = declaredStores(site);
  return stores.flatMap((store) => {
    const documents = bucketDocuments(site, store);
    const others = stores.filter((other) => other !== store && other.bucket === store.bucket);
    const lines = [
      ...unmakeable(store, documents),
      ...contradicting(site, store),
      ...others.map(({ name }) => `${name} declares the same bucket, ${store.bucket}`),
      ...brokenPromises(site, store, documents),
    ];
    return lines.map((line) => `stores.${store.name}: ${line}`);
  });
}

/** What no server makes, whatever is to be kept there. */
function unmakeable(
  place: Pick<S3Store, "path" | "region" | "endpoint"> & {
    declared?: Pick<NonNullable<S3Store["declared"]>, "accepted" | "kmsKey"> | undefined;
  },
  { writer, reader, objectLock }: BucketDocuments,
): string[] {
  const { path, region, endpoint, declared } = place;
  const locked = objectLock.Rule?.DefaultRetention?.Days ?? 0;
  const accepts = (declared?.accepted ?? []).length > 0;
  const keyRegion = declared?.kmsKey?.split(":")[3] ?? region;
  return [
    ...(endpoint === undefined && accepts ? ["AWS does all of it: `accepted` is about other servers"] : []),
    ...(endpoint !== undefined && declared?.kmsKey !== undefined
      ? ["`kmsKey` is a key of AWS, and it is not of AWS"]
      : []),
    ...(locked <= longestLockDays
      ? []
      : [`S3 locks nothing for longer than ${longestLockDays}d, and what is there is kept ${locked}d`]),
    ...(keyRegion === region ? [] : [`its key is in ${keyRegion}, and the bucket in ${region}`]),
    ...(/[*?$]/.test(path)
      ? [`in a policy *, ? and $ stand for other characters, and its path is ${path}`]
      : []),
    ...[...(writer ? [writer] : []), reader]
      .filter(({ name }) => name.length > longestIdentityName)
      .map(({ name }) => `${name} is longer than the ${longestIdentityName} letters that IAM has for a name`),
  ];
}

/** What of a declared store contradicts itself. */
function contradicting(site: Site, store: S3Store): string[] {
  const { endpoint, versions, declared } = store;
  const locked = lockDays(site, store);
  const archives = declared?.archive !== undefined && declared.archive !== "none";
  return [
    ...(endpoint !== undefined && archives
      ? ["`archive` is about storage classes of AWS, and it is not of AWS"]
      : []),
    ...(versions
      ? []
      : ["a bucket that is declared keeps versions, and `versions: false` says that it does not"]),
    ...(locked > 0
      ? []
      : [
          "no backups are sent there: it needs a `writer` (any accessKeyId, until it has one), and a place in `backups`",
        ]),
    ...(archives && locked > 0 && !tiersIn(site, store).includes("monthly")
      ? ["`archive` is about monthly backups, and none are sent there"]
      : []),
  ];
}
