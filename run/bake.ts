import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { exclusively } from "../engine/exclusive.ts";
import { bakedBaseOf, isBaked, keepAsBase, type BakedBase } from "../machines/baked-base.ts";
import { ensureBase, type Base } from "../machines/base.ts";
import { createMachine, sweepMachines } from "../machines/nspawn.ts";
import { planBake } from "../runbook/bake.ts";
import { allPackages, packagesOf, type Packages } from "../runbook/packages.ts";
import type { Site } from "../site/schema.ts";
import { startAgent } from "../ssh/agent.ts";
import { HostSession } from "../ssh/host-session.ts";
import { stepOverSsh } from "./step-over-ssh.ts";

/** What of host/ decides how packages are installed. */
const recipeFiles = ["apt.sh", "seed", "steps/download-packages", "steps/install-packages"];

/**
 * A base system with all packages of the site's drill installed; makes it when there is none. It is made on a walled machine
 * of its own by the steps that install packages in a recovery, and nothing of a backup is ever on that machine.
 * @throws OperatorError exit code 1 when the packages cannot be installed
 */
export async function ensureBaked(
  site: Site,
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<BakedBase> {
  const blank = await ensureBase(site.server.release, say, signal);
  const packages = packagesOf(site, { isolated: true });
  const baked = bakedBaseOf(blank, {
    packages: allPackages(packages),
    steps: await recipeDigest(),
  });
  if (isBaked(baked)) return baked;
  await exclusively(
    `${baked.folder}.bake.lock`,
    () => {
      say("another run is baking these packages; waiting for it");
    },
    signal,
    async () => {
      if (isBaked(baked)) return;
      say(
        `baking ${allPackages(packages).length} packages and what they need into a base system (once; about a minute)`,
      );
      await bake(blank, packages, baked, say, signal);
    },
  );
  return baked;
}

async function bake(
  blank: Base,
  packages: Packages,
  baked: BakedBase,
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  await sweepMachines(say);
  const agent = await startAgent();
  try {
    const machine = await createMachine({
      base: blank,
      release: blank.release,
      authorizedKeys: [agent.publicKey],
      admittedHosts: [],
      say,
      ...(signal && { signal }),
    });
    try {
      const session = new HostSession({
        target: { ...machine, agentSocketPath: agent.socketPath },
        run: { id: "bake", who: "a bake", why: "bake packages into a base system" },
        secrets: () => Promise.resolve({}),
        relayedFolders: {},
        say: () => undefined,
      });
      try {
        const connection = await session.open();
        for (const step of planBake(packages)) await stepOverSsh(connection, step, [], signal);
      } finally {
        await session.close();
      }
      await keepAsBase(machine, baked, say, signal);
    } finally {
      await machine.destroy();
    }
  } finally {
    await agent.close();
  }
}

async function recipeDigest(): Promise<string> {
  const hash = createHash("sha256");
  for (const name of recipeFiles) {
    const content = await readFile(new URL(`../host/${name}`, import.meta.url));
    hash.update(`${name}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex").slice(0, 12);
}
