import type { Site } from "../site/schema.ts";
import { type DeclaredContainer, lockDays } from "./bucket-stay.ts";
import { containerPlace } from "./container-documents.ts";

/** Azure locks nothing for longer. */
const longestLockDays = 146_000;

/** The containers that the stack `offsite` makes. */
export function declaredContainers(site: Site): DeclaredContainer[] {
  return site.stores.filter(
    (store): store is DeclaredContainer => store.kind === "azure-blob" && store.declared !== undefined,
  );
}

/** Why containers that site.yaml declares cannot be made so that they keep what it promises: a line each. Pure. */
export function containerRefusals(site: Site): string[] {
  const stores = declaredContainers(site);
  return stores.flatMap((store) => {
    const { account } = containerPlace(store);
    const locked = lockDays(site, store);
    const others = stores.filter(
      (other) => other !== store && account !== "" && containerPlace(other).account === account,
    );
    const lines = [
      ...(account === ""
        ? [
            `an account and a container are made of a URL such as https://photoclub.blob.core.windows.net/backups, and it is ${store.container}`,
          ]
        : []),
      ...(locked > 0
        ? []
        : [
            "no backups are sent there: it needs a `writer` (a secret that is there from the first, whatever is in it), and a place in `backups`",
          ]),
      ...(locked <= longestLockDays
        ? []
        : [`Azure locks nothing for longer than ${longestLockDays}d, and backups are kept ${locked}d`]),
      ...others.map(
        ({ name }) =>
          `${name} declares the same account, ${account}, and an account has one lock for all in it`,
      ),
    ];
    return lines.map((line) => `stores.${store.name}: ${line}`);
  });
}
