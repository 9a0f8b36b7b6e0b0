import type { SecretSources } from "../site/secrets.ts";

/** A site whose site.yaml would lie in this folder, and whose stores want no secrets. */
export const siteIn = (directory: string): SecretSources => ({ directory, site: { secrets: [] } });
