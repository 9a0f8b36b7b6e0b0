import { execa } from "execa";
import { openStore } from "../backups/stores/open-store.ts";
import type { LoadedSite } from "../site/load.ts";
import { OperatorError } from "../site/operator-error.ts";
import { readSecrets } from "../site/secrets.ts";
import { examineState } from "./doctor-state.ts";
import type { Finding } from "./finding.ts";

/**
 * Whether all is at hand on this computer with which a site would be recovered: each secret, each store, a key to log in with, and what
 * plain `pulumi` needs. Secrets are read and not shown; nothing is changed.
 */
export async function examine(
  loaded: LoadedSite,
  { say, signal }: { say: (line: string) => void; signal: AbortSignal },
): Promise<Finding[]> {
  const { site } = loaded;
  // Before the stores, which ask for theirs: two questions of a password manager at once are answered wrongly.
  const secrets = await inOrder(site.secrets, ({ name }) =>
    found(`secret ${name}`, "it can be read", () => readSecrets(loaded, [name])),
  );
  const told = await Promise.all([
    Promise.all(
      site.stores.map((store) =>
        found(`store ${store.name}`, "it can be listed", async () => {
          await (await openStore(store, loaded)).list();
        }),
      ),
    ),
    agent(),
    examineState(site, { say, signal }),
  ]);
  return [...secrets, ...told.flat()];
}

async function inOrder<Item, Result>(
  items: readonly Item[],
  act: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (const item of items) results.push(await act(item));
  return results;
}

async function found(about: string, well: string, act: () => Promise<unknown>): Promise<Finding> {
  try {
    await act();
    return { about, level: "ok", seen: well };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return { about, level: "bad", seen: `${error.what}: ${error.why}`, next: error.next };
  }
}

/** What logs in to hosts, and to stores of kind ssh. */
async function agent(): Promise<Finding[]> {
  const { exitCode, stdout } = await execa("ssh-add", ["-l"], {
    reject: false,
    stdin: "ignore",
    timeout: 10_000,
  });
  const about = "ssh agent";
  if (exitCode === 0)
    return [{ about, level: "ok", seen: `it has ${stdout.trim().split("\n").length} keys` }];
  return [
    {
      about,
      level: "bad",
      seen: exitCode === 1 ? "it has no key" : "there is none",
      next: 'eval "$(ssh-agent)" && ssh-add, with the key that your servers let in',
    },
  ];
}
