import { execa } from "execa";
import { spawn, type ChildProcess } from "node:child_process";
import { createHmac } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { cacheHome } from "../../backups/inspection-cache.ts";
import { exclusively } from "../../engine/exclusive.ts";
import { ensureDebianPackages } from "../../machines/debian-packages.ts";
import { say } from "./recovery-host.ts";

/** Servers of S3 and of Azure's blobs on this computer's loopback, each with a bucket or container `kept`. */
export interface ObjectServers {
  /** The certificate that both show, for 127.0.0.1, and a file that has it among the authorities of this computer. */
  certificate: string;
  authorities: string;
  s3: {
    port: number;
    /** Who may do what an operator and a server may, and nothing else. */
    reader: AccessKey;
    writer: AccessKey;
    /** May do everything, as who makes buckets. */
    administrator: AccessKey;
    /** Somebody who may do what these statements of a policy allow. A condition of theirs is not asked. */
    account(...statements: { Action: string[]; Resource: string[] }[]): Promise<AccessKey>;
    /** Puts something under each of the names with the writer's key, past all of our own programs. */
    putAsWriter(...names: string[]): Promise<void>;
  };
  azure: {
    port: number;
    reader: string;
    writer: string;
    expired: string;
    /** One with other permissions, as Azure's letters for them. */
    token(permissions: string): string;
  };
  close(): Promise<void>;
}
export interface AccessKey {
  accessKeyId: string;
  secretAccessKey: string;
}

const motoVersion = "5.2.5";
const azuriteVersion = "3.37.0";

/** moto (PyPI) asks for signatures and policies as AWS does, once these requests of the set-up were made; azurite (npm) as Azure does. */
export async function startObjectServers(directory: string): Promise<ObjectServers> {
  await ensureDebianPackages(
    [
      { command: "openssl", package: "openssl" },
      { command: "rclone", package: "rclone" },
    ],
    say,
  );
  const [python, azurite] = await Promise.all([
    pythonWithMoto(),
    tool(`azurite-${azuriteVersion}`, async (folder) => {
      await mkdir(folder, { recursive: true });
      const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
      await execa("npm", ["install", ...quiet, "--prefix", folder, `azurite@${azuriteVersion}`]);
    }),
  ]);
  const certificate = join(directory, "certificate.pem");
  const key = join(directory, "certificate.key");
  await execa("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
    ...["-subj", "/CN=stores", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
  ]);
  const [s3Port, azurePort] = [await freePort(), await freePort()];
  const children = [
    spawn(
      python,
      [
        "-m",
        "moto.server",
        "-H",
        "127.0.0.1",
        "-p",
        String(s3Port),
        "--ssl-cert",
        certificate,
        "--ssl-key",
        key,
      ],
      { stdio: "ignore", env: { ...process.env, INITIAL_NO_AUTH_ACTION_COUNT: String(setUpRequests) } },
    ),
    spawn(
      process.execPath,
      [
        join(azurite, "node_modules/azurite/dist/src/blob/main.js"),
        ...["--blobHost", "127.0.0.1", "--blobPort", String(azurePort), "--cert", certificate, "--key", key],
        ...["--inMemoryPersistence", "--silent", "--skipApiVersionCheck"],
      ],
      { stdio: "ignore", cwd: directory },
    ),
  ];
  const curl = (...rest: string[]) =>
    execa("curl", ["--silent", "--show-error", "--cacert", certificate, "--noproxy", "*", ...rest]);
  for (const port of [s3Port, azurePort])
    await curl(
      "--retry",
      "60",
      "--retry-connrefused",
      "--retry-delay",
      "1",
      `https://127.0.0.1:${port}/moto-api/`,
    );
  const s3 = `https://127.0.0.1:${s3Port}`;
  const { stdout } = await execa(python, ["-c", setUp, s3, certificate]);
  const keys = JSON.parse(stdout) as Record<"reader" | "writer" | "administrator", AccessKey>;
  const azure = `https://127.0.0.1:${azurePort}/${azureAccount}`;
  await curl(
    "--fail",
    "--request",
    "PUT",
    "--header",
    "content-length: 0",
    `${azure}/kept?restype=container&${accountToken()}`,
  );
  const authorities = join(directory, "authorities.pem");
  const shown = await readFile(certificate, "utf8");
  await writeFile(authorities, (await readFile("/etc/ssl/certs/ca-certificates.crt", "utf8")) + shown);
  return {
    certificate: shown,
    authorities,
    s3: {
      port: s3Port,
      ...keys,
      account: async (...statements) => {
        const { accessKeyId, secretAccessKey } = keys.administrator;
        const allowed = JSON.stringify(statements.map((statement) => ({ Effect: "Allow", ...statement })));
        const made = await execa(python, [
          ...["-c", newAccount, s3, certificate, accessKeyId, secretAccessKey, allowed],
        ]);
        return JSON.parse(made.stdout) as AccessKey;
      },
      putAsWriter: async (...names) => {
        const { accessKeyId, secretAccessKey } = keys.writer;
        await execa(python, ["-c", put, s3, certificate, accessKeyId, secretAccessKey, ...names]);
      },
    },
    azure: {
      port: azurePort,
      reader: token("rl", 1),
      writer: token("rcwl", 1),
      expired: token("rcwl", -1),
      token: (permissions) => token(permissions, 1),
    },
    close: async () => {
      await Promise.all(children.map(ended));
    },
  };
}

/** A server that takes what S3 and EC2 take, from everybody, by http on a port of this computer's loopback. */
export async function startOpenS3(
  environment: Record<string, string> = {},
): Promise<{ endpoint: string; close(): Promise<void> }> {
  const [python, port] = [await pythonWithMoto(), await freePort()];
  const child = spawn(python, ["-m", "moto.server", "-H", "127.0.0.1", "-p", String(port)], {
    stdio: "ignore",
    env: { ...process.env, ...environment },
  });
  const endpoint = `http://127.0.0.1:${port}`;
  await execa("curl", [
    ...["--silent", "--noproxy", "*", "--retry", "60", "--retry-connrefused", "--retry-delay", "1"],
    `${endpoint}/moto-api/`,
  ]);
  return { endpoint, close: () => ended(child) };
}

async function pythonWithMoto(): Promise<string> {
  await ensureDebianPackages(
    [{ command: "/usr/share/doc/python3-venv/copyright", package: "python3-venv" }],
    say,
  );
  const folder = await tool(`moto-${motoVersion}`, async (into) => {
    await execa("/usr/bin/python3", ["-m", "venv", into]);
    const install = ["-m", "pip", "--quiet", "install", `moto[server]==${motoVersion}`];
    await execa(join(into, "bin/python"), install);
  });
  return join(folder, "bin/python");
}

/** Installed once, beside the engines, by one file of tests while the others wait. What was cut off is begun again. */
export async function tool(name: string, install: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(cacheHome(), "recovery-stack", name);
  const isWhole = () => existsSync(join(folder, "whole"));
  if (isWhole()) return folder;
  const waiting = () => {
    say(`${name} is being installed; waiting for it`);
  };
  await exclusively(`${folder}.lock`, waiting, undefined, async () => {
    if (isWhole()) return;
    say(`installing ${name}`);
    await rm(folder, { recursive: true, force: true });
    await install(folder);
    await mkdir(join(folder, "whole"));
  });
  return folder;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

const setUpRequests = 11;
/** A bucket with versions, two accounts, as docs/backups.md has them, and one that may do everything. */
const setUp = `
import boto3, json, sys
def client(service):
    return boto3.client(service, endpoint_url=sys.argv[1], verify=sys.argv[2], region_name="us-east-1", aws_access_key_id="root", aws_secret_access_key="root")
s3, iam = client("s3"), client("iam")
s3.create_bucket(Bucket="kept")
s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
def account(name, objects, bucket):
    return allowed(name, [
        {"Effect": "Allow", "Action": objects, "Resource": "arn:aws:s3:::kept/club/*"},
        {"Effect": "Allow", "Action": bucket, "Resource": "arn:aws:s3:::kept"},
    ])
def allowed(name, statements):
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="its", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"accessKeyId": key["AccessKeyId"], "secretAccessKey": key["SecretAccessKey"]}
print(json.dumps({
    "reader": account("reader", ["s3:GetObject", "s3:GetObjectVersion"], ["s3:ListBucket", "s3:ListBucketVersions"]),
    "writer": account("writer", ["s3:PutObject", "s3:GetObject"], ["s3:ListBucket"]),
    "administrator": allowed("administrator", [{"Effect": "Allow", "Action": "*", "Resource": "*"}]),
}))`;

const newAccount = `
import boto3, json, sys, uuid
at, certificate, key, secret, statements = sys.argv[1:6]
iam = boto3.client("iam", endpoint_url=at, verify=certificate, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret)
name = str(uuid.uuid4())
iam.create_user(UserName=name)
iam.put_user_policy(UserName=name, PolicyName="its", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": json.loads(statements)}))
made = iam.create_access_key(UserName=name)["AccessKey"]
print(json.dumps({"accessKeyId": made["AccessKeyId"], "secretAccessKey": made["SecretAccessKey"]}))`;

const put = `
import boto3, sys
at, certificate, key, secret = sys.argv[1:5]
s3 = boto3.client("s3", endpoint_url=at, verify=certificate, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret)
for name in sys.argv[5:]:
    s3.put_object(Bucket="kept", Key=name, Body=b"pay")`;

/** The account that every Azurite has, and its key. */
const azureAccount = "devstoreaccount1";
const azureKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const azureVersion = "2020-12-06";

/** A shared access signature of the container, for so many days. */
function token(permissions: string, days: number): string {
  const expiry = inDays(days);
  const resource = `/blob/${azureAccount}/kept`;
  const signature = signed([
    permissions,
    "",
    expiry,
    resource,
    "",
    "",
    "https",
    azureVersion,
    "c",
    ...Array<string>(7).fill(""),
  ]);
  return query({ sp: permissions, se: expiry, spr: "https", sv: azureVersion, sr: "c", sig: signature });
}

/** One that may make containers. */
function accountToken(): string {
  const expiry = inDays(1);
  const signature = signed([azureAccount, "cw", "b", "c", "", expiry, "", "https", azureVersion, "", ""]);
  return query({ sp: "cw", se: expiry, spr: "https", sv: azureVersion, ss: "b", srt: "c", sig: signature });
}

const query = (fields: Record<string, string>) => new URLSearchParams(fields).toString();
const inDays = (days: number) => `${new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 19)}Z`;
const signed = (lines: string[]) =>
  createHmac("sha256", Buffer.from(azureKey, "base64")).update(lines.join("\n")).digest("base64");
