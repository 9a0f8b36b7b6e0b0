import { expect, test } from "vitest";
import { bucketRefusals, evidenceRefusals } from "../../../offsite/bucket-refusals.ts";
import { requireObjectives } from "../../../offsite/require-objectives.ts";
import { written } from "../runbook/small-site.ts";
import { bucket, declaredSite, siteWith } from "./declared-site.ts";

const refusals = (store: object, changes: object = {}) => bucketRefusals(declaredSite(store, changes).site);

test("a bucket is declared in a word, and a site without one is not judged", () => {
  expect(refusals({})).toEqual([]);
  expect(bucketRefusals(siteWith({ stores: [{ ...bucket, declared: undefined }] }))).toEqual([]);
});

test("a bucket of verdicts and records that cannot be made is refused with all that stands against it", () => {
  const evidence = (changes: object) => ({
    ...{ bucket: "club-evidence", path: "club", region: "eu-central-1", declared: {} },
    ...changes,
  });
  const refused = (changes: object) => evidenceRefusals(siteWith({ evidence: evidence(changes) }));
  expect(refused({})).toEqual([]);
  const kmsKey = "arn:aws:kms:eu-west-1:111122223333:key/0a1b";
  expect(
    refused({ bucket: `c${"l".repeat(60)}b`, path: "club$", declared: { keep: "36501d", kmsKey } }),
  ).toEqual([
    "evidence: S3 locks nothing for longer than 36500d, and what is there is kept 36501d",
    "evidence: its key is in eu-west-1, and the bucket in eu-central-1",
    "evidence: in a policy *, ? and $ stand for other characters, and its path is club$",
    expect.stringMatching(/^evidence: cl+b-operator is longer than the 64 letters/),
  ]);
  const accepted = ["no-public-access-block"];
  expect(refused({ declared: { accepted } })).toEqual([
    "evidence: AWS does all of it: `accepted` is about other servers",
  ]);
  expect(refused({ endpoint: "https://minio.example.org", declared: { accepted, kmsKey } })).toEqual([
    "evidence: `kmsKey` is a key of AWS, and it is not of AWS",
    "evidence: its key is in eu-west-1, and the bucket in eu-central-1",
  ]);
  expect(() => {
    requireObjectives(siteWith({ evidence: evidence({ path: "club$" }) }));
  }).toThrow("evidence: in a policy");
});

test.each([
  [
    "an archive that thaws too slowly for every recovery that may go back to it",
    { declared: { archive: "glacier-flexible" } },
    { objectives: { rto: { compromise: "5h" } } },
    [
      "GLACIER gives monthly backups of more than 30d back after up to 5h, and objectives.rto.databaseCorruption is 2h",
      "GLACIER gives monthly backups of more than 30d back after up to 5h, and objectives.rto.dataDeletion is 4h",
      "GLACIER gives monthly backups of more than 30d back after up to 5h, and objectives.rto.compromise is 5h",
    ],
  ],
  [
    "an archive that may hold the newest backup of all",
    { declared: { archive: "glacier-flexible" } },
    {
      backups: { hourly: { stores: [] }, daily: { stores: [] }, weekly: { stores: [] } },
      objectives: { rto: { databaseCorruption: "6h", dataDeletion: "6h" } },
    },
    [
      "GLACIER gives monthly backups of more than 30d back after up to 5h, and objectives.rto.completeFailure is 4h",
      "GLACIER gives monthly backups of more than 30d back after up to 5h, and objectives.rto.databaseServerFailure is 1h",
    ],
  ],
  [
    "an archive that is paid for longer than backups stay",
    { declared: { archive: "glacier-instant" } },
    { backups: { monthly: { keep: "119d" } } },
    [
      "the rule monthly-archive moves monthly backups to GLACIER_IR after 30d, which is billed for 90d, and they leave it after 119d",
    ],
  ],
  [
    "an archive of nothing",
    { declared: { archive: "glacier-instant" } },
    { backups: { monthly: { stores: [] } } },
    ["`archive` is about monthly backups, and none are sent there"],
  ],
  [
    "a lock that S3 does not have",
    {},
    { backups: { weekly: { keep: "36501d" } } },
    ["S3 locks nothing for longer than 36500d, and what is there is kept 36501d"],
  ],
  [
    "a bucket that nothing is sent to",
    { writer: undefined },
    {},
    [
      "no backups are sent there: it needs a `writer` (any accessKeyId, until it has one), and a place in `backups`",
    ],
  ],
  [
    "what only AWS has, at another server",
    {
      endpoint: "https://minio.example.org",
      declared: {
        archive: "glacier-instant",
        kmsKey: "arn:aws:kms:eu-central-1:111122223333:key/1234",
      },
    },
    {},
    [
      "`kmsKey` is a key of AWS, and it is not of AWS",
      "`archive` is about storage classes of AWS, and it is not of AWS",
    ],
  ],
  [
    "a weakening of AWS itself",
    { declared: { accepted: ["no-lifecycle"] } },
    {},
    ["AWS does all of it: `accepted` is about other servers"],
  ],
  [
    "a bucket without versions",
    { versions: false },
    {},
    ["a bucket that is declared keeps versions, and `versions: false` says that it does not"],
  ],
  [
    "a key of another region",
    { declared: { kmsKey: "arn:aws:kms:us-east-1:111122223333:key/0a1b" } },
    {},
    ["its key is in us-east-1, and the bucket in eu-central-1"],
  ],
  [
    "a path that a policy would read as many",
    { path: "club*" },
    {},
    ["in a policy *, ? and $ stand for other characters, and its path is club*"],
  ],
  [
    "a name too long for its accounts",
    { bucket: "b".repeat(58) },
    {},
    [
      `${"b".repeat(58)}-writer is longer than the 64 letters that IAM has for a name`,
      `${"b".repeat(58)}-reader is longer than the 64 letters that IAM has for a name`,
    ],
  ],
])("%s is refused", (_, store, changes, lines) => {
  expect(refusals(store, changes)).toEqual(lines.map((line) => `stores.bucket: ${line}`));
});

test("two stores cannot both be one bucket", () => {
  const stores = [bucket, { ...bucket, name: "other", path: "other" }];
  expect(bucketRefusals(siteWith({ stores }))).toEqual([
    "stores.bucket: other declares the same bucket, club-backups",
    "stores.other: bucket declares the same bucket, club-backups",
  ]);
});

test("an archive that thaws slowly is taken where the objectives give it the time", () => {
  const rto = { databaseCorruption: "6h", dataDeletion: "6h", compromise: "8h" };
  expect(refusals({ declared: { archive: "glacier-flexible" } }, { objectives: { rto } })).toEqual([]);
});

test("what the objectives and the buckets lack is said in one list", () => {
  const site = siteWith({
    stores: [...written.stores, { ...bucket, path: "club*" }],
    backups: { hourly: { every: "8h" } },
  });
  expect(() => {
    requireObjectives(site);
  }).toThrow(
    "the backups could not meet the objectives when the server is lost\n" +
      "database may be 6h old, and is sent to another server every 8h\n" +
      "stores.bucket: in a policy *, ? and $ stand for other characters, and its path is club*\n",
  );
  expect(() => {
    requireObjectives(declaredSite({ path: "club*" }).site);
  }).toThrow(
    "the stores that site.yaml declares could not keep what it promises\nstores.bucket: in a policy",
  );
});
