import * as pulumi from "@pulumi/pulumi";
import { expect, test } from "vitest";
import { AwsServer } from "../../../components/aws-server.ts";
import { DnsRecords } from "../../../components/dns-records.ts";
import { serverDocuments } from "../../../servers/server-documents.ts";
import { siteWith } from "../offsite/declared-site.ts";
import { replacement } from "../servers/replacement.ts";
import { recordingEngine } from "./recording-engine.ts";

const component = "recovery-stack:index:AwsServer";
const types = {
  key: "aws:ec2/keyPair:KeyPair",
  group: "aws:ec2/securityGroup:SecurityGroup",
  ingress: "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
  egress: "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
  instance: "aws:ec2/instance:Instance",
  address: "aws:ec2/eip:Eip",
  association: "aws:ec2/eipAssociation:EipAssociation",
  network: "aws:ec2/vpc:Vpc",
  gateway: "aws:ec2/internetGateway:InternetGateway",
  routes: "aws:ec2/routeTable:RouteTable",
  subnet: "aws:ec2/subnet:Subnet",
  routesOf: "aws:ec2/routeTableAssociation:RouteTableAssociation",
};

async function declare(changes: object, staging: boolean) {
  const site = siteWith({ replacement: { ...replacement, ...changes } });
  if (!site.replacement) throw new Error("no server is described");
  const documents = serverDocuments(site, site.replacement, { run: "1", staging });
  const engine = await recordingEngine([component, ...Object.values(types)]);
  const { instance, address } = new AwsServer("server", "1", documents);
  const told = new Promise((resolve) => {
    pulumi.output({ instance, address }).apply(resolve);
  });
  await engine.settled();
  const declared = engine.declared.map(({ options, ...rest }) => ({
    ...rest,
    // The vendor's SDK knows what each was called before.
    options: Object.fromEntries(
      Object.entries(options).filter(([option]) => !["aliases", "dependsOn"].includes(option)),
    ),
  }));
  return { declared, documents, told };
}

const region = "eu-central-1";
/** Another value would stop a server that serves, or make another in its place. */
const madeOnce = [
  ...["ami", "availabilityZone", "instanceType", "keyName", "rootBlockDevice", "subnetId"],
  ...["tags", "userData", "volumeTags"],
];
const own = { parent: "server" };

test("a server is declared as exactly these resources", async () => {
  const { declared, documents } = await declare({ operators: ["203.0.113.7/32"] }, false);
  const { tags } = documents;
  const rule = (name: string, port: number, range: object) => ({
    type: types.ingress,
    name: `server-${name}`,
    inputs: {
      ...{ region, securityGroupId: "server-group-id", ipProtocol: "tcp", fromPort: port, toPort: port },
      ...range,
      tags,
    },
    options: own,
  });
  const out = (name: string, range: object) => ({
    type: types.egress,
    name: `server-${name}`,
    inputs: { region, securityGroupId: "server-group-id", ipProtocol: "-1", ...range, tags },
    options: own,
  });
  const expected = [
    { type: component, name: "server", inputs: {}, options: {} },
    {
      type: types.key,
      name: "server-key",
      inputs: { region, publicKey: replacement.key, tags },
      options: own,
    },
    {
      type: types.group,
      name: "server-group",
      inputs: { region, description: "What a site serves, and its operator's ssh", tags },
      options: { ...own, protect: true },
    },
    rule("ssh-1", 22, { cidrIpv4: "203.0.113.7/32" }),
    rule("http-1", 80, { cidrIpv4: "0.0.0.0/0" }),
    rule("http-2", 80, { cidrIpv6: "::/0" }),
    rule("https-1", 443, { cidrIpv4: "0.0.0.0/0" }),
    rule("https-2", 443, { cidrIpv6: "::/0" }),
    out("out-4", { cidrIpv4: "0.0.0.0/0" }),
    out("out-6", { cidrIpv6: "::/0" }),
    {
      type: types.instance,
      name: "server-1",
      inputs: {
        region,
        ...documents.instance,
        keyName: "server-key-id",
        vpcSecurityGroupIds: ["server-group-id"],
        tags,
        volumeTags: tags,
      },
      options: {
        ...own,
        retainOnDelete: true,
        ignoreChanges: madeOnce,
      },
    },
    {
      type: types.address,
      name: "server-address",
      inputs: { region, domain: "vpc", tags: { Name: "club", site: "club" } },
      options: { ...own, protect: true, retainOnDelete: true },
    },
    {
      type: types.association,
      name: "server-address",
      inputs: {
        region,
        allocationId: "server-address-id",
        instanceId: "server-1-id",
        allowReassociation: true,
      },
      options: { ...own, retainOnDelete: true },
    },
  ];
  const byName = (list: typeof expected) =>
    list.toSorted((one, other) => `${one.type} ${one.name}`.localeCompare(`${other.type} ${other.name}`));
  expect(byName(declared as typeof expected)).toEqual(byName(expected));
});

test("one of staging has a network of its own, no kept address, and goes with its stack", async () => {
  const { declared, documents } = await declare({}, true);
  const { tags } = documents;
  const inputsOf = (type: string) => declared.filter((one) => one.type === type).map(({ inputs }) => inputs);
  expect(inputsOf(types.network)).toEqual([
    { region, cidrBlock: "10.255.0.0/24", enableDnsHostnames: true, tags },
  ]);
  expect(inputsOf(types.gateway)).toEqual([{ region, vpcId: "server-network-id", tags }]);
  // The way out, and none to another network.
  expect(inputsOf(types.routes)).toEqual([
    {
      region,
      vpcId: "server-network-id",
      routes: [{ cidrBlock: "0.0.0.0/0", gatewayId: "server-gateway-id" }],
      tags,
    },
  ]);
  expect(inputsOf(types.subnet)).toEqual([
    {
      ...{ region, vpcId: "server-network-id", cidrBlock: "10.255.0.0/24" },
      ...{ availabilityZone: "eu-central-1b", tags },
    },
  ]);
  expect(inputsOf(types.routesOf)).toEqual([
    { region, subnetId: "server-subnet-id", routeTableId: "server-routes-id" },
  ]);
  expect(inputsOf(types.group)).toMatchObject([{ vpcId: "server-network-id" }]);
  const [instance] = declared.filter(({ type }) => type === types.instance);
  expect(instance?.inputs).toMatchObject({
    subnetId: "server-subnet-id",
    associatePublicIpAddress: true,
    instanceInitiatedShutdownBehavior: "terminate",
  });
  expect(instance?.options).toEqual({
    ...own,
    ignoreChanges: madeOnce,
  });
  expect([...inputsOf(types.address), ...inputsOf(types.association)]).toEqual([]);
});

test("nothing secret is declared", async () => {
  const { declared } = await declare({}, false);
  expect(JSON.stringify(declared)).not.toMatch(/PRIVATE KEY|password"|secret/i);
});

test.each([
  ["192.0.2.10", "A"],
  ["2001:db8::10", "AAAA"],
])("the names of a site lead to %s", async (address, type) => {
  const record = "aws:route53/record:Record";
  const records = "recovery-stack:index:DnsRecords";
  const engine = await recordingEngine([records, record]);
  new DnsRecords("names", {
    ...{ zone: "Z0123456789ABC", names: ["club.example.org", "www.club.example.org"] },
    ...{ address, ttlSeconds: 60 },
  });
  await engine.settled();
  const declared = engine.declared.map(({ options, ...rest }) => ({
    ...rest,
    options: Object.fromEntries(Object.entries(options).filter(([option]) => option !== "aliases")),
  }));
  expect(declared).toEqual([
    { type: records, name: "names", inputs: {}, options: {} },
    ...["club.example.org", "www.club.example.org"].map((name) => ({
      type: record,
      name,
      inputs: {
        ...{ zoneId: "Z0123456789ABC", name, type, ttl: 60, records: [address], allowOverwrite: true },
      },
      options: { parent: "names", protect: true },
    })),
  ]);
});
