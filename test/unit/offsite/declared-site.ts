import { declaredStores } from "../../../offsite/bucket-refusals.ts";
import { declaredContainers } from "../../../offsite/container-refusals.ts";
import type { DeclaredContainer, S3Store } from "../../../offsite/bucket-stay.ts";
import { type Site, siteSchema } from "../../../site/schema.ts";
import { written } from "../runbook/small-site.ts";

/** A bucket as site.yaml declares it. */
export const bucket = {
  ...{ kind: "s3", name: "bucket", bucket: "club-backups", path: "club", region: "eu-central-1" },
  writer: { accessKeyId: "AKIAWRITER", secretAccessKey: "BUCKET_WRITER" },
  declared: {},
};

/** A container as site.yaml declares it, and the secrets that it names. */
export const container = {
  ...{ kind: "azure-blob", name: "container", path: "club", reader: "READER", writer: "WRITER" },
  container: "https://photoclub.blob.core.windows.net/backups",
  declared: { resourceGroup: "club", location: "westeurope" },
};
const secrets = [
  ...written.secrets,
  { name: "READER", from: "command:false" },
  { name: "WRITER", from: "command:false" },
];

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

/** The small site with stores of which some are containers. */
export const declaring = (stores: object[], changes: object = {}): Site =>
  siteWith({ secrets, stores, ...changes });

/** The small site with one declared container, and that container. */
export function declaredContainer(
  store: object = {},
  changes: object = {},
): { site: Site; store: DeclaredContainer } {
  const site = declaring([{ ...container, ...store }], changes);
  const [only] = declaredContainers(site);
  if (!only) throw new Error("no container is declared");
  return { site, store: only };
}
