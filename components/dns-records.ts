import { Record } from "@pulumi/aws/route53/record.js";
import * as pulumi from "@pulumi/pulumi";

export interface DnsRecordsArgs {
  /** Id of the hosted zone. */
  zone: string;
  names: readonly string[];
  /** IPv4 or IPv6 address. */
  address: string;
  ttlSeconds: number;
}

/** The names of a site, led to one address in Route 53. They are protected: a site without a name is lost too. */
export class DnsRecords extends pulumi.ComponentResource {
  constructor(name: string, args: DnsRecordsArgs, options?: pulumi.ComponentResourceOptions) {
    super("recovery-stack:index:DnsRecords", name, {}, options);
    const { zone, names, address, ttlSeconds } = args;
    for (const one of names) {
      new Record(
        one,
        {
          zoneId: zone,
          name: one,
          type: address.includes(":") ? "AAAA" : "A",
          ttl: ttlSeconds,
          records: [address],
          // What leads to the lost server is there already.
          allowOverwrite: true,
        },
        { parent: this, protect: true },
      );
    }
    this.registerOutputs({});
  }
}
