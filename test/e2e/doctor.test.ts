import { Agent } from "node:https";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  CreateBucketCommand,
  DeleteBucketLifecycleCommand,
  DeletePublicAccessBlockCommand,
  ListObjectVersionsCommand,
  PutBucketEncryptionCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketOwnershipControlsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectLockConfigurationCommand,
  PutPublicAccessBlockCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Engine, findEngine } from "../../engine/find.ts";
import { bucketDocuments } from "../../offsite/bucket-documents.ts";
import { readerIdentity } from "../../offsite/bucket-policies.ts";
import { probeName, strayName } from "../../run/try-forbidden-acts.ts";
import type { Finding } from "../../run/finding.ts";
import { loadSite } from "../../site/load.ts";
import { written } from "../unit/runbook/small-site.ts";
import { siteFolder } from "../unit/stacks/site-folder.ts";
import { type AccessKey, type ObjectServers, startObjectServers } from "./object-servers.ts";
import { commandLine, say } from "./recovery-host.ts";
import { typed } from "./typed.ts";

const Bucket = "club-backups";
let directory: string;
let servers: ObjectServers;
let s3: S3Client;

const account = (...statements: { Action: string[]; Resource: string[] }[]) =>
  servers.s3.account(...statements);
const locks =
  "the server may shorten the lock of a backup. Promised is that the site's server changes no lock";
const arn = `arn:aws:s3:::${Bucket}`;
const writes = { Action: ["s3:PutObject", "s3:GetObject"], Resource: [`${arn}/club/*`] };

const storeOf = (reader: AccessKey, writer: AccessKey, more: object = {}) => ({
  ...{ kind: "s3", name: "bucket", bucket: Bucket, path: "club", region: "us-east-1" },
  endpoint: `https://127.0.0.1:${servers.s3.port}`,
  reader: { accessKeyId: reader.accessKeyId, secretAccessKey: "BUCKET_READER" },
  writer: { accessKeyId: writer.accessKeyId, secretAccessKey: "BUCKET_WRITER" },
  // moto denies everybody everything by a policy with a condition.
  declared: { accepted: ["no-policy"] },
  ...more,
});

/** What `recovery doctor` finds of a bucket, and how it ends. */
async function doctor(
  {
    reader,
    writer,
    more,
    backups = {},
  }: { reader: AccessKey; writer: AccessKey; more?: object; backups?: object },
  line?: string,
  environment?: Record<string, string>,
) {
  const secrets = { BUCKET_READER: reader.secretAccessKey, BUCKET_WRITER: writer.secretAccessKey };
  return found({ stores: [storeOf(reader, writer, more)], backups }, secrets, line, environment);
}

async function found(
  changes: Record<string, unknown>,
  secrets: Record<string, string>,
  line = typed("npx recovery doctor --offsite"),
  environment: Record<string, string> = {},
) {
  for (const [name, value] of Object.entries(secrets))
    await writeFile(join(directory, name), value, { mode: 0o600 });
  const folder = siteFolder({
    restorePoints: { recipients: [`age1${"q".repeat(58)}`], identity: "MONITORING" },
    ...changes,
    secrets: [
      ...written.secrets,
      ...Object.keys(secrets).map((name) => ({ name, from: `file:${join(directory, name)}` })),
    ],
  });
  try {
    const { stdout, stderr, exitCode } = await execa(
      process.execPath,
      [commandLine, ...line.split(" ").slice(2), "--site", folder.file, "--json"],
      {
        reject: false,
        env: {
          AWS_CA_BUNDLE: join(directory, "certificate.pem"),
          NODE_EXTRA_CA_CERTS: join(directory, "certificate.pem"),
          SSL_CERT_FILE: servers.authorities,
          SSH_AUTH_SOCK: "",
          ...environment,
        },
      },
    );
    const signatures = Object.values(secrets).map((value) => new URLSearchParams(value).get("sig") ?? value);
    for (const secret of [...signatures, "planted-passphrase-77"])
      for (const form of [secret, encodeURIComponent(secret)]) expect(stdout + stderr).not.toContain(form);
    if (stdout === "") throw new Error(stderr);
    const { findings } = JSON.parse(stdout) as { findings: Finding[] };
    const seen = (level: Finding["level"]) =>
      findings.filter((finding) => finding.level === level).map((finding) => finding.seen);
    // moto takes it for a PutObject.
    const bad = seen("bad").filter((line) => !line.startsWith(locks));
    return { ok: seen("ok"), bad, broken: seen("bad"), notSeen: seen("not seen"), exitCode };
  } finally {
    folder.remove();
  }
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "doctor-"));
  servers = await startObjectServers(directory);
  s3 = new S3Client({
    endpoint: `https://127.0.0.1:${servers.s3.port}`,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: servers.s3.administrator,
    requestHandler: { httpsAgent: new Agent({ ca: servers.certificate }) },
  });
  await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
  await declare({ isNew: true });
  await s3.send(new PutObjectCommand({ Bucket, Key: "another/MANIFEST.json", Body: "of another site" }));
});

afterAll(async () => {
  s3.destroy();
  await servers.close();
  await rm(directory, { recursive: true });
});

/** The bucket as the stack offsite would make it, but for its policy. */
async function declare({ isNew = false } = {}): Promise<void> {
  const folder = siteFolder({
    stores: [storeOf(servers.s3.reader, servers.s3.writer)],
    backups: {},
    restorePoints: { recipients: [`age1${"q".repeat(58)}`], identity: "MONITORING" },
    secrets: ["BUCKET_READER", "BUCKET_WRITER"]
      .map((name) => ({ name, from: "command:false" }))
      .concat(written.secrets),
  });
  const { site } = await loadSite(folder.file);
  folder.remove();
  const [store] = site.stores;
  if (store?.kind !== "s3") throw new Error("no bucket");
  const documents = bucketDocuments(site, store);
  await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: documents.versioning }));
  // moto gives one to an empty bucket alone.
  if (isNew)
    await s3.send(
      new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration: documents.objectLock }),
    );
  await s3.send(
    new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration: documents.encryption }),
  );
  await s3.send(new PutBucketOwnershipControlsCommand({ Bucket, OwnershipControls: documents.ownership }));
  await s3.send(
    new PutPublicAccessBlockCommand({
      Bucket,
      PublicAccessBlockConfiguration: documents.publicAccessBlock,
    }),
  );
  await s3.send(
    new PutBucketLifecycleConfigurationCommand({
      Bucket,
      LifecycleConfiguration: { Rules: documents.lifecycle },
    }),
  );
}

describe("doctor", { timeout: 120_000 }, () => {
  let engine: Engine;
  // Built once, in minutes, where there is none.
  beforeAll(async () => {
    const found = await findEngine({ allowBuild: true, say });
    if (!found) throw new Error("no Pulumi engine can be had here");
    engine = found;
  });

  test("says what of all that a recovery needs is at hand, and is not: secrets, stores, an agent, Pulumi's state and what opens it", async () => {
    const backend = join(directory, "backend");
    await mkdir(backend);
    const environment = {
      PATH: `${dirname(engine.path)}:${process.env["PATH"] ?? ""}`,
      PULUMI_BACKEND_URL: `file://${backend}`,
      PULUMI_HOME: join(directory, "pulumi"),
      PULUMI_CONFIG_PASSPHRASE: "planted-passphrase-77",
      PULUMI_SKIP_UPDATE_CHECK: "true",
    };
    const project = join(directory, "project");
    await mkdir(project);
    await writeFile(join(project, "Pulumi.yaml"), "name: recovery-stack\nruntime: nodejs\n");
    await execa(engine.path, ["stack", "init", "club.offsite", "--non-interactive"], {
      cwd: project,
      env: environment,
    });
    const keys = { reader: servers.s3.administrator, writer: servers.s3.writer };
    const line = typed("npx recovery doctor");
    const well = await doctor(keys, line, environment);
    expect(well.ok).toEqual(
      expect.arrayContaining([
        "it can be read",
        "it can be listed",
        `its backend file://${backend} answers, with 1 stacks of this site`,
        "the passphrase that is at hand opens it",
      ]),
    );
    // The site's own, which this computer does not have, and an agent.
    expect(well.bad).toEqual([
      expect.stringContaining("the secret MONITORING cannot be read"),
      "there is none",
    ]);
    expect(well.notSeen).toEqual([
      "it lies on this computer: whether that is backed up",
      "whether there is a copy elsewhere",
    ]);
    const other = await doctor(keys, line, { ...environment, PULUMI_CONFIG_PASSPHRASE: "another" });
    expect(other.bad).toContain("the passphrase that is at hand is not the one that it was made with");
    const gone = await doctor(keys, line, { ...environment, PULUMI_BACKEND_URL: "file:///nowhere" });
    expect(gone.bad).toContainEqual(expect.stringContaining("its backend cannot be reached: unable to open"));
  });
});

describe("doctor --offsite", { timeout: 120_000 }, () => {
  test("finds a bucket that keeps all of its promises, and a writer that may do nothing else than write, to be so", async () => {
    const [reader, writer] = [servers.s3.administrator, await account(writes)];
    const { ok, bad, broken, notSeen } = await doctor({ reader, writer });
    expect(bad).toEqual([]);
    expect(broken).toEqual([expect.stringContaining(locks)]);
    expect(notSeen).toEqual([]);
    expect(ok).toEqual([
      "its keeping of versions: as declared",
      "its lock: as declared",
      "its encryption: as declared",
      "its ownership of objects: as declared",
      "its wall against the public: as declared",
      "its policy: as accepted: no-policy",
      "its lifecycle rules: as declared",
      ...[
        "list what is not under its path",
        "read what is not under its path",
        "write outside its path",
        "write without TLS",
        "delete a version past its lock",
        "delete a version",
        "delete a backup",
      ].map((act) => `the server may not ${act}`),
    ]);
    // A second time puts nothing more.
    await doctor({ reader, writer });
    const { Versions = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket }));
    expect(Versions.map(({ Key }) => Key).sort()).toEqual(["another/MANIFEST.json", `club/${probeName}`]);
  });

  test.each<[string, { Action: string[]; Resource: string[] }, string[]]>([
    [
      "list",
      { Action: ["s3:ListBucket"], Resource: [arn] },
      [
        "the server may list what is not under its path. Promised is that the site's server sees its own backups alone",
      ],
    ],
    [
      "read",
      { Action: ["s3:GetObject"], Resource: [`${arn}/*`] },
      [
        "the server may read what is not under its path. Promised is that the site's server reads its own backups alone",
      ],
    ],
    [
      "write",
      { Action: ["s3:PutObject"], Resource: [`${arn}/*`] },
      [
        `the server may write outside its path, and left ${strayName} there. Promised is that the site's server writes under its path alone`,
      ],
    ],
    [
      "get past a lock",
      { Action: ["s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"], Resource: [`${arn}/club/*`] },
      ["the server may delete a version past its lock. Promised is that the site's server gets past no lock"],
    ],
    [
      "delete",
      { Action: ["s3:DeleteObject"], Resource: [`${arn}/club/*`] },
      [
        "the server may delete a backup, and left a marker of the deletion of .recovery-doctor/probe there. Promised is that the site's server deletes nothing",
      ],
    ],
  ])("says in a line of its own what a writer may do too much: %s", async (_, statement, lines) => {
    const writer = await account(writes, statement);
    const { bad, notSeen, exitCode } = await doctor({ reader: servers.s3.administrator, writer });
    expect(bad).toEqual(lines.map((line) => expect.stringContaining(line) as string));
    // What one act removed, the next cannot be tried on.
    expect(notSeen.filter((line) => !line.endsWith("it is gone by then"))).toEqual([]);
    expect(exitCode).toBe(1);
  });

  test.each<[string, () => Promise<unknown>, RegExp[]]>([
    [
      "its rules are gone",
      () => s3.send(new DeleteBucketLifecycleCommand({ Bucket })),
      [/^its lifecycle rules: there is none\. Promised is that backups are removed when their time is over/],
    ],
    [
      "the public is let in",
      () => s3.send(new DeletePublicAccessBlockCommand({ Bucket })),
      [/^its wall against the public: there is none\. Promised is that no policy/],
    ],
    [
      "it keeps no versions any more",
      () =>
        s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Suspended" } })),
      [
        /^its keeping of versions: Status: "Enabled" was declared, the server answers "Suspended"\. Promised is that what is put over a backup leaves the backup there/,
      ],
    ],
  ])("says in a line of its own which promise the bucket breaks: %s", async (_, spoil, lines) => {
    const writer = await account(writes);
    await spoil();
    try {
      const { bad, exitCode } = await doctor({ reader: servers.s3.administrator, writer });
      expect(bad).toEqual(lines.map((line) => expect.stringMatching(line) as string));
      expect(exitCode).toBe(1);
    } finally {
      await declare();
    }
  });

  test("says that a lock is shorter than what is promised now, and which backups that is about", async () => {
    const writer = await account(writes);
    const backups = { monthly: { keep: "400d" } };
    const { bad, exitCode } = await doctor({ reader: servers.s3.administrator, writer, backups });
    expect(bad).toEqual(
      expect.arrayContaining([
        expect.stringMatching(
          /^its lock: Rule\.DefaultRetention\.Days: 400 was declared, the server answers 365\. Promised is that nobody deletes a backup before its retention ends/,
        ),
        "monthly backups are kept 400d, and locked for 365d alone",
        "monthly backups are kept 400d, and the rule monthly removes them after 365d",
      ]),
    );
    expect(exitCode).toBe(1);
  });

  test("says that the bucket has no policy, where that is not accepted", async () => {
    const more = { declared: {} };
    const { bad } = await doctor({ reader: servers.s3.administrator, writer: await account(writes), more });
    expect(bad).toEqual([
      "its policy: there is none. Promised is that the bucket refuses what its policy denies, such as access without TLS: only the rights of each key limit what is done with it",
    ]);
  });

  test("calls nothing refused of somebody who can do nothing, and nothing well that it may not see", async () => {
    const stranger = { accessKeyId: "AKIASTRANGER", secretAccessKey: "planted-stranger-91" };
    const { ok, bad, notSeen, exitCode } = await doctor({ reader: servers.s3.reader, writer: stranger });
    expect(bad).toEqual([
      expect.stringMatching(
        /^nothing is tried with the writer's credentials: the writer cannot put and read what is its own: InvalidAccessKeyId/,
      ),
    ]);
    expect(ok).toEqual([]);
    expect(notSeen).toHaveLength(7);
    expect(exitCode).toBe(1);
    const { Statement } = readerIdentity({
      bucket: Bucket,
      path: "club",
      region: "us-east-1",
    } as never).policy;
    const reader = await account(
      ...Statement.map(({ Action, Resource = [] }) => ({ Action: Action, Resource })),
    );
    const told = await doctor({ reader, writer: await account(writes) });
    expect(told.notSeen, "what the reader of docs/offsite.md sees").toEqual([]);
    expect(told.bad).toEqual([]);
    // Who may not list does not know whether there is something to try on.
    const blind = await doctor({ reader: await account(writes), writer: await account(writes) });
    expect(blind.notSeen).toContainEqual(
      expect.stringMatching(/^whether the server may read .*: what is outside its path cannot be listed: /),
    );
  });

  test("of a bucket that nobody declared asks for versions, and what its lock and rules do to what is promised", async () => {
    const more = { declared: undefined };
    const writer = await account(writes);
    const { ok, bad } = await doctor({ reader: servers.s3.administrator, writer, more });
    expect(bad).toEqual([]);
    expect(ok[0]).toBe("it keeps versions");
  });

  test.each([
    ["rcwl", []],
    [
      "rcwdl",
      [
        /^the server may delete a backup(, and left .*)?\. Promised is that the site's server deletes nothing/,
      ],
    ],
  ])(
    "of a container tries what the writer's signature lets it do, and says what it cannot see: %s",
    async (permissions, lines) => {
      const container = `https://127.0.0.1:${servers.azure.port}/devstoreaccount1/kept`;
      const store = { kind: "azure-blob", name: "container", container, path: "club" };
      const stores = [{ ...store, reader: "CONTAINER_READER", writer: "CONTAINER_WRITER" }];
      const secrets = {
        CONTAINER_READER: servers.azure.reader,
        CONTAINER_WRITER: servers.azure.token(permissions),
      };
      const { ok, bad, notSeen, exitCode } = await found({ stores, backups: {} }, secrets);
      expect(bad).toEqual(lines.map((line) => expect.stringMatching(line) as string));
      expect(ok).toEqual([
        "the server may not write without TLS",
        ...(lines.length === 0 ? ["the server may not delete a backup"] : []),
      ]);
      // The emulator knows no locks.
      expect(notSeen).toEqual([
        "how its account keeps it, since no signature of a container may ask for that",
        expect.stringMatching(/^whether the server may shorten the lock of a backup: /),
      ]);
      expect(exitCode).toBe(lines.length === 0 ? 0 : 1);
    },
  );

  test("of a container whose signature is no longer good tries nothing", async () => {
    const container = `https://127.0.0.1:${servers.azure.port}/devstoreaccount1/kept`;
    const store = { kind: "azure-blob", name: "container", container, path: "club" };
    const stores = [{ ...store, reader: "CONTAINER_READER", writer: "CONTAINER_WRITER" }];
    const secrets = { CONTAINER_READER: servers.azure.reader, CONTAINER_WRITER: servers.azure.expired };
    const { ok, bad } = await found({ stores, backups: {} }, secrets);
    expect(ok).toEqual([]);
    expect(bad).toEqual([
      expect.stringMatching(
        /^nothing is tried with the writer's credentials: the writer cannot put and read what is its own: Auth/,
      ),
    ]);
  });
});
