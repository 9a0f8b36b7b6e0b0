import { homedir } from "node:os";
import { join } from "node:path";

/** Where everything about a site is kept on the operator's computer: records, stacks, locks. Never in the source tree. */
export function stateDirectory(site: string, environment: NodeJS.ProcessEnv = process.env): string {
  const state = environment["XDG_STATE_HOME"];
  // The XDG specification: a relative path is to be ignored.
  const root = state?.startsWith("/") === true ? state : join(homedir(), ".local", "state");
  return join(root, "recovery-stack", site);
}
