import * as pulumi from "@pulumi/pulumi";
import { isGood, type RestorePoint } from "../backups/restore-point.ts";
import { AwsServer } from "../components/aws-server.ts";
import { regionDependencies } from "../servers/region-dependencies.ts";
import { serverDocuments, type ServerDocuments } from "../servers/server-documents.ts";
import { requireServer } from "../servers/server-refusals.ts";
import { loadSite, type LoadedSite } from "../site/load.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { recoverablePoints } from "./prepare.ts";

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
  const loaded = await loadSite(siteFile);
  const { site } = loaded;
  const { replacement } = site;
  if (replacement === undefined) {
    throw new OperatorError(
      exitCodes.usage,
      "site.yaml describes no server",
      "the stack makes what its section `replacement` says",
      "add one, or rent a server and give it to npx recovery rebuild --host: docs/servers.md",
    );
  }
  requireServer(site, await lostServer(loaded, say));
  if (pulumi.runtime.isDryRun()) {
    for (const [region, lines] of regionDependencies(site, process.env["PULUMI_BACKEND_URL"]))
      say(`in ${region}: ${lines.join("; ")}`);
  }
  return { run, documents: serverDocuments(site, replacement, { run, staging }) };
}

/** What the newest good backup tells of the server that it was made on. Stores that cannot be read keep nobody from making another. */
async function lostServer(loaded: LoadedSite, say: (line: string) => void): Promise<RestorePoint["server"]> {
  try {
    const { points } = await recoverablePoints(loaded, say);
    const told = points.find((point) => isGood(point) && point.server !== undefined)?.server;
    if (told === undefined)
      say("no backup tells how large the lost server was: site.yaml is taken at its word");
    return told;
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    say(`${error.what}: ${error.why}. How large the lost server was is not known`);
    return undefined;
  }
}

export function declareServer({ run, documents }: PreparedServer): ServerOutputs {
  const { instance, address } = new AwsServer("server", run, documents);
  return {
    address,
    instance,
    fingerprint: pulumi.interpolate`aws ec2 get-console-output --latest --output text --region ${documents.region} --instance-id ${instance} | grep -A 6 'BEGIN SSH HOST KEY FINGERPRINTS'`,
  };
}
