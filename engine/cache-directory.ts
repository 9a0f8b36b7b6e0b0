import { homedir } from "node:os";
import { join } from "node:path";

/** Where engines are kept between runs: one folder a version, `download` and `built` in it, each with bin/pulumi. */
export function engineCacheDirectory(version: string, environment: NodeJS.ProcessEnv = process.env): string {
  const cache = environment["XDG_CACHE_HOME"];
  // The XDG specification: a relative path is to be ignored.
  const root = cache?.startsWith("/") === true ? cache : join(homedir(), ".cache");
  return join(root, "recovery-stack", "engine", version);
}
