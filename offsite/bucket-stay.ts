import type { Site, Store } from "../site/schema.ts";
import { storageClasses } from "./storage-classes.ts";
import { storesOf, type Tier } from "./shortfalls.ts";

export type S3Store = Extract<Store, { kind: "s3" }>;
export type ContainerStore = Extract<Store, { kind: "azure-blob" }>;
/** One that the stack `offsite` makes. */
export type DeclaredContainer = ContainerStore & { declared: NonNullable<ContainerStore["declared"]> };
/** A store that has one lock for all that is put there. */
export type LockedStore = S3Store | ContainerStore;
type Backups = NonNullable<Site["backups"]>;

export const tiers = ["hourly", "daily", "weekly", "monthly"] as const satisfies readonly Tier[];

/** The tiers whose backups are sent to a store. A manual one goes where the daily ones go. */
export function tiersIn(site: Site, store: LockedStore): Tier[] {
  const { backups } = site;
  return backups ? tiers.filter((tier) => storesOf(site, backups, tier).includes(store.name)) : [];
}

/** For how many whole days a tier promises its backups. */
export function keptDays(backups: Backups, tier: Tier): number {
  return Math.max(1, Math.ceil(backups[tier].keep / 86_400));
}

/** There is one lock for all that is put there: for as long as the longest of its tiers is kept, in days. 0: nothing is sent there. */
export function lockDays(site: Site, store: LockedStore): number {
  const { backups } = site;
  return backups ? Math.max(0, ...tiersIn(site, store).map((tier) => keptDays(backups, tier))) : 0;
}

/** For how many days backups of a tier stay there: nothing leaves before its lock ends. */
export function stayDays(site: Site, backups: Backups, store: LockedStore, tier: Tier): number {
  return Math.max(keptDays(backups, tier), lockDays(site, store));
}

/** Full backups that are only read when there is need, in a bucket that we declare: put so where they stay as long as is billed. */
export function infrequentTiers(site: Site, store: S3Store): Tier[] {
  const { backups } = site;
  if (backups === undefined || store.declared === undefined || store.endpoint !== undefined) return [];
  return (["weekly", "monthly"] as const).filter(
    (tier) => stayDays(site, backups, store, tier) >= storageClasses.STANDARD_IA.minimumDays,
  );
}

/** What is kept for longer than its tier wants, since there is one lock: a line for each tier of which that is so. */
export function longerStays(site: Site, store: LockedStore): string[] {
  const { backups } = site;
  if (backups === undefined) return [];
  return tiersIn(site, store).flatMap((tier) => {
    const [kept, stay] = [keptDays(backups, tier), stayDays(site, backups, store, tier)];
    return stay > kept
      ? [
          `${store.name} keeps ${tier} backups ${stay}d, and not ${kept}d: as long as its lock, which is one for all. A ${store.kind === "s3" ? "bucket" : "container"} of their own costs less`,
        ]
      : [];
  });
}
