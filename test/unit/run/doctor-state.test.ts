import { describe, expect, test } from "vitest";
import { judgeBackend, judgePassphrase } from "../../../run/doctor-state.ts";
import { bucket, siteWith } from "../offsite/declared-site.ts";

describe("what opens a stack", () => {
  /** By Pulumi 3.259.0, with the passphrase `abc`. */
  const salt = "v1:x4fCTn1didQ=:v1:ojs1rkFqMPb//TEM:cypW1YA3MQAVAL4dwy+8sGCA3E6uLg==";
  const judged = (phrase: string | undefined, state: { salt?: string } = { salt }, type = "passphrase") => {
    const { level, seen } = judgePassphrase("club.offsite", { type, state }, phrase);
    return [level, seen];
  };

  test.each([
    ["abc", "ok", "the passphrase that is at hand opens it"],
    ["wrong", "bad", "the passphrase that is at hand is not the one that it was made with"],
    ["", "bad", "the passphrase that is at hand is not the one that it was made with"],
    [undefined, "bad", "its passphrase is not at hand: neither PULUMI_CONFIG_PASSPHRASE nor"],
  ])("is tried: %s", (phrase, level, seen) => {
    expect(judged(phrase)).toEqual([level, expect.stringContaining(seen)]);
  });

  test("is not called well where it cannot be tried", () => {
    expect(judged("abc", {}, "cloud")).toEqual([
      "not seen",
      "whether its secrets can be opened: they are by cloud",
    ]);
    expect(judged("abc", { salt: "v2:other" })).toEqual(["bad", expect.any(String)]);
    expect(judgePassphrase("club.offsite", undefined, undefined)).toMatchObject({ level: "ok" });
  });
});

test.each([
  ["s3://club-backups", "bad", "it lies in the bucket of the store bucket: both are lost together"],
  [
    "s3://elsewhere?region=eu-central-1&awssdk=v2",
    "not seen",
    "it lies in eu-central-1, as the store bucket does: whether in the same account is not known here",
  ],
  ["s3://elsewhere?region=eu-west-1", "not seen", "whether its bucket is in the account"],
  ["file:///home/anna/pulumi", "not seen", "it lies on this computer: whether that is backed up"],
])("a backend at %s is %s", (url, level, seen) => {
  expect(judgeBackend(url, siteWith({ stores: [bucket] }))).toEqual([
    expect.objectContaining({ level, seen: expect.stringContaining(seen) as string }),
  ]);
});

test("a backend of a service of its own is nowhere that the site could be", () => {
  expect(judgeBackend("https://app.pulumi.com/anna", siteWith({ stores: [bucket] }))).toEqual([]);
});
