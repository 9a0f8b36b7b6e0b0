import { execa } from "execa";
import { openInventory } from "../backups/open-point.ts";
import { isEncrypted, tiers } from "../backups/point-manifest.ts";
import { isGood, type RestorePoint } from "../backups/restore-point.ts";
import { openStore } from "../backups/stores/open-store.ts";
import { ensureDebianPackages } from "../machines/debian-packages.ts";
import { identityProblem } from "../site/age-identity.ts";
import type { LoadedSite } from "../site/load.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { readSecrets } from "../site/secrets.ts";
import { storedPoints } from "../stacks/prepare.ts";
import { refuseOnProtectedHost } from "./protected-host.ts";

/** A private key that site.yaml names, as it is here. */
export interface KeyProof {
  /** Name of the secret. */
  secret: string;
  of: "operator" | "verifier";
  /** Its public key, of several that of a recipient; null when it is one of ssh, which nothing tells from here, or cannot be read. */
  publicKey: string | null;
  /** Why it is no key that could be used now; null when it could. */
  problem: string | null;
  /** For the newest good point of each tier and store: whether it opens it, by its inventory. */
  points: { id: string; store: string; opens: boolean; why: string | null }[];
}

export interface KeysProof {
  /** Public keys that the next backup is encrypted to. */
  recipients: string[];
  keys: KeyProof[];
  /** What should be otherwise: a line each. Empty is good. */
  faults: string[];
}

/**
 * Whether the keys that site.yaml names open the backups that they are for: the newest of each tier, in each store. A key is tried
 * before the night in which it is needed. A verifier's key is looked for only where it is, and its absence here is no fault.
 */
export async function proveKeys(
  loaded: LoadedSite,
  { say, signal }: { say: (line: string) => void; signal: AbortSignal },
): Promise<KeysProof> {
  await refuseOnProtectedHost();
  const { restorePoints, verification } = loaded.site;
  const { recipients } = restorePoints;
  await ensureDebianPackages(
    ["age", "zstd"].map((name) => ({ command: name, package: name })),
    say,
  );
  const newest = newestOfTiers(await storedPoints(loaded, say, { signal }));
  const named: [secret: string | undefined, of: KeyProof["of"]][] = [
    [restorePoints.identity, "operator"],
    [verification?.identity, "verifier"],
  ];
  const keys: KeyProof[] = [];
  for (const [secret, of] of named) {
    if (secret !== undefined) keys.push(await proven(loaded, { secret, of }, newest, { say, signal }));
  }
  return { recipients, keys, faults: faultsOf({ recipients, keys }) };
}

/** What of it should be otherwise. Pure. */
export function faultsOf({ recipients, keys }: Omit<KeysProof, "faults">): string[] {
  const operator = keys.filter(({ of }) => of === "operator");
  return [
    ...(recipients.length === 0
      ? ["backups are not encrypted: site.yaml names no restorePoints.recipients"]
      : recipients.length === 1
        ? [
            "backups are encrypted to one key: with it all of them are lost. Add one that lies elsewhere, such as in a safe",
          ]
        : []),
    ...operator.flatMap(({ secret, problem }) => (problem === null ? [] : [`the key ${secret}: ${problem}`])),
    ...keys.flatMap(({ secret, problem, points }) =>
      problem === null && points.length === 0
        ? [`the key ${secret} was tried on nothing: no store holds a good backup that is encrypted`]
        : [],
    ),
    ...keys.flatMap(({ secret, publicKey }) =>
      publicKey !== null && recipients.length > 0 && !recipients.includes(publicKey)
        ? [`the key ${secret} opens no backup that is made from now on: ${publicKey} is no recipient`]
        : [],
    ),
    ...keys.flatMap(({ secret, points }) =>
      points.flatMap(({ id, store, opens, why }) =>
        opens ? [] : [`the key ${secret} does not open ${id} in ${store}: ${why ?? "no reason known"}`],
      ),
    ),
  ];
}

/** The newest good point of each tier in each store that wants a key. Pure. */
export function newestOfTiers(points: readonly RestorePoint[]): RestorePoint[] {
  const own = points.filter(
    (point) =>
      isGood(point) && point.format === "folder" && point.members.some(({ path }) => isEncrypted(path)),
  );
  const stores = [...new Set(own.map(({ store }) => store))];
  return stores.flatMap((store) =>
    tiers.flatMap((tier) => {
      const [first] = own
        .filter((point) => point.store === store && point.id.startsWith(`${tier}/`))
        .sort((one, other) => (one.id < other.id ? 1 : -1));
      return first === undefined ? [] : [first];
    }),
  );
}

async function proven(
  loaded: LoadedSite,
  key: Pick<KeyProof, "secret" | "of">,
  newest: readonly RestorePoint[],
  { say, signal }: { say: (line: string) => void; signal: AbortSignal },
): Promise<KeyProof> {
  const unusable = (problem: string): KeyProof => ({ ...key, publicKey: null, problem, points: [] });
  let identity: string;
  try {
    identity = (await readSecrets(loaded, [key.secret], { signal }))[key.secret] ?? "";
  } catch (error) {
    if (error instanceof OperatorError && error.exitCode === exitCodes.missingHere)
      return unusable(error.why);
    throw error;
  }
  const problem = identityProblem(identity);
  if (problem !== undefined) return unusable(problem);
  const points: KeyProof["points"] = [];
  for (const point of newest) {
    const store = loaded.site.stores.find(({ name }) => name === point.store);
    if (!store) throw new Error(`the point ${point.id} is of a store that the site does not have`);
    const opening = await openInventory(await openStore(store, loaded), point, { identity, say, signal });
    const why = opening === "opened" ? null : Object.values(opening).join();
    points.push({ id: point.id, store: point.store, opens: why === null, why });
  }
  const publicKeys = await publicKeysOf(identity);
  const { recipients } = loaded.site.restorePoints;
  const publicKey = publicKeys.find((one) => recipients.includes(one)) ?? publicKeys[0] ?? null;
  return { ...key, publicKey, problem: null, points };
}

/** A file holds the key of before too, while backups of its time are kept. */
async function publicKeysOf(identity: string): Promise<string[]> {
  const { exitCode, stdout } = await execa("age-keygen", ["-y"], { input: `${identity}\n`, reject: false });
  return exitCode === 0 ? stdout.split("\n").filter((line) => line.startsWith("age1")) : [];
}
