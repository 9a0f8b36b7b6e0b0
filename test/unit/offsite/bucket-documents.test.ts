import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { manifestBytes } from "../../../backups/point-manifest.ts";
import { brokenPromises } from "../../../offsite/broken-promises.ts";
import { bucketDocuments, evidenceDocuments } from "../../../offsite/bucket-documents.ts";
import { bucketRefusals, declaredStores } from "../../../offsite/bucket-refusals.ts";
import { infrequentTiers, tiersIn } from "../../../offsite/bucket-stay.ts";
import { largestManifestBytes, storageClasses } from "../../../offsite/storage-classes.ts";
import { bucket, declaredSite, siteWith } from "./declared-site.ts";

const documentsOf = (store: object = {}, changes: object = {}) => {
  const made = declaredSite(store, changes);
  return bucketDocuments(made.site, made.store);
};
const expiry = (days: number) => ({
  Expiration: { Days: days },
  NoncurrentVersionExpiration: { NoncurrentDays: 1 },
});
const remains = {
  ID: "remains",
  Status: "Enabled",
  Filter: { Prefix: "" },
  Expiration: { ExpiredObjectDeleteMarker: true },
  AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
};

test("a bucket for all tiers is locked for as long as the longest, and lets none go before", () => {
  const { policy, writer, reader, ...documents } = documentsOf();
  expect(documents).toEqual({
    bucket: "club-backups",
    region: "eu-central-1",
    accepted: [],
    versioning: { Status: "Enabled" },
    objectLock: {
      ObjectLockEnabled: "Enabled",
      Rule: { DefaultRetention: { Mode: "GOVERNANCE", Days: 365 } },
    },
    lifecycle: [
      { ID: "hourly", Status: "Enabled", Filter: { Prefix: "club/hourly/" }, ...expiry(365) },
      { ID: "daily", Status: "Enabled", Filter: { Prefix: "club/daily/" }, ...expiry(365) },
      { ID: "weekly", Status: "Enabled", Filter: { Prefix: "club/weekly/" }, ...expiry(365) },
      { ID: "monthly", Status: "Enabled", Filter: { Prefix: "club/monthly/" }, ...expiry(365) },
      {
        ID: "monthly-archive",
        Status: "Enabled",
        Filter: { And: { Prefix: "club/monthly/", ObjectSizeGreaterThan: 131_072 } },
        Transitions: [{ Days: 30, StorageClass: "GLACIER_IR" }],
      },
      remains,
    ],
    encryption: {
      Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" }, BucketKeyEnabled: false }],
    },
    publicAccessBlock: {
      BlockPublicAcls: true,
      IgnorePublicAcls: true,
      BlockPublicPolicy: true,
      RestrictPublicBuckets: true,
    },
    ownership: { Rules: [{ ObjectOwnership: "BucketOwnerEnforced" }] },
  });
  expect([writer.name, reader.name]).toEqual(["club-backups-writer", "club-backups-reader"]);
  expect(policy.Statement.map(({ Sid }) => Sid)).toEqual([
    "OnlyOverTls",
    "NoKeysOfWhoeverWrites",
    "NobodyDeletes",
  ]);
});

test("a bucket for the short tiers is locked for those alone; what was sent there before by another goes in its time", () => {
  const backups = { weekly: { stores: ["long"] }, monthly: { stores: ["long"] } };
  const long = { ...bucket, name: "long", bucket: "club-long" };
  const [store] = declaredStores(siteWith({ stores: [bucket, long], backups }));
  if (!store) throw new Error("none is declared");
  const { objectLock, lifecycle } = bucketDocuments(siteWith({ stores: [bucket, long], backups }), store);
  expect(objectLock.Rule?.DefaultRetention?.Days).toBe(7);
  expect(lifecycle.map(({ ID, Expiration }) => [ID, Expiration?.Days])).toEqual([
    ["hourly", 7],
    ["daily", 7],
    ["weekly", 30],
    ["monthly", 365],
    ["remains", undefined],
  ]);
});

test("a bucket of verdicts and records is locked as site.yaml says, has no rule that removes them, and nothing of the site's server", () => {
  const evidence = { bucket: "club-evidence", path: "club", region: "eu-central-1", declared: {} };
  const made = evidenceDocuments(siteWith({ evidence }));
  expect(made?.objectLock.Rule).toEqual({ DefaultRetention: { Mode: "GOVERNANCE", Days: 365 } });
  expect(made?.lifecycle).toEqual([remains]);
  expect(made?.reader.name).toBe("club-evidence-operator");
  expect(made?.writer).toBeUndefined();
  const longer = { ...evidence, declared: { keep: "36h", lock: "compliance" } };
  expect(evidenceDocuments(siteWith({ evidence: longer }))?.objectLock.Rule).toEqual({
    DefaultRetention: { Mode: "COMPLIANCE", Days: 2 },
  });
  expect(evidenceDocuments(siteWith({ evidence: { ...evidence, declared: undefined } }))).toBeUndefined();
  expect(evidenceDocuments(siteWith({}))).toBeUndefined();
});

test("site.yaml chooses the lock, the key and the archive", () => {
  const kmsKey = "arn:aws:kms:eu-central-1:111122223333:key/0a1b";
  const { objectLock, encryption, lifecycle } = documentsOf(
    { declared: { lock: "compliance", archive: "glacier-flexible", kmsKey } },
    { backups: { monthly: { keep: "36h" } } },
  );
  expect(objectLock.Rule).toEqual({ DefaultRetention: { Mode: "COMPLIANCE", Days: 30 } });
  expect(encryption.Rules).toEqual([
    {
      ApplyServerSideEncryptionByDefault: { SSEAlgorithm: "aws:kms", KMSMasterKeyID: kmsKey },
      BucketKeyEnabled: true,
    },
  ]);
  expect(lifecycle.find(({ ID }) => ID === "monthly-archive")).toMatchObject({
    Filter: { And: { ObjectSizeGreaterThan: 1024 ** 2 } },
    Transitions: [{ Days: 30, StorageClass: "GLACIER" }],
  });
});

test.each([
  ["none", "365d", []],
  [undefined, "119d", []],
  [undefined, "120d", ["GLACIER_IR"]],
])("archive %s, monthly backups kept %s: moved to %j", (archive, keep, classes) => {
  const { lifecycle } = documentsOf({ declared: { archive } }, { backups: { monthly: { keep } } });
  expect(
    lifecycle.flatMap(({ Transitions }) => (Transitions ?? []).map(({ StorageClass }) => StorageClass)),
  ).toEqual(classes);
});

test("what may freeze is larger than any manifest", () => {
  expect(largestManifestBytes).toBe(manifestBytes);
});

test("full backups of infrequent access are those that stay for a month, in a bucket that we declare", () => {
  const of = (store: object, backups: object) => {
    const made = declaredSite(store, { backups });
    return infrequentTiers(made.site, made.store);
  };
  expect(of({}, {})).toEqual(["weekly", "monthly"]);
  const apart = { hourly: { stores: [] }, daily: { stores: [] }, monthly: { stores: [] } };
  expect(of({}, { ...apart, weekly: { keep: "29d" } })).toEqual(["monthly"]);
  expect(of({}, { ...apart, weekly: { keep: "30d" } })).toEqual(["weekly", "monthly"]);
  const { site, store } = declaredSite();
  expect(infrequentTiers(site, { ...store, declared: undefined })).toEqual([]);
});

const subset = fc.option(fc.subarray(["bucket", "second"]), { nil: undefined });
const keep = fc
  .tuple(fc.integer({ min: 0, max: 2000 }), fc.constantFrom("min", "h", "d"))
  .map((parts) => parts.join(""));
const tier = fc.record({ keep, stores: subset });
const declared = fc.record(
  {
    lock: fc.constantFrom("governance", "compliance"),
    archive: fc.constantFrom("none", "glacier-instant", "glacier-flexible"),
  },
  { requiredKeys: [] },
);
const anySite = fc
  .record({
    backups: fc.record({ hourly: tier, daily: tier, weekly: tier, monthly: tier }),
    declared: fc.tuple(declared, declared),
    path: fc
      .stringMatching(/^[a-z0-9 _./é*-]{1,12}$/)
      .filter((path) => !/^\/|\/$|\/\/|(^|\/)\.\.?(\/|$)/.test(path)),
    rto: fc.integer({ min: 1, max: 48 }).map((hours) => `${hours}h`),
  })
  .map(({ backups, declared: [first, second], path, rto }) =>
    siteWith({
      backups,
      stores: [
        { ...bucket, path, declared: first },
        { ...bucket, name: "second", bucket: "club-second", path, declared: second },
      ],
      objectives: { rto: { dataDeletion: rto, compromise: rto, databaseCorruption: rto } },
    }),
  );

describe("of any site, a bucket that is not refused", () => {
  const holds = (
    check: (made: ReturnType<typeof declaredSite>, documents: ReturnType<typeof bucketDocuments>) => void,
  ) => {
    let seen = 0;
    fc.assert(
      fc.property(anySite, (site) => {
        for (const store of declaredStores(site)) {
          if (bucketRefusals(site).some((line) => line.startsWith(`stores.${store.name}: `))) continue;
          seen += 1;
          check({ site, store }, bucketDocuments(site, store));
        }
      }),
      { numRuns: 300 },
    );
    expect(seen).toBeGreaterThan(100);
  };

  test("locks what each tier there promises for as long, and no rule ends it before its lock", () => {
    holds(({ site, store }, { objectLock, lifecycle }) => {
      const locked = objectLock.Rule?.DefaultRetention?.Days ?? 0;
      for (const name of tiersIn(site, store)) {
        if (!site.backups) continue;
        expect(locked * 86_400).toBeGreaterThanOrEqual(site.backups[name].keep);
        const rules = lifecycle.filter(({ Filter }) => Filter?.Prefix === `${store.path}/${name}/`);
        expect(rules.map(({ ID }) => ID)).toEqual([name]);
        expect(rules[0]?.Expiration?.Days).toBeGreaterThanOrEqual(locked);
      }
    });
  });

  test("moves nothing that could not be moved so soon, or leaves before it is paid for", () => {
    holds((_, { lifecycle }) => {
      const monthly = lifecycle.find(({ ID }) => ID === "monthly")?.Expiration?.Days ?? 0;
      for (const { Days = 0, StorageClass = "STANDARD_IA" } of lifecycle.flatMap(
        ({ Transitions }) => Transitions ?? [],
      )) {
        expect(Days).toBeGreaterThanOrEqual(storageClasses[StorageClass].earliestDays);
        expect(monthly - Days).toBeGreaterThanOrEqual(storageClasses[StorageClass].minimumDays);
      }
    });
  });

  test("freezes nothing where an objective gives no time to thaw it, and no manifest", () => {
    holds(({ site }, { lifecycle }) => {
      for (const { Transitions, Filter } of lifecycle) {
        if (Transitions?.[0]?.StorageClass !== "GLACIER") continue;
        expect(site.objectives.rto.compromise).toBeGreaterThan(5 * 3600);
        expect(Filter?.And?.ObjectSizeGreaterThan).toBeGreaterThanOrEqual(manifestBytes);
      }
    });
  });

  test("breaks no promise, as whoever looks at a living bucket finds them broken", () => {
    holds(({ site, store }, documents) => {
      expect(brokenPromises(site, store, documents)).toEqual([]);
    });
  });

  test("has rules that S3 takes: names once, prefixes apart, at most a thousand", () => {
    holds((_, { lifecycle }) => {
      const names = lifecycle.map(({ ID }) => ID);
      expect(new Set(names).size).toBe(names.length);
      for (const { Expiration, Filter } of lifecycle) {
        if (Expiration?.Days !== undefined) expect(Expiration.Days).toBeGreaterThan(0);
        if (Filter?.And !== undefined) expect(Object.keys(Filter)).toEqual(["And"]);
      }
    });
  });
});
