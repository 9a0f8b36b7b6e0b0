import {
  DescribeImagesCommand,
  DescribeInstancesCommand,
  DescribeInstanceStatusCommand,
  DescribeInstanceTypesCommand,
  EC2Client,
} from "@aws-sdk/client-ec2";
import type { Architecture, InstanceFacts } from "../damage/facts.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";

/** Debian's own account at AWS (https://wiki.debian.org/Cloud/AmazonEC2Image). */
const debian = "136693071363";
const words: Record<Architecture, string> = { amd64: "x86_64", arm64: "arm64" };
const limitSeconds = 20;

/** An image of Debian, as site.yaml pins it. */
export interface DebianImage {
  id: string;
  name: string;
  /** UTC, ISO 8601. */
  createdAt: string;
}

/** What a type of instance has. */
export interface InstanceType {
  cores: number;
  memoryBytes: number;
  architectures: Architecture[];
}

/** Credentials are taken as AWS' own programs take them. */
async function asking<Result>(
  region: string,
  what: string,
  ask: (client: EC2Client, options: { abortSignal: AbortSignal }) => Promise<Result>,
): Promise<Result> {
  const client = new EC2Client({ region, maxAttempts: 2 });
  try {
    return await ask(client, { abortSignal: AbortSignal.timeout(limitSeconds * 1000) });
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    const { name, message } = error instanceof Error ? error : { name: "Error", message: String(error) };
    throw new OperatorError(
      exitCodes.missingHere,
      `AWS does not tell ${what}`,
      `${name}: ${message.replaceAll(/[\s\p{Cc}]+/gu, " ").slice(0, 300)}`,
      "give credentials as AWS' own programs take them, AWS_PROFILE or what `aws sso login` left, of somebody who may describe EC2",
    );
  } finally {
    client.destroy();
  }
}

/**
 * The newest image of a Debian release that Debian itself published in a region.
 *
 * @throws OperatorError: exit code 3 when AWS does not answer, 2 when there is none
 */
export async function newestDebianImage(
  region: string,
  release: string,
  architecture: Architecture,
): Promise<DebianImage> {
  const { Images = [] } = await asking(region, "which images there are", (client, options) =>
    client.send(
      new DescribeImagesCommand({
        Owners: [debian],
        Filters: [
          { Name: "name", Values: [`debian-${release}-${architecture}-*`] },
          { Name: "architecture", Values: [words[architecture]] },
          { Name: "state", Values: ["available"] },
        ],
      }),
      options,
    ),
  );
  const [newest] = Images.flatMap(
    ({ ImageId: id, Name: name, CreationDate: createdAt, OwnerId: owner }): DebianImage[] =>
      id === undefined || name === undefined || createdAt === undefined || owner !== debian
        ? []
        : [{ id, name, createdAt }],
  ).sort((one, other) => other.createdAt.localeCompare(one.createdAt));
  if (newest) return newest;
  throw new OperatorError(
    exitCodes.usage,
    `there is no image of Debian ${release} for ${architecture} in ${region}`,
    `Debian's account there (${debian}) has published none by the name debian-${release}-${architecture}-…`,
    "name another region or release",
  );
}

/** @throws OperatorError: exit code 3 when AWS does not answer, 2 when there is no such type */
export async function describeType(region: string, type: string): Promise<InstanceType> {
  const { InstanceTypes: [found] = [] } = await asking(region, `what ${type} is`, (client, options) =>
    client.send(new DescribeInstanceTypesCommand({ InstanceTypes: [type as never] }), options),
  );
  const cores = found?.VCpuInfo?.DefaultVCpus;
  const mebibytes = found?.MemoryInfo?.SizeInMiB;
  if (cores === undefined || mebibytes === undefined) {
    throw new OperatorError(
      exitCodes.usage,
      `there is no type of instance ${type} in ${region}`,
      "AWS does not know it there",
      "name another, such as t3.small",
    );
  }
  const supported: readonly string[] = found?.ProcessorInfo?.SupportedArchitectures ?? [];
  const architectures = (["amd64", "arm64"] as const).filter((one) => supported.includes(words[one]));
  return { cores, memoryBytes: mebibytes * 1024 ** 2, architectures };
}

/** How AWS says that an instance is; why it does not, where nobody could be asked. */
export async function lookAtInstance(region: string, id: string): Promise<InstanceFacts> {
  try {
    return await asking(region, `how ${id} is`, async (client, options) => {
      const { Reservations = [] } = await client.send(
        new DescribeInstancesCommand({ InstanceIds: [id] }),
        options,
      );
      const state = Reservations[0]?.Instances?.[0]?.State?.Name ?? "unknown";
      const { InstanceStatuses: [status] = [] } = await client.send(
        new DescribeInstanceStatusCommand({ InstanceIds: [id], IncludeAllInstances: true }),
        options,
      );
      const system = status?.SystemStatus?.Status ?? "unknown";
      const instance = status?.InstanceStatus?.Status ?? "unknown";
      return { id, state, checks: { system, instance } };
    });
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return { id, error: error.why };
  }
}
