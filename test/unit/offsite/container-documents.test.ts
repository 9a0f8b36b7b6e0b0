import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { containerDocuments } from "../../../offsite/container-documents.ts";
import { containerRefusals, declaredContainers } from "../../../offsite/container-refusals.ts";
import { container, declaredContainer, declaring } from "./declared-site.ts";

const documentsOf = (store: object = {}, changes: object = {}) => {
  const made = declaredContainer(store, changes);
  return containerDocuments(made.site, made.store);
};

const rule = (name: string, days: number, cools: boolean) => ({
  name,
  type: "Lifecycle",
  enabled: true,
  definition: {
    filters: { blobTypes: ["blockBlob"], prefixMatch: [`backups/club/${name}/`] },
    actions: {
      baseBlob: {
        ...(cools ? { tierToCool: { daysAfterCreationGreaterThan: 0 } } : {}),
        delete: { daysAfterCreationGreaterThan: days },
      },
      version: { delete: { daysAfterCreationGreaterThan: days } },
    },
  },
});

test("a container for all tiers is locked for as long as the longest, in an account that nobody reads in public or in clear", () => {
  expect(documentsOf()).toEqual({
    resourceGroup: "club",
    account: {
      accountName: "photoclub",
      location: "westeurope",
      kind: "StorageV2",
      sku: { name: "Standard_ZRS" },
      minimumTlsVersion: "TLS1_2",
      enableHttpsTrafficOnly: true,
      allowBlobPublicAccess: false,
      allowCrossTenantReplication: false,
      allowSharedKeyAccess: true,
      immutableStorageWithVersioning: {
        enabled: true,
        immutabilityPolicy: {
          state: "Unlocked",
          immutabilityPeriodSinceCreationInDays: 365,
          allowProtectedAppendWrites: false,
        },
      },
    },
    service: {
      isVersioningEnabled: true,
      deleteRetentionPolicy: { enabled: true, days: 7 },
      containerDeleteRetentionPolicy: { enabled: true, days: 7 },
    },
    container: { containerName: "backups", publicAccess: "None" },
    rules: [
      rule("hourly", 365, false),
      rule("daily", 365, false),
      rule("weekly", 365, true),
      rule("monthly", 365, true),
    ],
  });
});

test("site.yaml chooses the lock, the copies, and how long each tier stays", () => {
  const { account, rules } = documentsOf(
    { declared: { ...container.declared, lock: "locked", redundancy: "GRS" } },
    { backups: { monthly: { stores: [] } } },
  );
  expect(account.sku.name).toBe("Standard_GRS");
  expect(account.immutableStorageWithVersioning.immutabilityPolicy).toMatchObject({
    state: "Locked",
    immutabilityPeriodSinceCreationInDays: 30,
  });
  // Cool is billed for 30 days: weekly backups leave it as they come to that.
  expect(rules).toEqual([
    rule("hourly", 30, false),
    rule("daily", 30, false),
    rule("weekly", 30, false),
    rule("monthly", 365, true),
  ]);
});

test.each([
  ["https://club.example.org/backups", "and it is https://club.example.org/backups"],
  ["https://Photo.blob.core.windows.net/backups", "and it is https://Photo."],
  ["https://photoclub.blob.core.windows.net/a/b", "and it is https://photoclub.blob.core.windows.net/a/b"],
  ["https://photoclub.blob.core.windows.net/-a-", "and it is https://photoclub.blob.core.windows.net/-a-"],
])("no account is made of the URL %s", (url, line) => {
  expect(containerRefusals(declaredContainer({ container: url }).site)).toEqual([
    expect.stringContaining(`stores.container: an account and a container are made of a URL such as`),
  ]);
  expect(containerRefusals(declaredContainer({ container: url }).site)[0]).toContain(line);
});

test.each(["https://club.blob.core.usgovcloudapi.net/kept", "https://club.blob.core.chinacloudapi.cn/kept"])(
  "an account of a cloud of its own is one: %s",
  (url) => {
    expect(containerRefusals(declaredContainer({ container: url }).site)).toEqual([]);
    expect(documentsOf({ container: url })).toMatchObject({
      account: { accountName: "club" },
      container: { containerName: "kept" },
    });
  },
);

test("what nothing is sent to, what is kept longer than Azure locks, and two in one account are refused", () => {
  expect(containerRefusals(declaredContainer({ writer: undefined }).site)).toEqual([
    expect.stringContaining("stores.container: no backups are sent there"),
  ]);
  expect(
    containerRefusals(declaredContainer({}, { backups: { monthly: { keep: "146001d" } } }).site),
  ).toEqual(["stores.container: Azure locks nothing for longer than 146000d, and backups are kept 146001d"]);
  const second = {
    ...container,
    name: "second",
    container: "https://photoclub.blob.core.windows.net/others",
  };
  expect(containerRefusals(declaring([container, second]))).toEqual([
    "stores.container: second declares the same account, photoclub, and an account has one lock for all in it",
    "stores.second: container declares the same account, photoclub, and an account has one lock for all in it",
  ]);
  expect(containerRefusals(declaring([{ ...container, declared: undefined }]))).toEqual([]);
});

const keep = fc
  .tuple(fc.integer({ min: 0, max: 2000 }), fc.constantFrom("min", "h", "d"))
  .map((parts) => parts.join(""));
const tier = fc.record({ keep, stores: fc.option(fc.subarray(["container"]), { nil: undefined }) });
const anySite = fc
  .record({ hourly: tier, daily: tier, weekly: tier, monthly: tier })
  .map((backups) => declaring([container], { backups }));

describe("of any site, a container that is not refused", () => {
  test("locks what each tier there promises for as long, and no rule ends it before its lock; manual ones are never removed", () => {
    let seen = 0;
    fc.assert(
      fc.property(anySite, (site) => {
        const [store] = declaredContainers(site);
        if (!store || !site.backups || containerRefusals(site).length > 0) return;
        seen += 1;
        const { account, rules } = containerDocuments(site, store);
        const locked =
          account.immutableStorageWithVersioning.immutabilityPolicy.immutabilityPeriodSinceCreationInDays;
        for (const name of ["hourly", "daily", "weekly", "monthly"] as const) {
          const { keep: kept, stores } = site.backups[name];
          if (stores === undefined || stores.length > 0) expect(locked * 86_400).toBeGreaterThanOrEqual(kept);
          const [only, ...others] = rules.filter(({ definition }) =>
            definition.filters.prefixMatch[0].startsWith(`backups/club/${name}/`),
          );
          expect(others).toEqual([]);
          const { baseBlob, version } = only?.definition.actions ?? {};
          for (const end of [baseBlob?.delete, version?.delete])
            expect(end?.daysAfterCreationGreaterThan).toBeGreaterThanOrEqual(
              Math.max(locked, Math.ceil(kept / 86_400)),
            );
        }
        const manual = "backups/club/manual/20260301T020000Z/MANIFEST.json";
        const touching = rules.filter(({ definition }) =>
          manual.startsWith(definition.filters.prefixMatch[0]),
        );
        expect(touching).toEqual([]);
      }),
      { numRuns: 300 },
    );
    expect(seen).toBeGreaterThan(100);
  });
});
