import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { azureBlobStore } from "../../../backups/stores/azure-blob.ts";
import { type Entry, lastWords } from "../../../backups/stores/rclone.ts";
import { firstVersions, s3Store } from "../../../backups/stores/s3.ts";
import { openStore } from "../../../backups/stores/open-store.ts";
import { siteSchema, type Store } from "../../../site/schema.ts";

type StoreOf<Kind> = Extract<Store, { kind: Kind }>;
const parsed = (written: object) => siteSchema.shape.stores.parse([written])[0];
const bucket = (more: object = {}) =>
  parsed({ kind: "s3", name: "bucket", bucket: "kept", path: "club", ...more }) as StoreOf<"s3">;
const reader = { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "READER" };

afterEach(() => {
  vi.unstubAllEnvs();
});

test("a bucket is read with the reader's key, in its region, and never made", () => {
  const { remote } = s3Store(bucket({ region: "eu-central-1", reader }), "the secret");
  expect(remote).toEqual({
    path: "store:kept/club/",
    environment: {
      RCLONE_CONFIG_STORE_TYPE: "s3",
      RCLONE_CONFIG_STORE_PROVIDER: "AWS",
      RCLONE_CONFIG_STORE_REGION: "eu-central-1",
      RCLONE_CONFIG_STORE_ACCESS_KEY_ID: "AKIAEXAMPLE",
      RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY: "the secret",
      RCLONE_CONFIG_STORE_NO_CHECK_BUCKET: "true",
    },
  });
});

test("without a reader rclone is given what AWS' own programs would take, but for authorities that it cannot read", () => {
  vi.stubEnv("AWS_PROFILE", "operator");
  vi.stubEnv("AWS_CA_BUNDLE", "/etc/ssl/certs/ca-certificates.crt");
  const { environment } = s3Store(bucket(), undefined).remote;
  expect(environment).toMatchObject({ RCLONE_CONFIG_STORE_ENV_AUTH: "true", AWS_PROFILE: "operator" });
  expect(environment).not.toHaveProperty("AWS_CA_BUNDLE");
});

test("a server that is not AWS is asked where it is, and one without versions is not asked for them", () => {
  const endpoint = "https://minio.example.org";
  const { remote, versions } = s3Store(bucket({ endpoint, versions: false }), undefined);
  expect(remote.environment).toMatchObject({
    RCLONE_CONFIG_STORE_PROVIDER: "Other",
    RCLONE_CONFIG_STORE_ENDPOINT: endpoint,
  });
  expect(versions).toBeUndefined();
});

test("a container is read with a token, written with or without a question mark", () => {
  const container = "https://club.blob.core.windows.net/kept";
  const store = parsed({
    ...{ kind: "azure-blob", name: "container", container, path: "club", reader: "TOKEN" },
  }) as StoreOf<"azure-blob">;
  for (const token of ["?sp=rl&sig=x", "sp=rl&sig=x"]) {
    expect(azureBlobStore(store, token).remote).toEqual({
      path: "store:kept/club/",
      environment: {
        RCLONE_CONFIG_STORE_TYPE: "azureblob",
        RCLONE_CONFIG_STORE_SAS_URL: `${container}?sp=rl&sig=x`,
      },
    });
  }
});

const entry = (Path: string, time: string, Size = 1): Entry => ({
  Path,
  Name: Path.slice(Path.lastIndexOf("/") + 1),
  Size,
  ModTime: new Date(time),
  IsDir: false,
});

test("of all versions of an object the first counts, under the object's own name", () => {
  const listing = [
    entry("20260301T020000Z/config.tar.zst-v2026-03-01-020005-000.age", "2026-03-01T02:00:05Z", 10),
    entry("20260301T020000Z/config.tar.zst-v2026-03-02-110000-250.age", "2026-03-02T11:00:00.250Z", 20),
    entry("20260301T020000Z/config.tar.zst.age", "2026-03-03T00:00:00Z", 30),
    entry("20260301T020000Z/MANIFEST.json", "2026-03-01T02:00:06Z", 40),
  ];
  expect(firstVersions(listing, "daily")).toEqual([
    entry("20260301T020000Z/config.tar.zst.age", "2026-03-01T02:00:05Z", 10),
    entry("20260301T020000Z/MANIFEST.json", "2026-03-01T02:00:06Z", 40),
  ]);
});

test("an object that is only called like an older version puts nothing in the place of what was there", () => {
  const there = entry("p/MANIFEST.json", "2026-03-01T02:00:06Z");
  const forged = entry("p/MANIFEST-v2000-01-01-000000-000.json", "2026-03-05T00:00:00Z");
  expect(firstVersions([forged, there], "daily")).toEqual([there]);
});

test("an object that is called like a tier's folder, or a restore point's, takes the place of neither", () => {
  const folder = { ...entry("20260301T020000Z", "2026-11-27T00:00:00Z", -1), IsDir: true };
  const file = entry("20260301T020000Z", "2026-03-05T00:00:00Z");
  expect(firstVersions([file, folder], "daily")).toEqual([folder, file]);
});

test("what was put into the folder of a restore point long before its time does not count once the point has come", () => {
  const planted = entry("20260301T020000Z/MANIFEST-v2026-02-01-000000-000.json", "2026-02-01T00:00:00Z");
  const there = entry("20260301T020000Z/MANIFEST.json", "2026-03-01T02:10:00Z", 9);
  expect(firstVersions([planted, there], "daily")).toEqual([there]);
  const alone = { ...planted, Name: "MANIFEST.json", Path: "20260301T020000Z/MANIFEST.json" };
  expect(firstVersions([planted], "daily")).toEqual([alone]);
  // The folder of one point, as it is listed to be fetched.
  const within = (of: Entry) => ({ ...of, Path: of.Name });
  expect(firstVersions([within(planted), within(there)], "daily/20260301T020000Z")).toEqual([within(there)]);
});

test("whatever is put over objects later, what is read stays as it was", () => {
  const time = fc.date({ min: new Date("2026-03-02"), max: new Date("2026-12-31"), noInvalidDate: true });
  const original = entry("p/data-1.tar.zst.age", "2026-03-01T02:00:00Z", 5);
  const versioned = (moment: Date) =>
    `p/data-1.tar.zst-v${moment.toISOString().replace("T", "-").replaceAll(":", "").replace(".", "-").slice(0, -1)}.age`;
  fc.assert(
    fc.property(
      fc.array(time),
      fc.date({ noInvalidDate: true, min: new Date(0), max: new Date("2099-01-01") }),
      (later, claimed) => {
        const others = later.map((moment) => entry(versioned(moment), moment.toISOString(), 6));
        const forged = entry(versioned(claimed), "2027-01-01T00:00:00Z", 7);
        const old = {
          ...original,
          Name: versioned(original.ModTime).slice(2),
          Path: versioned(original.ModTime),
        };
        const seen = firstVersions(
          [forged, ...others, entry(original.Path, "2027-01-01T00:00:00Z", 8), old],
          "daily",
        );
        expect(seen.find(({ Path: path }) => path === original.Path)).toEqual(original);
      },
    ),
  );
});

test.each([
  ["a bucket with a slash in its name", { kind: "s3", bucket: "kept/club", path: "club" }],
  [
    "an endpoint without encryption",
    { kind: "s3", bucket: "kept", path: "club", endpoint: "http://minio.example.org" },
  ],
  ["no path", { kind: "s3", bucket: "kept" }],
  [
    "a secret in the place of its name",
    {
      kind: "s3",
      bucket: "kept",
      path: "club",
      writer: { accessKeyId: "A", secretAccessKey: "wJalr/XUtnFEMI" },
    },
  ],
  [
    "a container's token in its URL",
    {
      kind: "azure-blob",
      container: "https://club.blob.core.windows.net/kept?sp=r",
      path: "club",
      reader: "TOKEN",
    },
  ],
  [
    "no container in its URL",
    { kind: "azure-blob", container: "https://club.blob.core.windows.net", path: "club", reader: "TOKEN" },
  ],
  [
    "a password in its URL",
    { kind: "azure-blob", container: "https://club:x@example.org/kept", path: "club", reader: "TOKEN" },
  ],
  [
    "a container without encryption",
    {
      kind: "azure-blob",
      container: "http://club.blob.core.windows.net/kept",
      path: "club",
      reader: "TOKEN",
    },
  ],
])("a store with %s is refused", (_, written) => {
  expect(siteSchema.shape.stores.safeParse([{ name: "bucket", ...written }]).success).toBe(false);
});

describe("what rclone says is told by the line that tells why, without a secret", () => {
  const { remote } = s3Store(bucket({ reader }), "wJalrXUtnFEMI/K7MDENG");
  test.each([
    [
      "of S3, with its error on one line and its numbers on the next",
      "2026/11/26 22:00:00 ERROR : f: Failed to copy: x\n2026/11/26 22:00:01 Failed to copyto: AccessDenied: Access Denied\n\tstatus code: 403, request id: x",
      "Failed to copyto: AccessDenied: Access Denied",
    ],
    [
      "to a journal",
      "<3>ERROR : f: bad\n<3>ERROR : Attempt 1/1 failed with 1 errors and: AccessDenied\n\tstatus code: 403",
      "Attempt 1/1 failed with 1 errors and: AccessDenied",
    ],
    [
      "of Azure, a page",
      "2026/11/26 22:00:01 Failed to copyto: -> azblob.newStorageError, x.go:42\n   RESPONSE Status: 403 Not permitted.\n   X-Ms-Error-Code: [y]",
      "403 Not permitted.",
    ],
    [
      "of a connection to Azure that failed, with a token in it",
      '2026/11/26 22:00:01 Failed to create file system: -> github.com/Azure/azure-pipeline-go/pipeline.NewError, error.go:157\nHTTP request failed\n\nHead "https://a.example/kept?sp=rl&sig=SECRET%3D&timeout=3": dial tcp: connection refused',
      'Head "https://a.example/kept?sp=rl&sig=[masked]&timeout=3": dial tcp: connection refused',
    ],
    [
      "with a key in it, and what a terminal acts on",
      "2026/11/26 22:00:01 Failed: wJalrXUtnFEMI/K7MDENG \u001b[31m",
      "Failed: [masked] \ufffd[31m",
    ],
    ["nothing", "", "rclone said nothing"],
  ])("%s", (_, stderr, expected) => {
    expect(lastWords(stderr, remote)).toBe(expected);
  });
});

test("a token over two lines opens no store, and is not handed to a program that would quote it", async () => {
  vi.stubEnv("TOKEN", "sp=rl\n&sig=SECRET");
  const store = parsed({
    ...{ kind: "azure-blob", name: "container", path: "club", reader: "TOKEN" },
    container: "https://club.blob.core.windows.net/kept",
  }) as StoreOf<"azure-blob">;
  const site = { secrets: [{ name: "TOKEN", from: "env:TOKEN" }] };
  await expect(openStore(store, { directory: "/two-lines", site })).rejects.toMatchObject({
    exitCode: 3,
    why: "it has a line break, or another control character, in it",
  });
});
