import { exitCodes, OperatorError } from "../site/operator-error.ts";
import type { Site } from "../site/schema.ts";
import { formatSize } from "../site/units.ts";

/** What else lies on a root volume: Debian, its packages, and the restore's own copies. */
const besidesBytes = 6 * 1024 ** 3;

/** Why the server that site.yaml describes could not take the lost one's place: a line each. Pure. */
export function serverRefusals({ replacement, server }: Site): string[] {
  if (replacement === undefined) return [];
  const { region, zone, image, instance, disk, operators, staging } = replacement;
  const lines = [
    ...(zone.slice(0, -1) === region ? [] : [`${zone} is no zone of ${region}`]),
    ...(image.release === server.release
      ? []
      : [`its image is of Debian ${image.release}, and server.release is ${server.release}`]),
    ...(image.architecture === instance.architecture
      ? []
      : [
          `its image is for ${image.architecture}, and ${instance.type} has processors of ${instance.architecture}`,
        ]),
    ...(instance.cores >= server.cores
      ? []
      : [`${instance.type} has ${instance.cores} cores, and the site needs ${server.cores}`]),
    ...(instance.memory >= server.memory
      ? []
      : [
          `${instance.type} has ${formatSize(instance.memory)} of memory, and the site needs ${formatSize(server.memory)}`,
        ]),
    ...(disk >= server.disk + besidesBytes
      ? []
      : [
          `its disk is ${formatSize(disk)}, and the site needs ${formatSize(server.disk)} beside ${formatSize(besidesBytes)} for Debian and the restore`,
        ]),
    ...operators
      .filter((range) => Number(range.split("/")[1]) < (range.includes(":") ? 32 : 16))
      .map((range) => `operators has ${range}: too many could try to log in`),
    ...(staging.lifeSpan >= 600 ? [] : ["a staging server needs more than 10 minutes to be of use"]),
  ];
  return lines.map((line) => `replacement: ${line}`);
}

/** What a server has that a backup was made on. */
interface LostServer {
  cores: number;
  memoryBytes: number;
}

/** Why it is smaller than the one that is lost: a line each. Of its memory a running system tells less than its provider sells. Pure. */
export function smallerThan({ replacement }: Site, lost: LostServer | undefined): string[] {
  if (replacement === undefined || lost === undefined) return [];
  const { type, cores, memory } = replacement.instance;
  return [
    ...(cores >= lost.cores
      ? []
      : [`replacement: ${type} has ${cores} cores, and the lost server had ${lost.cores}`]),
    ...(memory >= lost.memoryBytes
      ? []
      : [
          `replacement: ${type} has ${formatSize(memory)} of memory, and the lost server had ${Math.round(lost.memoryBytes / 1024 ** 2)}MiB`,
        ]),
  ];
}

/** @throws OperatorError (2) with all of them, when there are any; `lost` is what the newest backup tells of the server that it was made on */
export function requireServer(site: Site, lost?: LostServer): void {
  const refused = [...serverRefusals(site), ...smallerThan(site, lost)];
  if (refused.length === 0) return;
  throw new OperatorError(
    exitCodes.usage,
    "the server that site.yaml describes could not take the lost one's place",
    refused.join("\n"),
    "correct replacement in site.yaml; npx recovery server-image finds an image, and what a type of instance has",
  );
}
