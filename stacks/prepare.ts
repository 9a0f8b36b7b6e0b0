import { listPoints, type ListingOptions } from "../backups/catalogue.ts";
import { newerDatabases, pinnedPoint } from "../backups/choose-point.ts";
import { missingMembers } from "../backups/missing-members.ts";
import { newerDumps } from "../backups/newer-dumps.ts";
import { pinText } from "../backups/pin.ts";
import { isEncrypted } from "../backups/point-manifest.ts";
import { isGood, pinOf, type Pin, type RestorePoint } from "../backups/restore-point.ts";
import { siteMembers, type StoredMember } from "../backups/site-members.ts";
import { openStore } from "../backups/stores/open-store.ts";
import type { StoreReader } from "../backups/stores/store.ts";
import { withVerdicts } from "../backups/verdict.ts";
import { readVerdicts } from "../backups/verdict-folder.ts";
import { type ArchivePoint, checkSecrets, planCompleteFailure } from "../runbook/complete-failure.ts";
import { membersOf, type MemberPoint } from "../runbook/member-steps.ts";
import { type Part, partOf, planServerFailure } from "../runbook/server-failure.ts";
import { planProtection, protectedAfter, protectionStep } from "../runbook/protection.ts";
import type { Step } from "../runbook/step.ts";
import { type ApplicationSource, resolveApplication } from "../site/application-source.ts";
import { loadSite, type LoadedSite } from "../site/load.ts";
import type { Site } from "../site/schema.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { readSecrets } from "../site/secrets.ts";
import { fingerprint } from "../ssh/connection.ts";
import { packHostFolder } from "../ssh/host-folder.ts";
import type { RelayedFile, RelayedFolders } from "../ssh/relay.ts";
import { proveIdentity } from "./prove-identity.ts";
import type { RecoverySettings } from "./settings.ts";

/** A recovery that was looked at from every side that can be seen without touching the host. */
export interface PreparedRecovery {
  settings: RecoverySettings;
  loaded: LoadedSite;
  point: RestorePoint;
  /** That of the databases, where they are of a newer one. */
  databases?: RestorePoint;
  steps: Step[];
  relayedFolders: RelayedFolders;
  /** What site.yaml and the steps call a secret, by its name: read when first asked for, and once. Throws OperatorError (3, 4). */
  secrets: () => Promise<Record<string, string>>;
}

/** Names under which the relay serves what it may name. */
const archiveName = "point.tar.gz";
const bundleName = "application.bundle";

interface PrepareOptions {
  isolated: boolean;
  say: (line: string) => void;
  /** What the site's stores hold, where that was listed to choose the pin: a store that is silent is not waited for twice. */
  listed?: RecoverablePoints;
}

/**
 * Loads the site, finds the pinned point in its stores, resolves the application's revision and makes the plan.
 * Touches no host. Throws OperatorError: configuration (2), nothing pinned or the pin is not there or not good (4).
 */
export async function prepareRecovery(
  settings: RecoverySettings,
  options: PrepareOptions,
): Promise<PreparedRecovery> {
  const loaded = await loadSite(settings.siteFile, settings.release);
  const { site } = loaded;
  const { only } = settings;
  const [application, { points, unread }] = await Promise.all([
    // A database comes back without it, also when its source is gone.
    only === "database"
      ? Promise.resolve<ApplicationSource>({ commit: "" })
      : resolveApplication(loaded, options.say),
    options.listed ?? recoverablePoints(loaded, options.say),
  ]);
  const point = chosen(points, settings.pin, unread, site);
  const databases = settings.databases && pinnedPoint(points, settings.databases, unread);
  const wanted = only === undefined ? site : partOf(site, only);
  if (databases === undefined) {
    requireFit(point, wanted);
  } else {
    requireNewerDatabases(databases, point, only);
    requireFit(point, { ...wanted, databases: [] });
    requireFit(databases, partOf(site, "database"));
  }
  const { held, folders } =
    point.format === "archive"
      ? archive(point, await storeOf(point, loaded))
      : ownPoint({ point, databases }, site, {
          point: await storeOf(point, loaded),
          databases: await storeOf(databases ?? point, loaded),
        });
  const { bundle } = application;
  const steps = planCompleteFailure({
    site,
    point: {
      id: point.id,
      manifestSha256: point.manifestSha256 ?? "",
      ...held,
    },
    application: {
      commit: application.commit,
      ...(bundle ? { bundle: { name: bundleName, bytes: bundle.bytes, sha256: bundle.sha256 } } : {}),
    },
    hostKeyFingerprint: fingerprint(settings.host.hostKey),
    attempt: settings.attempt,
    over: settings.over ?? "",
    isolated: options.isolated,
  });
  const recovery = only === undefined ? steps : planServerFailure(steps, site, only, settings.way);
  // The server of the application is a new one; a drill's is thrown away.
  const { backups } = site;
  const planned =
    backups === undefined || options.isolated || only === "database"
      ? recovery
      : protectedAfter(
          recovery,
          planProtection(site, backups, (await packHostFolder()).digest, { newServer: true }),
        );
  const relayedFolders = {
    ...folders,
    ...(bundle && { application: [{ name: bundleName, path: bundle.path }] }),
  };
  let secrets: Promise<Record<string, string>> | undefined;
  return {
    settings,
    loaded,
    point,
    ...(databases ? { databases } : {}),
    steps: planned,
    relayedFolders,
    secrets: () => (secrets ??= provenSecrets(loaded, planned, Object.values(folders), options.say)),
  };
}

/** A key that is not there, or opens nothing, must not be found out in the middle of a recovery. */
async function provenSecrets(
  loaded: LoadedSite,
  steps: readonly Step[],
  points: readonly (readonly RelayedFile[])[],
  say: (line: string) => void,
): Promise<Record<string, string>> {
  const { secrets: known, restorePoints } = loaded.site;
  const { identity } = restorePoints;
  const of = (step: (id: string) => boolean) =>
    steps.filter(({ id }) => step(id)).flatMap(({ secrets }) => secrets);
  const needed = of((id) => id !== protectionStep);
  const key = identity !== undefined && needed.includes(identity) ? identity : null;
  const values = await readSecrets(loaded, [
    ...checkSecrets(loaded.site),
    // Others, such as the relay's, are made for the run.
    ...needed.filter((name) => known.some((secret) => secret.name === name)),
  ]);
  if (key !== null) {
    for (const files of points) await proveIdentity({ name: key, value: values[key] ?? "" }, files, say);
  }
  // A site that is down is not to wait for what its backups will want.
  for (const name of of((id) => id === protectionStep).filter((name) => values[name] === undefined)) {
    try {
      Object.assign(values, await readSecrets(loaded, [name], { commandTimeoutSeconds: 15 }));
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      say(`${error.what}: ${error.why}. The server will do without it, until: npx recovery protect`);
    }
  }
  return values;
}

/** @throws OperatorError (4) when a point does not hold what is wanted of it, or in a form that the replacement server is too old for. */
function requireFit(point: RestorePoint, wanted: Site): void {
  const missing = missingMembers(point, wanted);
  if (missing.length > 0) {
    throw new OperatorError(
      exitCodes.refused,
      `the restore point ${point.id} does not hold all of the site`,
      `it lacks ${missing.map(({ member, of }) => `${member} (${of})`).join(", ")}`,
      "choose another point with --point, or correct the members in site.yaml",
    );
  }
  const newer = newerDumps(point, wanted);
  if (newer.length > 0) {
    throw new OperatorError(
      exitCodes.refused,
      `the restore point ${point.id} is of a newer PostgreSQL than the replacement server has`,
      newer
        .map(
          ({ member, dump, server }) =>
            `${member} was made with PostgreSQL ${dump}, and Debian ${wanted.server.release} has ${server}`,
        )
        .join("; "),
      "take a newer Debian release in server.release of site.yaml, or choose an older point with --point",
    );
  }
}

/** A pin that stayed from an earlier recovery must not bring older databases than the point itself holds. */
function requireNewerDatabases(databases: RestorePoint, point: RestorePoint, only: Part | undefined): void {
  const why =
    only !== undefined
      ? `of the ${only} alone all comes from one point`
      : point.format === "archive" || databases.format === "archive"
        ? "an archive of the runbook's scripts is restored as it is"
        : Date.parse(databases.timeOfData ?? "") > Date.parse(point.timeOfData ?? "")
          ? undefined
          : `${point.id} holds newer ones itself`;
  if (why === undefined) return;
  throw new OperatorError(
    exitCodes.refused,
    `the databases are not restored from ${databases.id}`,
    why,
    "leave the pin of the databases out: pulumi config rm databases",
  );
}

async function storeOf(point: RestorePoint, loaded: LoadedSite): Promise<StoreReader> {
  const store = loaded.site.stores.find(({ name }) => name === point.store);
  if (!store) throw new Error(`the point ${point.id} is of a store that the site does not have`);
  return openStore(store, loaded);
}

/** What a plan is told of a point, and the files that its steps take from stores. */
interface Source {
  held: ArchivePoint | MemberPoint;
  folders: RelayedFolders;
}

function archive(point: RestorePoint, store: StoreReader): Source {
  const relayed = store.relayed(point.file, archiveName, new Date(point.storedAt));
  return {
    held: {
      archive: { name: relayed.name, bytes: point.storedBytes, sha256: point.sha256 ?? "" },
      unpackedBytes: point.members.reduce((sum, member) => sum + member.unpackedBytes, point.unpackedBytes),
    },
    folders: { point: [relayed] },
  };
}

function ownPoint(
  { point, databases }: { point: RestorePoint; databases: RestorePoint | undefined },
  site: Site,
  stores: Record<"point" | "databases", StoreReader>,
): Source {
  const newer = databases && siteMembers(databases, site);
  const members = { ...siteMembers(point, site), ...(newer ? { databases: newer.databases } : {}) };
  const newerDatabases = databases &&
    newer && {
      id: databases.id,
      manifestSha256: databases.manifestSha256 ?? "",
      inventory: newer.inventory,
    };
  const source = { members, ...(newerDatabases ? { newerDatabases } : {}) };
  const taken = membersOf(source);
  const stored = [...taken.point, ...taken.databases];
  const encrypted = stored.some(({ name }) => isEncrypted(name));
  const { identity } = site.restorePoints;
  if (encrypted && identity === undefined) {
    throw new OperatorError(
      exitCodes.usage,
      `the restore point ${point.id} is encrypted`,
      "site.yaml does not say where the key is (restorePoints.identity)",
      "add the private key of one of its recipients to secrets, and name it there: docs/format.md",
    );
  }
  return {
    held: {
      ...source,
      identity: encrypted ? (identity ?? null) : null,
      unpackedBytes: stored.reduce((sum, { unpackedBytes }) => sum + unpackedBytes, 0),
    },
    folders: {
      point: relayedOf(point, taken.point, stores.point),
      ...(databases && { databases: relayedOf(databases, taken.databases, stores.databases) }),
    },
  };
}

function relayedOf(
  { file, storedAt }: RestorePoint,
  members: readonly StoredMember[],
  store: StoreReader,
): RelayedFile[] {
  return members.map(({ name }) => store.relayed(`${file}/${name}`, name, new Date(storedAt)));
}

/** The restore points of all stores of a site, newest data first, as they are worth with what its verifiers found of them. */
export async function sitePoints(
  loaded: LoadedSite,
  say: (line: string) => void,
  options: Pick<ListingOptions, "signal"> = {},
): Promise<RestorePoint[]> {
  return judgedPoints(loaded, await storedPoints(loaded, say, options), say);
}

/** Points as they are worth with what the site's verifiers found of them. */
export async function judgedPoints(
  loaded: LoadedSite,
  points: readonly RestorePoint[],
  say: (line: string) => void,
): Promise<RestorePoint[]> {
  return withVerdicts(points, await readVerdicts(loaded, points, say), new Date());
}

/** The restore points of all stores of a site, newest data first, as the stores have them. */
export async function storedPoints(
  loaded: LoadedSite,
  say: (line: string) => void,
  options: Pick<ListingOptions, "signal" | "again"> = {},
): Promise<RestorePoint[]> {
  return newestFirst(await Promise.all(listings(loaded, say, options)));
}

/** What a site can be recovered from now. */
export interface RecoverablePoints {
  /** Newest data first, as they are worth with what the site's verifiers found of them. */
  points: RestorePoint[];
  /** Stores that could not be read, and why, a line each, which was said. */
  unread: string[];
}

/**
 * The restore points of those stores of a site that can be read: a site that is down does not wait for the others.
 *
 * @throws OperatorError (3) of the first store when none can be read.
 */
export async function recoverablePoints(
  loaded: LoadedSite,
  say: (line: string) => void,
): Promise<RecoverablePoints> {
  const results = await Promise.allSettled(listings(loaded, say, {}));
  const failures = results.flatMap((result) =>
    result.status === "rejected" ? [result.reason as unknown] : [],
  );
  const unread = failures.map((failure) => {
    if (!(failure instanceof OperatorError) || failures.length === results.length) throw failure;
    return `${failure.what}: ${failure.why}. What it holds is not looked at`;
  });
  for (const line of unread) say(line);
  const stored = newestFirst(
    results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : [])),
  );
  return { points: await judgedPoints(loaded, stored, say), unread };
}

function listings(
  loaded: LoadedSite,
  say: (line: string) => void,
  options: Pick<ListingOptions, "signal" | "again">,
): Promise<RestorePoint[]>[] {
  const { name: site, restorePoints, stores } = loaded.site;
  const expected = { site, signers: restorePoints.signers };
  return stores.map((store) => listPoints(store, loaded, expected, { say, ...options }));
}

function newestFirst(lists: RestorePoint[][]): RestorePoint[] {
  return lists.flat().sort((one, other) => (other.timeOfData ?? "").localeCompare(one.timeOfData ?? ""));
}

/** Nothing is restored by accident: the exact point that was pinned, or a refusal that says how to pin one. */
function chosen(points: RestorePoint[], pin: Pin | undefined, unread: string[], site: Site): RestorePoint {
  if (pin) return pinnedPoint(points, pin, unread);
  const candidates = points.filter((point) => point.kind === "full" && isGood(point)).slice(0, 5);
  const newest = candidates[0] && pinOf(candidates[0]);
  const databases = candidates[0] && newerDatabases(candidates[0], points, site);
  const newer = databases && pinOf(databases);
  throw new OperatorError(
    exitCodes.refused,
    "no restore point is pinned",
    candidates.length > 0
      ? `these could be restored: ${candidates.map((point) => `${point.id} (data of ${point.timeOfData ?? "an unknown time"})`).join(", ")}`
      : "the site's stores hold none that could be restored",
    newest
      ? `pin one, for example the newest: pulumi config set point ${pinText(newest)}${newer ? `; and the databases, which are newer in ${newer.id}: pulumi config set databases ${pinText(newer)}` : ""}`
      : "see why: npx recovery points list",
  );
}
