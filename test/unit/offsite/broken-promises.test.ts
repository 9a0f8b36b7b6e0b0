import type { LifecycleRule } from "@aws-sdk/client-s3";
import { expect, test } from "vitest";
import { brokenPromises } from "../../../offsite/broken-promises.ts";
import { type BucketDocuments, bucketDocuments } from "../../../offsite/bucket-documents.ts";
import { declaredSite } from "./declared-site.ts";

/** Hourly and daily backups are sent there, for a week at the longest. */
const { site, store } = declaredSite({}, { backups: { weekly: { stores: [] }, monthly: { stores: [] } } });
const documents = bucketDocuments(site, store);
const broken = (changes: Partial<BucketDocuments>) =>
  brokenPromises(site, store, { ...documents, ...changes });
const withRule = (rule: Partial<LifecycleRule>) =>
  broken({ lifecycle: [...documents.lifecycle, { ID: "theirs", Status: "Enabled", ...rule }] });

test("a bucket that is as we make it breaks none", () => {
  expect(broken({})).toEqual([]);
});

test("a lock that is gone, or shorter than a tier is kept, breaks the promise of that tier", () => {
  expect(broken({ objectLock: {} })).toContain("daily backups are kept 7d, and locked for 0d alone");
  const locked = (retention: object) =>
    broken({ objectLock: { ObjectLockEnabled: "Enabled", Rule: { DefaultRetention: retention } } });
  expect(locked({ Mode: "GOVERNANCE", Days: 6 })).toEqual([
    "daily backups are kept 7d, and locked for 6d alone",
    // And then the first of what was put over is not kept either.
    "daily backups are kept 7d, and the rule daily removes what was put over after 6d",
  ]);
  expect(locked({ Mode: "GOVERNANCE", Years: 1 })).toEqual([
    "hourly backups are locked for 365d, and the rule hourly hides them after 7d",
    "daily backups are locked for 365d, and the rule daily hides them after 7d",
  ]);
});

const ofOld: object = { Prefix: "club/manual/", Expiration: { Days: 1 } };

test.each<[string, Partial<LifecycleRule>, string[]]>([
  [
    "removes all of the bucket after five days",
    { Expiration: { Days: 5 } },
    [
      "hourly backups are locked for 7d, and the rule theirs hides them after 5d",
      "daily backups are kept 7d, and the rule theirs removes them after 5d",
      "daily backups are locked for 7d, and the rule theirs hides them after 5d",
      "manual backups are kept for ever, and the rule theirs removes them",
    ],
  ],
  [
    "removes a part of a tier on a date",
    { Filter: { Prefix: "club/daily/2026" }, Expiration: { Date: new Date(0) } },
    [
      "daily backups are kept 7d, and the rule theirs removes them after 0d",
      "daily backups are locked for 7d, and the rule theirs hides them after 0d",
    ],
  ],
  [
    "says its prefix as rules of old did",
    ofOld,
    ["manual backups are kept for ever, and the rule theirs removes them"],
  ],
  ["is of another site", { Filter: { Prefix: "other/" }, Expiration: { Days: 1 } }, []],
  ["is off", { Status: "Disabled", Expiration: { Days: 1 } }, []],
  [
    "moves too early, and out again",
    {
      Filter: { Prefix: "club/hourly/" },
      Transitions: [
        { Days: 10, StorageClass: "STANDARD_IA" },
        { Days: 5, StorageClass: "INTELLIGENT_TIERING" },
      ],
    },
    [
      "the rule theirs moves hourly backups to STANDARD_IA after 10d, and S3 moves nothing there before 30d",
      "the rule theirs moves hourly backups to STANDARD_IA after 10d, which is billed for 30d, and they leave it after 7d",
    ],
  ],
])("a rule that %s", (_, rule, lines) => {
  expect(withRule(rule)).toEqual(lines);
});

test("a rule that freezes manifests leaves no list of backups", () => {
  const rule = {
    Filter: { Prefix: "club/daily/" },
    Transitions: [{ Days: 1, StorageClass: "DEEP_ARCHIVE" as const }],
  };
  expect(withRule(rule)).toContain(
    "the rule theirs moves manifests to DEEP_ARCHIVE: no list of daily backups could be read",
  );
});
