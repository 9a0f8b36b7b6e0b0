import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EC2Client, RunInstancesCommand, StopInstancesCommand } from "@aws-sdk/client-ec2";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { lookAtInstance } from "../../run/ec2.ts";
import { startOpenS3 } from "./object-servers.ts";
import { commandLine } from "./recovery-host.ts";
import { typed } from "./typed.ts";

const debian = "136693071363";
let directory: string;
let server: Awaited<ReturnType<typeof startOpenS3>>;

const image = (id: string, name: string, owner: string, day: string, architecture = "x86_64") => ({
  ...{ ami_id: id, name, description: name, owner_id: owner, public: true, virtualization_type: "hvm" },
  ...{ architecture, state: "available", image_type: "machine", hypervisor: "xen", sriov: "simple" },
  ...{ root_device_name: "/dev/xvda", root_device_type: "ebs", creation_date: `${day}T00:00:00.000Z` },
});

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "server-image-"));
  const images = join(directory, "images.json");
  await writeFile(
    images,
    JSON.stringify([
      image("ami-00000000000000001", "debian-12-amd64-20260101-1", debian, "2026-01-01"),
      image("ami-00000000000000002", "debian-12-amd64-20260301-1", debian, "2026-03-01"),
      image("ami-00000000000000003", "debian-12-arm64-20260302-1", debian, "2026-03-02", "arm64"),
      image("ami-00000000000000004", "debian-13-amd64-20260303-1", debian, "2026-03-03"),
      // Whoever publishes an image may call it so.
      image("ami-00000000000000666", "debian-12-amd64-20260401-1", "666666666666", "2026-04-01"),
    ]),
  );
  server = await startOpenS3({ MOTO_AMIS_PATH: images });
  vi.stubEnv("AWS_ENDPOINT_URL", server.endpoint);
  vi.stubEnv("AWS_ACCESS_KEY_ID", "anybody");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "anything");
});

afterAll(async () => {
  await server.close();
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true });
});

const asked = (line: string, environment: Record<string, string> = {}) =>
  execa(process.execPath, [commandLine, ...line.split(" ").slice(2)], {
    cwd: directory,
    reject: false,
    env: environment,
  });

const written = `# the site
version: 1
replacement:
  kind: aws # of AWS
  region: eu-central-1
  zone: eu-central-1b
  image: { id: ami-0123456789abcdef0, release: "12" }
  instance: { type: t2.micro, cores: 1, memory: 1GiB }
  operators: ["203.0.113.7/32"] # the office
`;

test("the newest image that Debian itself published is found, with what the type has, and pinned in site.yaml beside its comments", async () => {
  const line = typed("npx recovery server-image --region eu-central-1 --type t3.small");
  const { stdout, exitCode, stderr } = await asked(line);
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toBe(`  # debian-12-amd64-20260301-1, of 2026-03-01T00:00:00.000Z
  image: { id: ami-00000000000000002, release: "12", architecture: amd64 }
  instance: { type: t3.small, cores: 2, memory: 2GiB, architecture: amd64 }`);

  const file = join(directory, "site.yaml");
  await writeFile(file, written);
  const pinned = await asked(
    "npx recovery server-image --region eu-central-1 --type t3.small --release 13 --write",
  );
  expect(pinned.exitCode, pinned.stderr).toBe(0);
  expect(await readFile(file, "utf8")).toBe(`# the site
version: 1
replacement:
  kind: aws # of AWS
  region: eu-central-1
  zone: eu-central-1b
  image: { id: ami-00000000000000004, release: "13", architecture: amd64 }
  instance: { type: t3.small, cores: 2, memory: 2GiB, architecture: amd64 }
  operators: [ "203.0.113.7/32" ] # the office
`);
});

test.each([
  ["--architecture arm64", 2, "t3.small does not run what is for arm64"],
  [
    "--type t9.nothing",
    2,
    "there is no type of instance t9.nothing in eu-central-1|AWS does not tell what t9.nothing is",
  ],
  ["--region eu-west-1 --write", 2, "an image of eu-west-1 is not there"],
])("what cannot be is refused, and nothing is written: %s", async (options, code, words) => {
  const file = join(directory, "site.yaml");
  await writeFile(file, written);
  const { exitCode, stderr } = await asked(
    `npx recovery server-image --region eu-central-1 --type t3.small ${options}`,
  );
  expect(stderr).toMatch(new RegExp(words));
  expect([code, 3]).toContain(exitCode);
  expect(await readFile(file, "utf8")).toBe(written);
});

test("an AWS that does not answer is said to be so", async () => {
  const { exitCode, stderr } = await asked("npx recovery server-image --region eu-central-1", {
    AWS_ENDPOINT_URL: "http://127.0.0.1:1",
  });
  expect(exitCode).toBe(3);
  expect(stderr).toMatch(/^AWS does not tell /);
});

test("how a server is, is asked of AWS", async () => {
  const client = new EC2Client({ region: "eu-central-1" });
  const { Instances = [] } = await client.send(
    new RunInstancesCommand({ ImageId: "ami-00000000000000002", MinCount: 1, MaxCount: 1 }),
  );
  const id = Instances[0]?.InstanceId ?? "";
  expect(await lookAtInstance("eu-central-1", id)).toEqual({
    id,
    state: "running",
    checks: { system: "ok", instance: "ok" },
  });
  await client.send(new StopInstancesCommand({ InstanceIds: [id] }));
  expect(await lookAtInstance("eu-central-1", id)).toMatchObject({ state: "stopped" });
  client.destroy();
  expect(await lookAtInstance("eu-central-1", "i-0123456789abcdef0")).toEqual({
    id: "i-0123456789abcdef0",
    error: expect.stringContaining("InvalidInstanceID.NotFound") as string,
  });
});
