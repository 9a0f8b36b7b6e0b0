import * as pulumi from "@pulumi/pulumi";
import { AwsServer } from "../components/aws-server.ts";
import { regionDependencies } from "../servers/region-dependencies.ts";
import { serverDocuments, type ServerDocuments } from "../servers/server-documents.ts";
import { requireServer } from "../servers/server-refusals.ts";
import { loadSite } from "../site/load.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";

/** What the stack tells of the server. */
export interface ServerOutputs {
  address: pulumi.Output<string>;
  instance: pulumi.Output<string>;
  /** Prints the fingerprints of its host keys, as its console shows them: AWS' own word on who answers there. */
  fingerprint: pulumi.Output<string>;
}

interface PreparedServer {
  run: string;
  documents: ServerDocuments;
}

/**
 * The server that site.yaml describes, looked at from all sides that need no cloud.
 *
 * @throws OperatorError (2) when it describes none, or one that could not take the lost one's place
 */
export async function prepareServer(
  { siteFile, run, staging }: { siteFile: string; run: string; staging: boolean },
  say: (line: string) => void,
): Promise<PreparedServer> {
  const { site } = await loadSite(siteFile);
  const { replacement } = site;
  if (replacement === undefined) {
    throw new OperatorError(
      exitCodes.usage,
      "site.yaml describes no server",
      "the stack makes what its section `replacement` says",
      "add one, or rent a server and give it to npx recovery rebuild --host: docs/servers.md",
    );
  }
  requireServer(site);
  if (pulumi.runtime.isDryRun()) {
    for (const [region, lines] of regionDependencies(site, process.env["PULUMI_BACKEND_URL"]))
      say(`in ${region}: ${lines.join("; ")}`);
  }
  return { run, documents: serverDocuments(site, replacement, { run, staging }) };
}

export function declareServer({ run, documents }: PreparedServer): ServerOutputs {
  const { instance, address } = new AwsServer("server", run, documents);
  return {
    address,
    instance,
    fingerprint: pulumi.interpolate`aws ec2 get-console-output --latest --output text --region ${documents.region} --instance-id ${instance} | grep -A 6 'BEGIN SSH HOST KEY FINGERPRINTS'`,
  };
}
