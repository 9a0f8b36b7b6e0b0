import { DnsRecords } from "../components/dns-records.ts";
import { loadSite } from "../site/load.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { isIP } from "node:net";

export interface DnsOutputs {
  names: string[];
  address: string;
}

/**
 * Leads a site's names to an address.
 *
 * @throws OperatorError (2) when site.yaml names no zone, or that is no address
 */
export async function declareDns(siteFile: string, address: string): Promise<DnsOutputs> {
  const { site } = await loadSite(siteFile);
  if (site.dns === undefined) {
    throw new OperatorError(
      exitCodes.usage,
      "site.yaml does not say where the site's names are kept",
      "the stack dns changes them in the hosted zone that its section `dns` names",
      "add one, or change them by hand: npx recovery rebuild prints what to set",
    );
  }
  if (isIP(address) === 0) {
    throw new OperatorError(
      exitCodes.usage,
      `${address} is no address`,
      "address in stack config is what the site's names are to lead to",
      "pulumi config set address 192.0.2.10",
    );
  }
  const names = [site.domain, ...site.aliases];
  new DnsRecords("names", { zone: site.dns.zone, names, address, ttlSeconds: site.dns.ttl });
  return { names, address };
}
