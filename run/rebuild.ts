import { createHash } from "node:crypto";
import { lookup } from "node:dns/promises";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { exclusively } from "../engine/exclusive.ts";
import { ensureDebianPackages } from "../machines/debian-packages.ts";
import type { RunRecord } from "../evidence/record.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { loadSite, type LoadedSite } from "../site/load.ts";
import { fingerprint, type SshConnection, type SshTarget } from "../ssh/connection.ts";
import { hasDatabaseServer } from "../runbook/databases.ts";
import type { Part } from "../runbook/server-failure.ts";
import type { Site } from "../site/schema.ts";
import { prepareRecovery, recoverablePoints } from "../stacks/prepare.ts";
import { chooseExecutor } from "./choose-executor.ts";
import { choose, chooseDatabases } from "./choose.ts";
import { nextRebuild, readBegun, writeBegun } from "./begun-rebuild.ts";
import { askDns, changedByStack, dnsServers, namesOf, recordsToChange, waitForDns } from "./dns.ts";
import { fence, planFencing, type FencingPlan } from "./fence.ts";
import { clockDiffers, lookBeforeRebuild, type HostBeforeRebuild } from "./before-rebuild.ts";
import { checkBoth, leadSite, lookAtSiteServer } from "./own-database.ts";
import { meetHost, type MetHost, type NamedHost } from "./meet-host.ts";
import type { RebuildQuestion } from "./rebuild-screen.ts";
import type { RecordedRun } from "./record.ts";
import { recover } from "./recover.ts";
import type { Reporter } from "./reporter.ts";
import { operator } from "./operator.ts";
import { shareRecords } from "./shared-records.ts";
import { stateDirectory } from "./state-directory.ts";
import { earlierRuns, tookLastTime } from "./took-last-time.ts";
import { watchRecovered } from "./watch.ts";

export interface RebuildOptions {
  siteFile: string;
  host: NamedHost;
  /** The server that the site was on, to be stopped first. */
  oldHost?: NamedHost;
  /** The operator says that it is off, and stays so. */
  oldHostIsOff: boolean;
  /** Asks the operator something; undefined when there is nobody to ask. */
  ask: ((question: string) => Promise<string>) | undefined;
  /** Id of a restore point; the newest good one without. A rebuild that was cut short keeps its point. */
  pointId?: string;
  before?: Date;
  /** What of the site is brought back alone, where the rest of it stands. */
  only?: Part;
  /** The site's server, when its database comes back alone on a server of its own. */
  applicationHost?: NamedHost;
  /** Where the site is to find a database that has a server of its own, if not at the host's or the backup's address. */
  databaseAddress?: string;
  /** Restore over a site that is there. */
  again: boolean;
  /** Carry the steps out directly, with no Pulumi engine. */
  withoutPulumi: boolean;
  /** Shown what would happen; the rebuild goes on when it says true, and then an old server that was asked about is off. */
  confirm: (question: RebuildQuestion) => Promise<boolean>;
  /** How long DNS is waited for before the certificate; 0 for not at all. */
  dnsWaitSeconds: number;
  /** DNS servers to ask instead of this computer's resolvers and the domain's own. */
  dnsServers: string[];
  /** How long the recovered site is watched; 0 for not at all. */
  watchSeconds: number;
  reporter: Reporter;
  /** The steps that run come to their end, and no other begins. */
  signal: AbortSignal;
  /** They are not waited for either: on the host they go on, and the next rebuild finds them. */
  kill: AbortSignal;
}

/** Commands of the operator's computer that a rebuild needs. */
const needs = [
  { command: "git", package: "git" },
  { command: "rclone", package: "rclone" },
];

/** Scenario 1 on a real host, or the failure of one of its servers. Undefined when the operator did not confirm. */
export async function rebuild(options: RebuildOptions): Promise<RecordedRun | undefined> {
  const loaded = await loadSite(options.siteFile);
  const { site } = loaded;
  await ensureDebianPackages(needs, (line) => {
    options.reporter.say(line);
  });
  const directory = stateDirectory(site.name);
  const say = (line: string) => {
    options.reporter.say(line);
  };
  return exclusively(
    join(directory, "rebuild.lock"),
    () => {
      say(`another rebuild of ${site.name} is under way on this computer; waiting for its end`);
    },
    options.signal,
    () => onHost(options, loaded, say),
  );
}

async function onHost(
  options: RebuildOptions,
  loaded: LoadedSite,
  say: (line: string) => void,
): Promise<RecordedRun | undefined> {
  const { site } = loaded;
  const { host, only, ask, signal } = options;
  refuseMeaningless(options, site);
  const directory = stateDirectory(site.name);
  const preparing = Date.now();
  const meet = (named: NamedHost, flag: string) =>
    meetHost(named, { stateFolder: directory, flag, ask, signal });
  const met = await meet(host, "--host-key");
  const oldHost = options.oldHost && (await meet(options.oldHost, "--old-host-key"));
  const siteHost = options.applicationHost && (await meet(options.applicationHost, "--application-host-key"));
  const { target } = met;
  const { hostKey } = target;
  const [look, { points, unread }] = await Promise.all([
    lookBeforeRebuild(target, site.application.path, signal),
    recoverablePoints(loaded, say),
  ]);
  await met.remember();
  const siteServer = siteHost && {
    loaded,
    target: siteHost.target,
    address: options.databaseAddress ?? target.address,
    say,
    signal,
  };
  const found = siteServer && (await lookAtSiteServer(siteServer, look.machine));
  await siteHost?.remember();
  const elsewhere = hasDatabaseServer(site);
  // Whether a database stands on a server of its own is seen there by the first step.
  const stands = look.stands || siteServer !== undefined;

  const begunFile = join(directory, "rebuilds", `${hostKeyDigest(hostKey)}.json`);
  await mkdir(join(directory, "rebuilds"), { recursive: true, mode: 0o700 });
  const before = await readBegun(begunFile);
  // What a host was given it keeps, unless something else is asked for.
  const known = before?.hostKey === hostKey && before.only === only ? before : undefined;
  const given = known ?? (look.restored?.only === only ? look.restored : undefined);
  const kept = options.again || options.before || options.pointId !== undefined ? undefined : given;
  const { point, pin, ...choice } = choose(
    points,
    { id: options.pointId ?? kept?.pin.id, before: options.before, databaseAlone: only === "database" },
    say,
  );
  const { databases, ...choiceOfDatabases } =
    only === undefined
      ? chooseDatabases(
          point,
          points,
          {
            site,
            before: options.before,
            from:
              options.pointId !== undefined || (kept && !kept.databases)
                ? "point"
                : (kept?.databases ?? "newest"),
          },
          say,
        )
      : { passedOver: [] };
  const passedOver = [...unread, ...choice.passedOver, ...choiceOfDatabases.passedOver];
  const begun = nextRebuild(
    before,
    { hostKey, pin, databases: databases?.pin, only, again: options.again, now: new Date() },
    { ...look, stands },
  );
  const resumed = begun.run === before?.run;
  const fencing = planFencing({
    ...(oldHost ? { oldHost: oldHost.target.address } : {}),
    isOff: options.oldHostIsOff,
    finished: look.finished,
    // An application whose database is elsewhere comes back on a new host: the old one may still work.
    mends: only !== undefined && (!elsewhere || stands),
    terminal: ask !== undefined,
  });
  const names = namesOf(site);
  const servers = await dnsServers(site.domain, options.dnsServers);
  const own = await ownAddresses(target, look);
  // A database is reached by no name of the site's.
  const dns =
    only === "database"
      ? []
      : recordsToChange(names, await askDns(names, servers), { address: target.address, own });
  const { run } = begun;
  const { databaseAddress } = options;
  const way = found?.way ?? (databaseAddress === undefined ? undefined : { address: databaseAddress });
  // Before the operator is asked and an old server is stopped: whatever can be known to fail fails here.
  const prepared = await prepareRecovery(
    {
      siteFile: options.siteFile,
      host: { address: target.address, port: target.port, user: target.user, hostKey },
      pin,
      ...(databases ? { databases: databases.pin } : {}),
      attempt: begun.attempt,
      ...(begun.over === undefined ? {} : { over: begun.over }),
      ...(only ? { only } : {}),
      ...(way ? { way } : {}),
      run: { id: run, who: operator(), why: `rebuild ${only ? `the ${only} of ` : ""}${site.name}` },
    },
    { isolated: false, say, listed: { points, unread } },
  );
  // Not for a run that stops no server: one that has nothing left to do needs no key.
  if (fencing.how === "stop" || fencing.how === "ask") await prepared.secrets();
  const { withoutPulumi } = options;
  const executor = await chooseExecutor({ kind: "rebuild", withoutPulumi, say, signal });
  const confirmed = await options.confirm({
    site,
    ...(only ? { only } : {}),
    resumed,
    host: { ...target, fingerprint: fingerprint(hostKey), known: provenance[met.from] },
    look,
    ...(begun.over === undefined ? {} : { over: begun.over }),
    point,
    ...(databases ? { databases: databases.point } : {}),
    passedOver,
    took: tookLastTime(await earlierRuns(join(directory, "runs")), only),
    fencing,
    ...(siteServer && found
      ? { led: { site: siteServer.target.address, from: found.now, to: siteServer.address } }
      : {}),
    takesDatabase: elsewhere && only === undefined,
    dns: [...dns, ...changedByStack(site, dns, target.address)],
    now: new Date(),
  });
  if (!confirmed) return undefined;

  const startedAt = resumed ? new Date(begun.startedAt) : new Date();
  const runDirectory = join(directory, "runs", run);
  await mkdir(runDirectory, { recursive: true, mode: 0o700 });
  await writeBegun(begunFile, { ...begun, startedAt: startedAt.toISOString() });
  const differs = clockDiffers(look);
  const led: string[] = [];
  const fenced = await carryOutFencing(fencing, oldHost, { options, loaded, look, say });
  const result = await recover({
    kind: "rebuild",
    prepared,
    target,
    executor: executor({ stack: `${site.name}.recovery`, directory: join(directory, "recovery") }),
    runDirectory,
    startedAt,
    preparationSeconds: resumed ? 0 : (startedAt.getTime() - preparing) / 1000,
    ...(siteServer && found
      ? {
          secrets: found.secrets,
          afterSteps: () =>
            leadSite(siteServer, (line) => {
              led.push(line);
              say(line);
            }),
          checks: () => checkBoth(siteServer, target),
        }
      : {}),
    surroundings: () => ({
      breaches: [],
      notes: [...passedOver, ...(differs === undefined ? [] : [`the host's clock was ${differs}`]), ...led],
      ...(fenced ? { fencing: fenced } : {}),
      ...(differs === undefined ? {} : { clockAheadSeconds: look.clockAheadSeconds }),
    }),
    beforeStep: async (step, connection) => {
      if (step !== "tls" || options.dnsWaitSeconds === 0) return;
      if (site.tls.member !== undefined && (await showsCertificate(connection, names))) {
        say("the restored certificate is valid: DNS is not waited for");
        return;
      }
      await waitForDns({ names, servers, own, limitSeconds: options.dnsWaitSeconds, say, signal });
    },
    reporter: options.reporter,
    signal,
    kill: options.kill,
  });
  const { recoveredAt } = result.record;
  if (recoveredAt !== null) await writeBegun(begunFile, { ...begun, recoveredAt });
  const watched = await watchRecovered(result, {
    site,
    target: siteServer?.target ?? target,
    isolated: false,
    seconds: options.watchSeconds,
    runDirectory,
    say,
    signal,
  });
  await shareRecords(loaded, say);
  return watched;
}

/** Options that say nothing for this site and this part of it. */
function refuseMeaningless({ only, applicationHost, databaseAddress }: RebuildOptions, site: Site): void {
  const usage = (what: string, why: string, next: string) =>
    new OperatorError(exitCodes.usage, what, why, next);
  const elsewhere = hasDatabaseServer(site);
  if (elsewhere && only === "database" && !applicationHost) {
    throw usage(
      "it is not said on which server the site is",
      "its database has a server of its own (server: own in site.yaml), and the site must be led to the new one",
      "name it: --application-host root@ADDRESS; if it is lost too, bring back all of the site on one host: leave out --only",
    );
  }
  if (applicationHost && !(elsewhere && only === "database")) {
    throw usage(
      "--application-host is for a database on a server of its own, brought back alone",
      elsewhere ? "--only database is not given" : "site.yaml does not say of the database that it has one",
      "leave it out, or say --only database, and server: own in databases of site.yaml",
    );
  }
  if (databaseAddress !== undefined && !(elsewhere && only !== undefined)) {
    throw usage(
      "--database-address is for a database on a server of its own",
      elsewhere
        ? "without --only the database comes back on the same host as the site"
        : "site.yaml does not say of the database that it has one",
      "leave it out",
    );
  }
}

/** Whether nginx shows a certificate that is trusted for all these names; they are domain names by the schema. */
async function showsCertificate(connection: SshConnection, names: readonly string[]): Promise<boolean> {
  const asked = names.map(
    (name) =>
      `openssl s_client -connect 127.0.0.1:443 -servername ${name} -verify_hostname ${name} -verify_return_error </dev/null >/dev/null 2>&1`,
  );
  const { exitCode } = await connection.run(asked.join(" && "), { timeoutSeconds: 60 });
  return exitCode === 0;
}

/** How the host's key came to be known, as the operator reads it. */
const provenance: Record<MetHost["from"], string> = {
  flag: "as you gave it",
  memory: "as it is known here",
  question: "as you read it on its console",
};

/**
 * Sees to the old server before anything is done on the new one. One that cannot be reached counts as off only when the
 * operator says that it is.
 */
async function carryOutFencing(
  plan: FencingPlan,
  oldHost: MetHost | undefined,
  {
    options,
    loaded,
    look,
    say,
  }: { options: RebuildOptions; loaded: LoadedSite; look: HostBeforeRebuild; say: (line: string) => void },
): Promise<RunRecord["fencing"]> {
  if (plan.how === "this-host") return undefined;
  const about = {
    ...(oldHost ? { address: oldHost.target.address } : {}),
    who: operator(),
    at: new Date().toISOString(),
    units: [],
  };
  if (!oldHost) return { ...about, how: plan.how === "decided-before" ? plan.how : "said-to-be-off" };
  try {
    const { site } = loaded;
    const units = await fence(oldHost.target, { site, newMachine: look.machine, signal: options.signal });
    await oldHost.remember();
    say(
      `the old server is stopped: ${units.map(({ unit, before, after }) => `${unit} was ${before}, is ${after}`).join("; ")}`,
    );
    return { ...about, how: "stopped", at: new Date().toISOString(), units };
  } catch (error) {
    // What was reached and still works is not off, whoever says so.
    if (!(error instanceof OperatorError) || error.exitCode !== exitCodes.failed) throw error;
    if (options.oldHostIsOff) {
      say(`the old server cannot be stopped: ${error.what} It is off, as you say.`);
      return { ...about, how: "said-to-be-off" };
    }
    throw new OperatorError(
      exitCodes.refused,
      `the old server is not known to be stopped: ${error.what}`,
      error.why,
      "switch it off at its provider, then run the same command again with --old-host-is-off",
      { cause: error },
    );
  }
}

/** Addresses that DNS may lead to: the one that the operator named, and what the host says of itself. */
async function ownAddresses({ address }: SshTarget, look: HostBeforeRebuild): Promise<string[]> {
  const named = await lookup(address, { all: true }).catch(() => []);
  return [...new Set([...named.map((one) => one.address), ...look.addresses])];
}

/** Names a host by its key, which is what it is known by. */
function hostKeyDigest(hostKey: string): string {
  return createHash("sha256").update(hostKey).digest("hex").slice(0, 16);
}
