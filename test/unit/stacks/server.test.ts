import { mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { expect, test, vi } from "vitest";
import program from "../../../stacks/index.ts";
import { manifest } from "../backups/manifests.ts";
import { recordingEngine } from "../components/recording-engine.ts";
import { replacement } from "../servers/replacement.ts";
import { siteFolder } from "./site-folder.ts";

const types = [
  "recovery-stack:index:AwsServer",
  "aws:ec2/keyPair:KeyPair",
  "aws:ec2/securityGroup:SecurityGroup",
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
  "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
  "aws:ec2/instance:Instance",
  "aws:ec2/eip:Eip",
  "aws:ec2/eipAssociation:EipAssociation",
  "aws:ec2/vpc:Vpc",
  "aws:ec2/internetGateway:InternetGateway",
  "aws:ec2/routeTable:RouteTable",
  "aws:ec2/subnet:Subnet",
  "aws:ec2/routeTableAssociation:RouteTableAssociation",
  "recovery-stack:index:DnsRecords",
  "aws:route53/record:Record",
];
const dns = { kind: "route53", zone: "Z0123456789ABC" };

/** Runs the program as `pulumi up` (or preview) of a stack would, with the path of site.yaml in its config and what is given. */
async function up(
  role: string,
  changes: Record<string, unknown>,
  { preview = false, config = {} }: { preview?: boolean; config?: Record<string, string> } = {},
) {
  const engine = await recordingEngine(types, { stack: `club.${role}`, preview });
  const said: string[] = [];
  vi.spyOn(console, "log").mockImplementation((line: string) => void said.push(line));
  const folder = siteFolder(changes);
  const given = Object.entries({ site: folder.file, ...config });
  pulumi.runtime.setAllConfig(
    Object.fromEntries(given.map(([key, value]) => [`recovery-stack:${key}`, value])),
  );
  try {
    const outputs = await program();
    await engine.settled();
    const instances = engine.declared.filter(({ type }) => type === "aws:ec2/instance:Instance");
    return { engine, outputs, said: said.join("\n"), instances: instances.map(({ name }) => name) };
  } finally {
    folder.remove();
  }
}

test("the stack server makes one, another for another run, and tells how its host key is read", async () => {
  expect((await up("server", { replacement })).instances).toEqual(["server-1"]);
  const { instances, outputs } = await up("server", { replacement }, { config: { run: "20260301" } });
  expect(instances).toEqual(["server-20260301"]);
  expect(Object.keys(outputs)).toEqual(["address", "instance", "fingerprint"]);
});

test("one that is smaller than the server that the newest backup was made on is refused", async () => {
  const folder = siteFolder({ replacement });
  const point = join(folder.directory, "backups/daily/20260301T020000Z");
  mkdirSync(point, { recursive: true });
  const made = manifest({ server: { cores: 8, memoryBytes: 16 * 1024 ** 3 } });
  const files = made.members.map(({ name, bytes }): [string, Buffer] => [name, Buffer.alloc(bytes)]);
  for (const [name, content] of [...files, ["MANIFEST.json", Buffer.from(JSON.stringify(made))] as const]) {
    writeFileSync(join(point, name), content);
    utimesSync(join(point, name), new Date("2026-03-01T02:10:05Z"), new Date("2026-03-01T02:10:05Z"));
  }
  const engine = await recordingEngine([], { stack: "club.server", preview: true });
  pulumi.runtime.setAllConfig({ "recovery-stack:site": folder.file });
  try {
    await expect(program()).rejects.toThrow(
      "replacement: t3.small has 2 cores, and the lost server had 8\nreplacement: t3.small has 2GiB of memory, and the lost server had 16384MiB",
    );
    await engine.settled();
    expect(engine.declared).toEqual([]);
  } finally {
    folder.remove();
  }
});

test("a preview says what is lost with a region", async () => {
  vi.stubEnv("PULUMI_BACKEND_URL", "s3://club-state?region=eu-central-1");
  const { said } = await up("server", { replacement }, { preview: true });
  vi.unstubAllEnvs();
  expect(said).toMatch(
    /in eu-central-1: the server that this stack makes; Pulumi's state, in the bucket club-state$/,
  );
});

test("the stack staging-server makes one that ends itself", async () => {
  const { engine } = await up("staging-server", { replacement });
  expect(engine.declared.find(({ type }) => type === "aws:ec2/instance:Instance")?.inputs).toMatchObject({
    instanceInitiatedShutdownBehavior: "terminate",
  });
  expect(engine.declared.some(({ type }) => type === "aws:ec2/eip:Eip")).toBe(false);
});

test("the stack dns leads all names of the site to the address that it is told", async () => {
  const { engine, outputs } = await up("dns", { dns }, { config: { address: "192.0.2.10" } });
  expect(outputs).toEqual({ names: ["club.example.org", "www.club.example.org"], address: "192.0.2.10" });
  expect(engine.declared.filter(({ type }) => type === "aws:route53/record:Record")).toHaveLength(2);
});

test.each([
  ["server", {}, {}, "site.yaml describes no server"],
  [
    "server",
    { replacement: { ...replacement, zone: "eu-west-1a" } },
    {},
    "the server that site.yaml describes could not take the lost one's place\nreplacement: eu-west-1a is no zone of eu-central-1",
  ],
  ["server", { replacement }, { run: "a b" }, "run in stack config is no name"],
  ["dns", {}, { address: "192.0.2.10" }, "site.yaml does not say where the site's names are kept"],
  ["dns", { dns }, { address: "club.example.org" }, "club.example.org is no address"],
])(
  "a preview of %s refuses what cannot be, and declares nothing: %j %j",
  async (role, changes, config, words) => {
    const engine = await recordingEngine([], { stack: `club.${role}`, preview: true });
    const folder = siteFolder(changes);
    const given = Object.entries({ site: folder.file, ...config });
    pulumi.runtime.setAllConfig(
      Object.fromEntries(given.map(([key, value]) => [`recovery-stack:${key}`, value])),
    );
    try {
      await expect(program()).rejects.toThrow(words);
      await engine.settled();
      expect(engine.declared).toEqual([]);
    } finally {
      folder.remove();
    }
  },
);
