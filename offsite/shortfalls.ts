import type { Site } from "../site/schema.ts";
import { formatDuration } from "../site/units.ts";
import { isWritable } from "../site/writable-stores.ts";

type Backups = NonNullable<Site["backups"]>;
export type Tier = Exclude<keyof Backups, "path" | "at">;

const daySeconds = 86_400;

/** The tiers that hold each class of data. */
const tiersOf = {
  database: ["hourly", "daily", "weekly", "monthly"],
  configuration: ["daily", "weekly", "monthly"],
  uploads: ["daily", "weekly", "monthly"],
  logs: ["weekly", "monthly"],
  metrics: ["weekly", "monthly"],
} as const satisfies Record<keyof Site["objectives"]["rpo"], readonly Tier[]>;

const classesOfData = Object.keys(tiersOf) as (keyof typeof tiersOf)[];

/** How often a tier makes a backup, at the longest, in seconds. */
export function intervalSeconds(backups: Backups, tier: Tier): number {
  return {
    hourly: backups.hourly.every,
    daily: daySeconds,
    weekly: 7 * daySeconds,
    monthly: 31 * daySeconds,
  }[tier];
}

/** The names of the stores that a tier's backups are sent to. */
export function storesOf(site: Pick<Site, "stores">, backups: Backups, tier: Tier): string[] {
  return backups[tier].stores ?? site.stores.filter(isWritable).map(({ name }) => name);
}

/** How old the newest backup of each class of data may be that a site has and that backups hold, in seconds. */
export function objectivesOfBackups(site: Site): Partial<Record<keyof typeof tiersOf, number>> {
  const has = {
    database: site.databases.length > 0,
    configuration: true,
    uploads: site.uploads.length + site.data.length > 0,
    logs: site.logs.length > 0,
    metrics: site.metrics !== undefined,
  };
  return Object.fromEntries(
    classesOfData.filter((name) => has[name]).map((name) => [name, site.objectives.rpo[name]]),
  );
}

/**
 * Why the objectives of a complete failure cannot be met: backups on the server are lost with it, so only those that were sent
 * elsewhere count. A line for each class of data whose newest backup there may be older than its RPO. Pure.
 */
export function shortfalls(site: Site): string[] {
  const { backups } = site;
  if (backups === undefined) return [];
  const objectives = objectivesOfBackups(site);
  return classesOfData.flatMap((name) => {
    const rpo = objectives[name];
    if (rpo === undefined) return [];
    const sent = tiersOf[name].filter((tier) => storesOf(site, backups, tier).length > 0);
    const oldest = Math.min(...sent.map((tier) => intervalSeconds(backups, tier)));
    if (oldest <= rpo) return [];
    return [
      sent.length === 0
        ? `${name} may be ${formatDuration(rpo)} old, and nothing that holds it is sent to another server`
        : `${name} may be ${formatDuration(rpo)} old, and is sent to another server every ${formatDuration(oldest)}`,
    ];
  });
}
