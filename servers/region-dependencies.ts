import type { Site } from "../site/schema.ts";

/** All that a site has in a region, and loses with it for as long as that is gone: by the region, a line each. Pure. */
export function regionDependencies(
  { stores, evidence, replacement }: Site,
  backend: string | undefined,
): Map<string, string[]> {
  const found: [string, string][] = [];
  for (const store of stores) {
    if (store.kind !== "s3" || store.endpoint !== undefined) continue;
    found.push([store.region, `the bucket ${store.bucket} (store ${store.name})`]);
    const key = store.declared?.kmsKey;
    if (key !== undefined)
      found.push([key.split(":")[3] ?? store.region, `the key ${key} (store ${store.name})`]);
  }
  if (evidence && evidence.endpoint === undefined) {
    found.push([evidence.region, `the bucket ${evidence.bucket} (verdicts and records)`]);
  }
  if (replacement) found.push([replacement.region, "the server that this stack makes"]);
  const [, bucket = "", query = ""] = /^s3:\/\/([^/?]+)[^?]*(\?.*)?$/.exec(backend ?? "") ?? [];
  const region = /[?&]region=([a-z0-9-]+)/.exec(query)?.[1];
  if (bucket !== "") {
    found.push([
      region ?? "a region that its address does not say",
      `Pulumi's state, in the bucket ${bucket}`,
    ]);
  }
  const regions = new Map<string, string[]>();
  for (const [name, line] of found) regions.set(name, [...(regions.get(name) ?? []), line]);
  return regions;
}
