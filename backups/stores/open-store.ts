import type { Store } from "../../site/schema.ts";
import { directoryStore } from "./directory.ts";
import { sshStore } from "./ssh.ts";
import type { StoreReader } from "./store.ts";

/** The reader of a store, by its kind. Nothing is read or dialled yet. `siteDirectory` is that of site.yaml. */
export function openStore(store: Store, siteDirectory: string): StoreReader {
  return store.kind === "ssh" ? sshStore(store) : directoryStore(store, siteDirectory);
}
