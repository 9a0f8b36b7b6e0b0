import { Eip } from "@pulumi/aws/ec2/eip.js";
import { EipAssociation } from "@pulumi/aws/ec2/eipAssociation.js";
import { Instance } from "@pulumi/aws/ec2/instance.js";
import { InternetGateway } from "@pulumi/aws/ec2/internetGateway.js";
import { KeyPair } from "@pulumi/aws/ec2/keyPair.js";
import { RouteTable } from "@pulumi/aws/ec2/routeTable.js";
import { RouteTableAssociation } from "@pulumi/aws/ec2/routeTableAssociation.js";
import { SecurityGroup } from "@pulumi/aws/ec2/securityGroup.js";
import { Subnet } from "@pulumi/aws/ec2/subnet.js";
import { Vpc } from "@pulumi/aws/ec2/vpc.js";
import { SecurityGroupEgressRule } from "@pulumi/aws/vpc/securityGroupEgressRule.js";
import { SecurityGroupIngressRule } from "@pulumi/aws/vpc/securityGroupIngressRule.js";
import * as pulumi from "@pulumi/pulumi";
import type { ServerDocuments } from "../servers/server-documents.ts";

/**
 * A server of AWS EC2 for a site to come back on: blank, with Debian, and let in by the operator's key alone. A living one stays as it was made,
 * whatever site.yaml says since: another `run` makes another server.
 */
export class AwsServer extends pulumi.ComponentResource {
  readonly instance: pulumi.Output<string>;
  /** At which it is reached. */
  readonly address: pulumi.Output<string>;

  constructor(
    name: string,
    run: string,
    { region, keyPair, ingress, instance, keepsAddress, network, tags }: ServerDocuments,
    options?: pulumi.ComponentResourceOptions,
  ) {
    super("recovery-stack:index:AwsServer", name, {}, options);
    const own = { parent: this };
    const staging = network !== undefined;
    const { availabilityZone } = instance;
    const placed = network && networkOf(this, name, { ...network, region, availabilityZone, tags });
    const key = new KeyPair(`${name}-key`, { region, ...keyPair, tags }, own);
    const group = new SecurityGroup(
      `${name}-group`,
      {
        region,
        description: "What a site serves, and its operator's ssh",
        ...(placed ? { vpcId: placed.vpcId } : {}),
        tags,
      },
      // Without it a server that serves would be cut off: with it a stack that has one is not taken down.
      { ...own, protect: !staging },
    );
    for (const { name: rule, port, ...range } of ingress) {
      new SecurityGroupIngressRule(
        `${name}-${rule}`,
        {
          region,
          securityGroupId: group.id,
          ipProtocol: "tcp",
          fromPort: port,
          toPort: port,
          ...range,
          tags,
        },
        own,
      );
    }
    for (const [rule, range] of Object.entries({
      "out-4": { cidrIpv4: "0.0.0.0/0" },
      "out-6": { cidrIpv6: "::/0" },
    })) {
      new SecurityGroupEgressRule(
        `${name}-${rule}`,
        { region, securityGroupId: group.id, ipProtocol: "-1", ...range, tags },
        own,
      );
    }
    const server = new Instance(
      `${name}-${run}`,
      {
        region,
        ...instance,
        keyName: key.id,
        vpcSecurityGroupIds: [group.id],
        ...(placed ? { subnetId: placed.subnetId, associatePublicIpAddress: true } : {}),
        tags,
        volumeTags: tags,
      },
      // Who takes a stack down, or names another run, is not to end a server that serves.
      { ...own, retainOnDelete: !staging, ignoreChanges: madeOnce },
    );
    this.instance = server.id;
    if (keepsAddress) {
      const kept = new Eip(
        `${name}-address`,
        { region, domain: "vpc", tags: { Name: tags["Name"] ?? name, site: tags["site"] ?? name } },
        { ...own, protect: true, retainOnDelete: true },
      );
      new EipAssociation(
        `${name}-address`,
        { region, allocationId: kept.id, instanceId: server.id, allowReassociation: true },
        { ...own, retainOnDelete: true },
      );
      this.address = kept.publicIp;
    } else {
      this.address = server.publicIp;
    }
    this.registerOutputs({ instance: this.instance, address: this.address });
  }
}

/** What of a living server is as it was made: another value would stop it, or make another in its place. */
const madeOnce = [
  ...["ami", "availabilityZone", "instanceType", "keyName", "rootBlockDevice", "subnetId"],
  ...["tags", "userData", "volumeTags"],
];

/** A network that has a way to the outside, for packages and backups, and none to any other network. */
function networkOf(
  parent: pulumi.Resource,
  name: string,
  {
    vpc,
    subnet,
    region,
    availabilityZone,
    tags,
  }: NonNullable<ServerDocuments["network"]> &
    Pick<ServerDocuments, "region" | "tags"> &
    Pick<ServerDocuments["instance"], "availabilityZone">,
): { vpcId: pulumi.Output<string>; subnetId: pulumi.Output<string> } {
  const own = { parent };
  const made = new Vpc(`${name}-network`, { region, cidrBlock: vpc, enableDnsHostnames: true, tags }, own);
  const gateway = new InternetGateway(`${name}-gateway`, { region, vpcId: made.id, tags }, own);
  const table = new RouteTable(
    `${name}-routes`,
    { region, vpcId: made.id, routes: [{ cidrBlock: "0.0.0.0/0", gatewayId: gateway.id }], tags },
    own,
  );
  const inside = new Subnet(
    `${name}-subnet`,
    { region, vpcId: made.id, cidrBlock: subnet, availabilityZone, tags },
    own,
  );
  new RouteTableAssociation(`${name}-routes`, { region, subnetId: inside.id, routeTableId: table.id }, own);
  return { vpcId: made.id, subnetId: inside.id };
}
