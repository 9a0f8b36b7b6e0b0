import { createHash } from "node:crypto";
import { join } from "node:path";
import { baseCache, buildBase, stateOfBase, type Base } from "./base.ts";
import type { Machine } from "./nspawn.ts";

/** Everything by which one baked base differs from another. */
export interface BakeRecipe {
  /** Names of Debian packages. */
  packages: readonly string[];
  /** Names what installs them: another release of the steps bakes anew. */
  steps: string;
}

/** A base with packages baked in, and where it lies or will lie. */
export interface BakedBase {
  base: Base;
  folder: string;
  /** What it is made of, as text; its digest names it. */
  description: string;
}

/** Where the base with these packages belongs, over this blank one. Pure, so the same for all who ask. */
export function bakedBaseOf(
  blank: Base,
  recipe: BakeRecipe,
  environment: NodeJS.ProcessEnv = process.env,
): BakedBase {
  const description = JSON.stringify({
    version: 1,
    blank: blank.digest,
    packages: [...recipe.packages].sort(),
    steps: recipe.steps,
  });
  const digest = createHash("sha256").update(description).digest("hex").slice(0, 12);
  const folder = join(baseCache(environment), `debian-${blank.release}-baked-${digest}`);
  return { base: { ...blank, root: join(folder, "root"), digest }, folder, description };
}

export function isBaked({ folder }: BakedBase): boolean {
  return stateOfBase(folder) === "complete";
}

/**
 * Shuts the machine down and keeps what it has become as a base, without what made it this machine, its logs, and all that
 * was delivered to it. The machine is of no use afterwards. @throws Error with what went wrong
 */
export async function keepAsBase(
  machine: Machine,
  { folder, description }: BakedBase,
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  await machine.shutDown();
  const { failed, lines } = await buildBase(
    folder,
    description,
    ["baked", machine.directory, ...machine.ownFiles],
    say,
    signal,
  );
  if (failed) throw new Error(lines.slice(-3).join("; ") || "it was not copied whole");
}
