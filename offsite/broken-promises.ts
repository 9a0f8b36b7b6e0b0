import type { LifecycleRule } from "@aws-sdk/client-s3";
import type { Site } from "../site/schema.ts";
import { formatDuration } from "../site/units.ts";
import type { BucketDocuments } from "./bucket-documents.ts";
import { keptDays, type S3Store, tiersIn } from "./bucket-stay.ts";
import { intervalSeconds, storesOf, type Tier } from "./shortfalls.ts";
import { largestManifestBytes, storageClasses } from "./storage-classes.ts";

type Backups = NonNullable<Site["backups"]>;
type Rto = keyof Site["objectives"]["rto"];

/** Recoveries that go back to before the damage, whenever that was. */
const goBack: readonly Rto[] = ["databaseCorruption", "dataDeletion", "compromise"];
/** Recoveries from the newest backup. */
const fromNewest: readonly Rto[] = ["completeFailure", "databaseServerFailure"];

/**
 * What a bucket's lock and lifecycle rules would do to a site's backups that site.yaml promises otherwise: a line each, none when all is
 * kept. They may be those that we make, or those that a living bucket has. Pure.
 */
export function brokenPromises(
  site: Site,
  store: S3Store,
  { objectLock, lifecycle }: Pick<BucketDocuments, "objectLock" | "lifecycle">,
): string[] {
  const { backups } = site;
  if (backups === undefined) return [];
  const { Days: days = 0, Years: years = 0 } = objectLock.Rule?.DefaultRetention ?? {};
  const lockedDays = days + 365 * years;
  const rulesOf = (tier: Tier | "manual") =>
    lifecycle.filter((rule) => rule.Status === "Enabled" && touches(rule, `${store.path}/${tier}/`));
  const sent = tiersIn(site, store);
  return [
    ...sent.flatMap((tier) => [
      ...retention(tier, keptDays(backups, tier), lockedDays, rulesOf(tier)),
      ...transitions(tier, rulesOf(tier)),
      ...thawing(site, backups, tier, rulesOf(tier)),
    ]),
    ...(sent.includes("daily") ? rulesOf("manual").flatMap(forManual) : []),
  ];
}

function touches(rule: LifecycleRule, prefix: string): boolean {
  const { Filter: filter } = rule;
  const own = filter?.And?.Prefix ?? filter?.Prefix ?? prefixOfOldRules(rule) ?? "";
  return prefix.startsWith(own) || own.startsWith(prefix);
}

/** Rules that nobody touched since 2016 say it there. */
function prefixOfOldRules(rule: object): string | undefined {
  return "Prefix" in rule && typeof rule.Prefix === "string" ? rule.Prefix : undefined;
}

/** After how many days a rule removes what is there: at once, on a date of its own. */
function expiryDays({ Expiration: expiration }: LifecycleRule): number | undefined {
  return expiration?.Days ?? (expiration?.Date ? 0 : undefined);
}

function retention(tier: Tier, kept: number, locked: number, rules: LifecycleRule[]): string[] {
  return [
    ...(locked < kept
      ? [`${tier} backups are kept ${inDays(kept)}, and locked for ${inDays(locked)} alone`]
      : []),
    ...rules.flatMap((rule) => {
      const expiry = expiryDays(rule);
      const noncurrent = rule.NoncurrentVersionExpiration?.NoncurrentDays;
      const overwritten = noncurrent === undefined ? kept : Math.max(noncurrent, locked);
      return [
        ...(expiry !== undefined && expiry < kept
          ? [
              `${tier} backups are kept ${inDays(kept)}, and the rule ${named(rule)} removes them after ${inDays(expiry)}`,
            ]
          : []),
        ...(expiry !== undefined && expiry < locked
          ? [
              `${tier} backups are locked for ${inDays(locked)}, and the rule ${named(rule)} hides them after ${inDays(expiry)}`,
            ]
          : []),
        ...(overwritten < kept
          ? [
              `${tier} backups are kept ${inDays(kept)}, and the rule ${named(rule)} removes what was put over after ${inDays(overwritten)}`,
            ]
          : []),
      ];
    }),
  ];
}

function forManual(rule: LifecycleRule): string[] {
  const removes = expiryDays(rule) !== undefined || rule.NoncurrentVersionExpiration !== undefined;
  return removes ? [`manual backups are kept for ever, and the rule ${named(rule)} removes them`] : [];
}

interface Move {
  rule: LifecycleRule;
  afterDays: number;
  storageClass: keyof typeof storageClasses;
}

/** The moves of a tier's backups between storage classes, the first first. */
function movesOf(rules: LifecycleRule[]): Move[] {
  const moves = rules.flatMap((rule) =>
    (rule.Transitions ?? []).flatMap(({ Days: days, StorageClass: storageClass }) =>
      storageClass === undefined ? [] : [{ rule, afterDays: days ?? 0, storageClass }],
    ),
  );
  return moves.sort((one, other) => one.afterDays - other.afterDays);
}

function transitions(tier: Tier, rules: LifecycleRule[]): string[] {
  const moves = movesOf(rules);
  const expiry = Math.min(...rules.map((rule) => expiryDays(rule) ?? Infinity));
  return moves.flatMap(({ rule, afterDays, storageClass }, index) => {
    const { earliestDays, minimumDays } = storageClasses[storageClass];
    const leaves = Math.min(expiry, moves[index + 1]?.afterDays ?? Infinity);
    return [
      ...(afterDays < earliestDays
        ? [
            `the rule ${named(rule)} moves ${tier} backups to ${storageClass} after ${inDays(afterDays)}, and S3 moves nothing there before ${inDays(earliestDays)}`,
          ]
        : []),
      ...(leaves - afterDays < minimumDays
        ? [
            `the rule ${named(rule)} moves ${tier} backups to ${storageClass} after ${inDays(afterDays)}, which is billed for ${inDays(minimumDays)}, and they leave it after ${inDays(leaves)}`,
          ]
        : []),
    ];
  });
}

function thawing(site: Site, backups: Backups, tier: Tier, rules: LifecycleRule[]): string[] {
  return movesOf(rules).flatMap(({ rule, afterDays, storageClass }) => {
    const { thawSeconds } = storageClasses[storageClass];
    if (thawSeconds === 0) return [];
    const largest = rule.Filter?.And?.ObjectSizeGreaterThan ?? rule.Filter?.ObjectSizeGreaterThan ?? 0;
    const newestSeconds = Math.min(
      ...(["daily", "weekly", "monthly"] as const)
        .filter((full) => storesOf(site, backups, full).length > 0)
        .map((full) => intervalSeconds(backups, full)),
    );
    const affected = [...(newestSeconds > afterDays * 86_400 ? fromNewest : []), ...goBack];
    return [
      ...(largest < largestManifestBytes
        ? [
            `the rule ${named(rule)} moves manifests to ${storageClass}: no list of ${tier} backups could be read`,
          ]
        : []),
      ...affected
        .filter((scenario) => site.objectives.rto[scenario] <= thawSeconds)
        .map(
          (scenario) =>
            `${storageClass} gives ${tier} backups of more than ${inDays(afterDays)} back after up to ${formatDuration(thawSeconds)}, and objectives.rto.${scenario} is ${formatDuration(site.objectives.rto[scenario])}`,
        ),
    ];
  });
}

const named = ({ ID: id = "without a name" }: LifecycleRule) => id;
const inDays = (days: number) => `${days}d`;
