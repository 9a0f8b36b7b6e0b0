import type { Site } from "../site/schema.ts";

/** A path of site.yaml as it is on the host: relative ones lie in the application's folder. */
export function hostPath(site: Site, path: string): string {
  return path.startsWith("/") ? path : `${site.application.path}/${path}`;
}
