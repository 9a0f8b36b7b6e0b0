import { openPoint } from "../backups/open-point.ts";
import { isEncrypted } from "../backups/point-manifest.ts";
import { isGood, isRead, type RestorePoint } from "../backups/restore-point.ts";
import { openStore } from "../backups/stores/open-store.ts";
import { ensureDebianPackages } from "../machines/debian-packages.ts";
import { identityProblem } from "../site/age-identity.ts";
import type { LoadedSite } from "../site/load.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { readSecrets } from "../site/secrets.ts";
import { judgedPoints, storedPoints } from "../stacks/prepare.ts";
import { refuseOnProtectedHost } from "./protected-host.ts";
import { type VerdictSigner, verdictSigner } from "./sign-verdict.ts";

export interface VerifyOptions {
  /** Which of the site's points: they are listed first, with what is known of them. Throws OperatorError when there are none of these. */
  wanted: (points: RestorePoint[]) => RestorePoint[];
  /** What is found is signed, and counts from then on. */
  sign: boolean;
  say: (line: string) => void;
  signal: AbortSignal;
}

export interface VerifiedPoint {
  /** As it is worth now that it was read again. */
  point: RestorePoint;
  /** It is not worth what it should be: damaged, of another site, or encrypted to other keys than the one that is here. */
  failed: boolean;
  /** Path of the verdict that was signed. */
  verdict: string | null;
}

/**
 * Reads points from end to end again, whatever is known of them from before. All of one that can be opened here is decrypted, unpacked
 * and hashed: it is then `readable`. Of one that cannot, since its key is not here, the stored bytes are hashed.
 *
 * @throws OperatorError: exit code 4 on a server that makes backups, whose word on them counts for nothing; 3 without a key, or what opens
 * them.
 */
export async function verifyPoints(loaded: LoadedSite, options: VerifyOptions): Promise<VerifiedPoint[]> {
  const { say, signal } = options;
  await refuseOnProtectedHost();
  const signer = options.sign ? await verdictSigner(loaded) : undefined;
  // A verdict of yesterday keeps nobody from reading it again today.
  const stored = await storedPoints(loaded, say, { signal });
  const asked = options.wanted(await judgedPoints(loaded, stored, say));
  const wanted = stored.filter((point) => point.kind !== null && asked.some((one) => isSame(one, point)));
  const { identity, openable } = await keyFor(loaded, wanted.filter(isSound));
  const isOpened = (point: RestorePoint) => openable.some((one) => isSame(one, point));
  if (openable.length > 0) {
    await ensureDebianPackages(
      [
        { command: "age", package: "age" },
        { command: "zstd", package: "zstd" },
      ],
      say,
    );
  }
  // What is opened below is not read twice.
  const listed = await storedPoints(loaded, say, {
    signal,
    again: (file) => wanted.some((point) => point.file === file && !isOpened(point)),
  });
  const verified: VerifiedPoint[] = [];
  for (const before of wanted) {
    const again = listed.find((point) => isSame(point, before));
    if (again === undefined) {
      // It says nothing of the point: backups come to the end of their time.
      verified.push({ point: gone(before, "it was taken away"), failed: true, verdict: null });
      continue;
    }
    const { point, untried = false } =
      isOpened(before) && isSound(again)
        ? await opened(loaded, again, identity, options)
        : { point: again.format === "archive" ? raised(again) : again };
    const failed = untried || point.state === "damaged" || point.state === "foreign";
    verified.push({ point, failed, verdict: untried ? null : await signed(signer, before, point) });
  }
  return verified;
}

/** What lies there can be read: whether it may be restored is another question. */
function isSound(point: RestorePoint): boolean {
  return isGood(point) || point.state === "partial";
}

async function opened(
  loaded: LoadedSite,
  point: RestorePoint,
  identity: string | undefined,
  { say, signal }: VerifyOptions,
): Promise<{ point: RestorePoint; untried?: boolean }> {
  const store = loaded.site.stores.find(({ name }) => name === point.store);
  if (!store) throw new Error(`the point ${point.id} is of a store that the site does not have`);
  const opening = await openPoint(await openStore(store, loaded), point, { identity, say, signal });
  if (opening === "opened") return { point: raised(point) };
  if ("gone" in opening) return { point: gone(point, opening.gone), untried: true };
  if ("locked" in opening)
    return { point: { ...point, reason: `not opened: ${opening.locked}` }, untried: true };
  return { point: { ...point, state: "damaged", reason: opening.fault } };
}

/** All of it was read. A partial one stays partial. */
function raised(point: RestorePoint): RestorePoint {
  return point.state === "complete" ? { ...point, state: "readable" } : point;
}

/** The verifier's key, read only when a point wants one; and which points can be opened here. */
async function keyFor(
  loaded: LoadedSite,
  wanted: RestorePoint[],
): Promise<{ identity: string | undefined; openable: RestorePoint[] }> {
  const own = wanted.filter(({ format }) => format === "folder");
  const isClosed = ({ members }: RestorePoint) => members.some(({ path }) => isEncrypted(path));
  const name = loaded.site.verification?.identity ?? loaded.site.restorePoints.identity;
  if (!own.some(isClosed)) return { identity: undefined, openable: own };
  if (name === undefined) return { identity: undefined, openable: own.filter((point) => !isClosed(point)) };
  const identity = (await readSecrets(loaded, [name]))[name] ?? "";
  const problem = identityProblem(identity);
  if (problem === undefined) return { identity, openable: own };
  throw new OperatorError(
    exitCodes.missingHere,
    `the secret ${name} cannot decrypt a backup`,
    problem,
    "give the key itself: let from in site.yaml be a command that unlocks it, such as command:age -d key.age",
  );
}

/** A verdict is on what could have been restored before: what was damaged anyway needs none. */
async function signed(
  signer: VerdictSigner | undefined,
  before: RestorePoint,
  point: RestorePoint,
): Promise<string | null> {
  if (signer === undefined || !isGood(before)) return null;
  if (isRead(point)) return signer.read(point, null);
  if (point.state === "damaged") return signer.read(before, point.reason);
  return null;
}

function isSame(one: RestorePoint, other: RestorePoint): boolean {
  return one.store === other.store && one.file === other.file;
}

function gone(point: RestorePoint, what: string): RestorePoint {
  return { ...point, state: "damaged", reason: `while it was verified, ${what}` };
}
