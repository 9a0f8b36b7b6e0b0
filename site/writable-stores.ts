import type { Store } from "./schema.ts";

/** Whether the site's server can send backups there. */
export function isWritable(store: Store): boolean {
  return store.kind === "ssh" || ("writer" in store && store.writer !== undefined);
}
