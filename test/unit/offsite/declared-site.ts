import { declaredStores } from "../../../offsite/bucket-refusals.ts";
import type { S3Store } from "../../../offsite/bucket-stay.ts";
import { type Site, siteSchema } from "../../../site/schema.ts";
import { written } from "../runbook/small-site.ts";

/** A bucket as site.yaml declares it. */
export const bucket = {
  ...{ kind: "s3", name: "bucket", bucket: "club-backups", path: "club", region: "eu-central-1" },
  writer: { accessKeyId: "AKIAWRITER", secretAccessKey: "BUCKET_WRITER" },
  declared: {},
};

export function siteWith(changes: object): Site {
  return siteSchema.parse({ ...written, backups: {}, stores: [...written.stores, bucket], ...changes });
}

/** The small site with one declared bucket, and that bucket. */
export function declaredSite(store: object = {}, changes: object = {}): { site: Site; store: S3Store } {
  const site = siteWith({ stores: [...written.stores, { ...bucket, ...store }], ...changes });
  const [declared] = declaredStores(site);
  if (!declared) throw new Error("no bucket is declared");
  return { site, store: declared };
}
