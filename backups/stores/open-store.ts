import type { Store } from "../../site/schema.ts";
import { exitCodes, OperatorError } from "../../site/operator-error.ts";
import { readSecrets, type SecretSources } from "../../site/secrets.ts";
import { azureBlobStore } from "./azure-blob.ts";
import { directoryStore } from "./directory.ts";
import { rcloneStore } from "./rclone.ts";
import { s3Store } from "./s3.ts";
import { sshStore } from "./ssh.ts";
import type { StoreReader } from "./store.ts";

/**
 * The reader of a store of a site, by its kind. Nothing is dialled yet.
 *
 * @throws OperatorError when the secret that it is read with is not there (3).
 */
export async function openStore(store: Store, loaded: SecretSources): Promise<StoreReader> {
  switch (store.kind) {
    case "directory":
      return directoryStore(store, loaded.directory);
    case "ssh":
      return rcloneStore(sshStore(store));
    case "s3":
      return rcloneStore(
        s3Store(store, store.reader && (await secretOf(loaded, store.reader.secretAccessKey))),
      );
    case "azure-blob":
      return rcloneStore(azureBlobStore(store, await secretOf(loaded, store.reader)));
  }
}

/** What was read in this process: a password manager is not asked again for each store and listing, nor two at once. */
const known = new Map<string, Promise<string>>();
let last: Promise<unknown> = Promise.resolve();

/** The value of a secret, read once in this process. */
export function secretOf(loaded: SecretSources, name: string): Promise<string> {
  const from = loaded.site.secrets.find((secret) => secret.name === name)?.from ?? "";
  const key = JSON.stringify([loaded.directory, name, from]);
  const asked = known.get(key);
  if (asked !== undefined) return asked;
  const reading = last
    .catch(() => undefined)
    .then(async () => plain(name, (await readSecrets(loaded, [name]))[name] ?? ""));
  last = reading;
  known.set(key, reading);
  return reading;
}

/** As keys and tokens are. What is not, programs quote whole when they complain of it. */
function plain(name: string, value: string): string {
  if (!/\p{Cc}/u.test(value)) return value;
  throw new OperatorError(
    exitCodes.missingHere,
    `the secret ${name} opens no store`,
    "it has a line break, or another control character, in it",
    "look at what its source gives: one line is wanted",
  );
}
