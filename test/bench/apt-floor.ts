import type { Site } from "../../site/schema.ts";
import { allPackages, packagesOf } from "../../runbook/packages.ts";
import { onBlankMachine } from "./blank-machine.ts";
import { secondsSince } from "./figure.ts";

/** Every package that a drill of the site installs. */
export function drillPackages(site: Site): string[] {
  return ["jq", "rclone", ...allPackages(packagesOf(site, { isolated: true }))];
}

/** The floor of a drill: what a person would type on its machine. Update, upgrade, install, all in one go. @returns seconds */
export async function aptFloor(site: Site): Promise<number> {
  return onBlankMachine(site.server.release, async ({ connection }) => {
    const begin = performance.now();
    const { exitCode, stderr } = await connection.run(
      `export DEBIAN_FRONTEND=noninteractive; apt-get -qq update && apt-get -qq -y upgrade && apt-get -qq -y install --no-install-recommends ${drillPackages(site).join(" ")}`,
      { timeoutSeconds: 600 },
    );
    if (exitCode !== 0) throw new Error(`the floor failed: ${stderr}`);
    return secondsSince(begin);
  });
}
