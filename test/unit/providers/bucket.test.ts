import type { LifecycleRule } from "@aws-sdk/client-s3";
import fc from "fast-check";
import { unknownValue } from "@pulumi/pulumi/runtime/rpc.js";
import { describe, expect, test } from "vitest";
import { differences, isHeld, type Document } from "../../../providers/bucket/documents.ts";
import { idOf, parseId } from "../../../providers/bucket/identity.ts";
import { diff, failuresOf, inputsIn, type BucketInputs } from "../../../providers/bucket/inputs.ts";
import { refusal } from "../../../providers/bucket/refusal.ts";
import { incapacity, isAbsent, storeFailure } from "../../../providers/bucket/store-failure.ts";
import { attempts, brokenPromises, weakened } from "../../../providers/bucket/weakenings.ts";

const daily: LifecycleRule = {
  ID: "daily",
  Status: "Enabled",
  Filter: { Prefix: "club/daily/" },
  Expiration: { Days: 30 },
};
const archive: LifecycleRule = {
  ID: "archive",
  Status: "Enabled",
  Filter: { And: { Prefix: "club/monthly/", ObjectSizeGreaterThan: 131072 } },
  Transitions: [{ Days: 30, StorageClass: "GLACIER_IR" }],
};
const remains: LifecycleRule = {
  ID: "remains",
  Status: "Enabled",
  Filter: { Prefix: "" },
  Expiration: { ExpiredObjectDeleteMarker: true },
  AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
};
const lifecycle = [daily, archive, remains];
const bucket: BucketInputs = {
  endpoint: "https://s3.example.net",
  region: "eu-central-1",
  bucket: "club-daily",
  versioning: { Status: "Enabled" },
  objectLock: {
    ObjectLockEnabled: "Enabled",
    Rule: { DefaultRetention: { Mode: "GOVERNANCE", Days: 30 } },
  },
  lifecycle: [
    { ID: "daily", Status: "Enabled", Filter: { Prefix: "club/daily/" }, Expiration: { Days: 30 } },
  ],
};

describe("a server holds a document", () => {
  const held: [string, Parameters<typeof isHeld>][] = [
    ["with its rules in another order", ["lifecycle", lifecycle, lifecycle.toReversed()]],
    [
      "with the prefix beside the filter, as older servers write it",
      ["lifecycle", [daily], [Object.assign({}, daily, { Filter: undefined, Prefix: "club/daily/" })]],
    ],
    ["with an empty filter for an empty prefix", ["lifecycle", [remains], [{ ...remains, Filter: {} }]]],
    [
      "with the one condition of a filter in an And",
      ["lifecycle", [daily], [{ ...daily, Filter: { And: { Prefix: "club/daily/" } } }]],
    ],
    [
      "with switches that are off",
      [
        "lifecycle",
        [daily],
        [{ ...daily, Expiration: { Days: 30, ExpiredObjectDeleteMarker: false }, Transitions: [] }],
      ],
    ],
    ["with a rule more that does nothing", ["lifecycle", [daily], [daily, { ...archive, Transitions: [] }]]],
    [
      "with 0 years of a lock in days",
      [
        "objectLock",
        { Rule: { DefaultRetention: { Mode: "GOVERNANCE", Days: 30 } } },
        { Rule: { DefaultRetention: { Mode: "GOVERNANCE", Days: 30, Years: 0 } } },
      ],
    ],
    [
      "with MFA delete that is off",
      ["versioning", { Status: "Enabled" }, { Status: "Enabled", MFADelete: "Disabled" }],
    ],
    [
      "with an encryption that nobody asked to be forbidden",
      [
        "encryption",
        { Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" } }] },
        {
          Rules: [
            {
              ApplyServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" },
              BucketKeyEnabled: false,
              BlockedEncryptionTypes: { EncryptionType: ["SSE-C"] },
            },
          ],
        },
      ],
    ],
    [
      "with the encryption that was asked to be forbidden",
      [
        "encryption",
        { Rules: [{ BlockedEncryptionTypes: { EncryptionType: ["SSE-C"] } }] },
        { Rules: [{ BlockedEncryptionTypes: { EncryptionType: ["SSE-C"] }, BucketKeyEnabled: false }] },
      ],
    ],
    [
      "with a policy in other words",
      [
        "policy",
        {
          Version: "2012-10-17",
          Statement: [
            { Effect: "Deny", Principal: "*", Action: ["s3:b", "s3:a"], Resource: ["r"] },
            {
              Effect: "Deny",
              Principal: "*",
              Action: "s3:*",
              Condition: { Bool: { "aws:SecureTransport": false } },
            },
          ],
        },
        {
          Id: "given-by-the-server",
          Version: "2012-10-17",
          Statement: [
            {
              Condition: { Bool: { "aws:SecureTransport": ["false"] } },
              Action: ["s3:*"],
              Effect: "Deny",
              Principal: { AWS: ["*"] },
            },
            { Effect: "Deny", Principal: { AWS: "*" }, Resource: "r", Action: ["s3:a", "s3:b"] },
          ],
        },
      ],
    ],
  ];
  test.each(held)("%s", (_, [name, declared, live]) => {
    expect(isHeld(name, declared, live)).toBe(true);
    expect(differences(name, declared, live)).toEqual([]);
  });

  const notHeld: [string, Parameters<typeof isHeld>, string[]][] = [
    [
      "that it dropped",
      ["versioning", { Status: "Enabled" }, undefined],
      ["it was put, and the server has none when it is asked"],
    ],
    [
      "without the prefix of a rule",
      ["lifecycle", [daily], [{ ...daily, Filter: {} }]],
      ['[daily].Filter.Prefix: "club/daily/" was declared, the server answers nothing'],
    ],
    [
      "with other days",
      ["lifecycle", [daily], [{ ...daily, Expiration: { Days: 3 } }]],
      ["[daily].Expiration.Days: 30 was declared, the server answers 3"],
    ],
    [
      "with a rule more, which expires everything",
      ["lifecycle", [daily], [daily, { ID: "x", Status: "Enabled", Filter: {}, Expiration: { Days: 1 } }]],
      [
        "[x].Expiration.Days: nothing was declared, the server answers 1",
        '[x].ID: nothing was declared, the server answers "x"',
        '[x].Status: nothing was declared, the server answers "Enabled"',
      ],
    ],
    [
      "without the encryption that was asked to be forbidden",
      ["encryption", { Rules: [{ BlockedEncryptionTypes: { EncryptionType: ["SSE-C"] } }] }, { Rules: [{}] }],
      ['Rules[0].BlockedEncryptionTypes.EncryptionType[0]: "SSE-C" was declared, the server answers nothing'],
    ],
    [
      "with a policy that no longer denies plain HTTP",
      [
        "policy",
        { Statement: [{ Effect: "Deny", Condition: { Bool: { "aws:SecureTransport": "false" } } }] },
        { Statement: [{ Effect: "Deny", Condition: { Bool: { "aws:SecureTransport": "true" } } }] },
      ],
      ['Statement[0].Condition.Bool.aws:SecureTransport[0]: "false" was declared, the server answers "true"'],
    ],
  ];
  test.each(notHeld)("but not one %s", (_, [name, declared, live], lines) => {
    expect(isHeld(name, declared, live)).toBe(false);
    expect(differences(name, declared, live)).toEqual(lines);
  });

  test("and of one that differs in many lines the first two are told, and how many more there are", () => {
    expect(differences("lifecycle", lifecycle, [{ ...remains, Status: "Disabled" }])).toEqual([
      '[remains].Status: "Enabled" was declared, the server answers "Disabled"',
      "[daily].Expiration.Days: 30 was declared, the server answers nothing",
      "and 9 lines more",
    ]);
  });

  test("that is itself, whatever its rules", () => {
    const rule = fc.record(
      {
        ID: fc.string({ minLength: 1 }),
        Status: fc.constantFrom("Enabled" as const, "Disabled" as const),
        Filter: fc.record({ Prefix: fc.string() }),
        Expiration: fc.record({ Days: fc.integer({ min: 1 }) }),
        NoncurrentVersionExpiration: fc.record({ NoncurrentDays: fc.integer({ min: 1 }) }),
      },
      { requiredKeys: ["ID", "Status", "Filter", "Expiration"] },
    );
    fc.assert(
      fc.property(fc.array(rule, { minLength: 1 }), fc.nat(), (rules, place) => {
        expect(isHeld("lifecycle", rules, rules.toReversed())).toBe(true);
        const at = place % rules.length;
        const shorter = rules.map((each, index) =>
          index === at ? { ...each, Expiration: { Days: each.Expiration.Days + 1 } } : each,
        );
        expect(isHeld("lifecycle", rules, shorter)).toBe(false);
      }),
    );
  });
});

describe("what is accepted", () => {
  test("is tried only after what was declared, and what leaves least out first", () => {
    expect(
      attempts("lifecycle", lifecycle, [
        "no-lifecycle",
        "no-object-lock",
        "no-removal-of-unfinished-uploads",
        "no-lifecycle-transitions",
      ]),
    ).toEqual([
      { document: lifecycle, weakenings: [] },
      { document: [daily, remains], weakenings: ["no-lifecycle-transitions"] },
      {
        document: [daily, archive, { ...remains, AbortIncompleteMultipartUpload: undefined }],
        weakenings: ["no-removal-of-unfinished-uploads"],
      },
      {
        document: [daily, { ...remains, AbortIncompleteMultipartUpload: undefined }],
        weakenings: ["no-lifecycle-transitions", "no-removal-of-unfinished-uploads"],
      },
      { weakenings: ["no-lifecycle"] },
    ]);
    expect(attempts("versioning", { Status: "Enabled" }, [])).toEqual([
      { document: { Status: "Enabled" }, weakenings: [] },
    ]);
  });

  test("of a part that is not declared makes no other attempt", () => {
    expect(attempts("lifecycle", [daily], ["no-lifecycle-transitions"])).toEqual([
      { document: [daily], weakenings: [] },
    ]);
  });

  test("leaves a document that is compared with the server's at a refresh", () => {
    expect(weakened("lifecycle", lifecycle, ["no-expiry-of-old-versions", "no-object-lock"])).toEqual([
      daily,
      archive,
      { ...remains, Expiration: undefined },
    ]);
    expect(weakened("objectLock", bucket.objectLock, ["no-object-lock"])).toBeUndefined();
    expect(weakened("policy", undefined, [])).toBeUndefined();
  });
});

describe("a refusal", () => {
  const broken: [string, Document | undefined, string[]][] = [
    [
      "transitions that the server dropped",
      [daily, { ...archive, Transitions: [] }, remains],
      ["no-lifecycle-transitions"],
    ],
    [
      "a size in the filter of a transition",
      [daily, { ...archive, Filter: { Prefix: "club/monthly/" } }, remains],
      ["no-lifecycle-transitions"],
    ],
    ["an expiry without its prefix", [{ ...daily, Filter: {} }, archive, remains], ["no-lifecycle"]],
    ["all of it", undefined, ["no-lifecycle"]],
  ];
  test.each(broken)("names the promise that is broken by %s", (_, live, names) => {
    expect(brokenPromises("lifecycle", lifecycle, live)).toEqual(names);
  });

  test("is three lines: the promise, what the server says and what follows, what can be done", () => {
    expect(
      refusal({ ...bucket, accepted: ["no-policy"] }, "objectLock", {
        because: "the server refuses it: NotImplemented, HTTP 501: no",
        broken: ["no-object-lock"],
      }),
    ).toMatchObject({
      exitCode: 4,
      message: [
        "the bucket club-daily at https://s3.example.net does not promise that nobody deletes a backup before its retention ends",
        "the server refuses it: NotImplemented, HTTP 501: no. So whoever may delete in the bucket, by a stolen key too, destroys every backup in it",
        'most servers lock only a bucket that is made with a lock: declare one of another name, or choose a store that can; or accept it by name, for which the outputs then state it: accepted: ["no-policy", "no-object-lock"]',
      ].join("\n"),
    });
  });
});

describe("an error of a server", () => {
  const error = (name: string, httpStatusCode: number | undefined, message = "so it is") =>
    Object.assign(new Error(message), { name, $metadata: { httpStatusCode } });

  test("means that it cannot, or something else, such as a missing right", () => {
    expect(incapacity(error("NotImplemented", 501))).toBe("NotImplemented, HTTP 501: so it is");
    expect(incapacity(error("Whatever", 501))).toBe("Whatever, HTTP 501: so it is");
    expect(incapacity(error("MalformedXML", 400))).toBe("MalformedXML, HTTP 400: so it is");
    for (const other of [
      error("AccessDenied", 403),
      error("ExpiredToken", 400),
      error("SlowDown", 503),
      error("TimeoutError", undefined),
    ])
      expect(incapacity(other)).toBeUndefined();
  });

  test("means that a document is not there, but never that a bucket is", () => {
    expect(isAbsent(error("NoSuchLifecycleConfiguration", 404))).toBe(true);
    expect(isAbsent(error("NotImplemented", 501))).toBe(true);
    expect(isAbsent(error("NoSuchBucket", 404))).toBe(false);
    expect(isAbsent(error("AccessDenied", 403))).toBe(false);
  });

  test("is told in one line of bounded length", () => {
    const page = error("Unknown", 502, `<html>\n${"x".repeat(5000)}`);
    const { why } = storeFailure("reading it", "https://s3.example.net", page);
    expect(why).toMatch(/^Unknown, HTTP 502: <html> x+$/);
    expect(why.length).toBeLessThan(350);
  });
});

describe("the inputs", () => {
  const wrong = (more: Record<string, unknown>) =>
    failuresOf({ ...bucket, ...more }).map(({ reason }) => reason);

  test("pass as they are, or when a part is not known yet", () => {
    expect(wrong({})).toEqual([]);
    expect(wrong({ bucket: unknownValue, lifecycle: [{ ID: unknownValue }] })).toEqual([]);
  });

  test("are refused for what the SDK would leave out in silence, all at once", () => {
    expect(
      wrong({
        endpoint: "http://s3.example.net",
        secretAccessKey: "x",
        lifecycle: [{ ...bucket.lifecycle?.[0], Expiration: { Day: 3 } }],
        accepted: ["everything"],
      }),
    ).toEqual([
      "endpoint: must be https://HOST, without account, ? or #",
      'lifecycle.0.Expiration: Unrecognized key: "Day"',
      expect.stringMatching(/^accepted\.0: Invalid option: expected one of "no-versioning"/),
      'Unrecognized key: "secretAccessKey"',
    ]);
  });

  test("are refused with a lock without versions, or two rules of one name", () => {
    expect(wrong({ versioning: undefined })).toEqual([
      "versioning: is missing, and a lock holds versions of objects",
    ]);
    expect(wrong({ lifecycle: [bucket.lifecycle?.[0], bucket.lifecycle?.[0]] })).toEqual([
      "lifecycle: two rules have the ID daily",
    ]);
  });

  test("replace the bucket when it is another, update it for other documents, and are the same in another order", () => {
    const rules = [...(bucket.lifecycle ?? []), { ...bucket.lifecycle?.[0], ID: "b" }] as NonNullable<
      BucketInputs["lifecycle"]
    >;
    const two = { ...bucket, lifecycle: rules };
    expect(diff(two, { ...two, lifecycle: rules.toReversed() })).toEqual({ changes: false, replaces: [] });
    expect(diff(two, bucket)).toEqual({ changes: true, replaces: [] });
    expect(diff(bucket, { ...bucket, accepted: ["no-policy"] })).toEqual({ changes: true, replaces: [] });
    expect(diff(bucket, { ...bucket, onDelete: "keep" })).toEqual({ changes: false, replaces: [] });
    expect(diff(bucket, { ...bucket, onDelete: "delete-when-empty" })).toMatchObject({ changes: true });
    expect(diff(bucket, { ...bucket, bucket: "other" })).toEqual({ changes: true, replaces: ["bucket"] });
  });

  test("are found in the state, without what only stands there", () => {
    expect(inputsIn({ ...bucket, weakenings: [], id: "x" })).toEqual(bucket);
  });
});

describe("the id of a bucket", () => {
  test("holds all that it takes to find it", () => {
    expect(idOf(bucket)).toBe("https://s3.example.net/club-daily?region=eu-central-1");
    for (const endpoint of ["https://s3.example.net", "https://10.0.0.1:9000/s3"])
      expect(parseId(idOf({ ...bucket, endpoint }))).toEqual({
        endpoint,
        region: "eu-central-1",
        bucket: "club-daily",
      });
  });

  test("is refused without a region, or with an account in it, which is not repeated", () => {
    for (const id of ["club-daily", "https://s3.example.net/club-daily", "https://a:hunter2@b/club?region=x"])
      expect(() => parseId(id)).toThrow("the id names no bucket");
    expect(() => parseId("https://a:hunter2@b/club?region=x")).not.toThrow("hunter2");
  });
});
