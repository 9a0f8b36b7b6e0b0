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
      .map((range) => `operators has ${range}: half the world could try to log in`),
    ...(staging.lifeSpan >= 600 ? [] : ["a staging server needs more than 10 minutes to be of use"]),
  ];
  return lines.map((line) => `replacement: ${line}`);
}

/** @throws OperatorError (2) with all of them, when there are any */
export function requireServer(site: Site): void {
  const refused = serverRefusals(site);
  if (refused.length === 0) return;
  throw new OperatorError(
    exitCodes.usage,
    "the server that site.yaml describes could not take the lost one's place",
    refused.join("\n"),
    "correct replacement in site.yaml; npx recovery server-image finds an image, and what a type of instance has",
  );
}
