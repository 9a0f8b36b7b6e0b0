import { z } from "zod";
import type { CheckResult } from "../runbook/checks.ts";
import { servingUnits } from "../runbook/checks.ts";
import { databaseFacts, passwordSecret } from "../runbook/databases.ts";
import type { DatabaseWay } from "../runbook/server-failure.ts";
import type { Facts } from "../runbook/step.ts";
import type { LoadedSite } from "../site/load.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import type { Site } from "../site/schema.ts";
import { connect, type SshTarget } from "../ssh/connection.ts";
import { inMemory, packHostFolder } from "../ssh/host-folder.ts";
import { checkDatabaseServer, runChecks } from "./check.ts";

/** The server of a site whose database comes back on another one. */
export interface SiteServer {
  loaded: LoadedSite;
  /** Where the site is. */
  target: SshTarget;
  /** The new database server, as the site is to find it: an address or a name. */
  address: string;
  say: (line: string) => void;
  signal: AbortSignal;
}

/** It becomes a line of the database server's pg_hba.conf: nothing but an address. */
const addressSchema = z.union([z.ipv4(), z.ipv6(), z.literal("")]);
const seenSchema = z.object({
  connections: z.array(
    z
      .object({
        user: z.string(),
        password: z.string(),
        host: z.string(),
        port: z.string(),
        database: z.string(),
      })
      .nullable(),
  ),
  to: addressSchema,
  from: addressSchema,
  units: z.array(z.string()),
  busy: z.string(),
  machine: z.string(),
});
/** What host/way saw on the site's server; the connections are in the order of the site's databases. */
export type SeenWay = z.infer<typeof seenSchema>;

/** How a site and its new database server find each other, and what else that server must know. */
export interface FoundWay {
  way: Required<DatabaseWay>;
  /** The passwords of the roles, by the names of secrets. */
  secrets: Record<string, string>;
  /** Where the site looks for its database now. */
  now: string;
}

const lookSeconds = 60;
const leadSeconds = 180;

/**
 * Looks at the site's server before anything is done: what it says of the database must be what comes back. Changes nothing.
 *
 * @throws OperatorError: it cannot be looked at, or the site on it could not be led to the new server
 */
export async function lookAtSiteServer(server: SiteServer, newMachine: string): Promise<FoundWay> {
  const { exitCode, stdout, stderr } = await onSiteServer(server, "way", lookSeconds);
  if (exitCode === exitCodes.missingHere) {
    throw new OperatorError(
      exitCodes.missingHere,
      `the site's server ${server.target.address} lacks ${stdout.trim()}`,
      "its checks are asked there when the database is back, and need it",
      `on it: apt-get install ${stdout.trim()}; then run the same command again`,
    );
  }
  if (exitCode !== 0) {
    throw new OperatorError(
      exitCodes.failed,
      `the site's server ${server.target.address} could not be looked at`,
      lastLine(stderr) || `exit code ${exitCode}`,
      "nothing was done; look at it yourself",
    );
  }
  return wayOf(server.loaded.site, server, JSON.parse(stdout), newMachine);
}

/** What was seen there, a SeenWay, as a way, or why there is none; pure. */
export function wayOf(
  site: Site,
  { target, address }: Pick<SiteServer, "target" | "address">,
  answer: unknown,
  newMachine: string,
): FoundWay {
  const seen = seenSchema.parse(answer);
  const refuse = (what: string, why: string, next: string) =>
    new OperatorError(exitCodes.refused, what, why, next);
  const file = site.configuration.environmentFile;
  if (seen.busy !== "") {
    throw refuse(
      `a recovery is under way on the site's server ${target.address}`,
      `${seen.busy} is at work there`,
      "wait for its end, then run the same command again",
    );
  }
  if (seen.machine === newMachine) {
    throw refuse(
      "the site's server and the new database server are the same host",
      "site.yaml says that the database has a server of its own (server: own)",
      "name the site's server with --application-host; to bring back all of the site on one host, leave out --only",
    );
  }
  if (!servingUnits(site).every((unit) => seen.units.includes(unit))) {
    throw refuse(
      `${target.address} is not the site's server`,
      `it has no ${servingUnits(site)
        .filter((unit) => !seen.units.includes(unit))
        .join(", ")}`,
      "check --application-host; if that server is lost too, bring back all of the site: leave out --only",
    );
  }
  const secrets: Record<string, string> = {};
  for (const [index, database] of site.databases.entries()) {
    const connection = seen.connections[index];
    if (database.kind !== "postgresql" || !connection) {
      throw refuse(
        `${file} on the site's server ${target.address} does not say how it reaches the database ${database.name}`,
        "it is not there, or is not what databases.connection in site.yaml says",
        "correct the one that is wrong, then run the same command again",
      );
    }
    const { user, password, port } = connection;
    const differs = [
      ...(user === database.role ? [] : [`it logs in as ${user}, and site.yaml says ${database.role}`]),
      ...(connection.database === database.database
        ? []
        : [`it names the database ${connection.database}, and site.yaml says ${database.database}`]),
      ...(password === "" ? ["it holds no password"] : []),
      ...(port === "5432" ? [] : [`it names port ${port}, and the new server listens on 5432`]),
    ];
    if (differs.length > 0) {
      throw refuse(
        `${file} on the site's server ${target.address} does not lead to the database ${database.name}`,
        differs.join("; "),
        "correct it there, or databases in site.yaml; then run the same command again",
      );
    }
    secrets[passwordSecret(database)] = password;
  }
  if (seen.to === "" || seen.from === "") {
    throw refuse(
      `the site's server ${target.address} has no way to ${address}`,
      seen.to === "" ? "it does not know that name" : "it has no route there",
      "say at which address it reaches the new database server: --database-address ADDRESS",
    );
  }
  return {
    way: { address: seen.to, from: seen.from },
    secrets,
    now: [...new Set(seen.connections.map((connection) => connection?.host ?? ""))].join(", "),
  };
}

/**
 * Leads the site to its new database server: its environment file names that, and what reads the file is started anew. May be
 * repeated. `tell` hears of each file that was changed and where it lies as it was, whatever happened next.
 */
export async function leadSite(server: SiteServer, tell: (line: string) => void): Promise<void> {
  const { target } = server;
  const notLed = (why: string) =>
    new OperatorError(
      exitCodes.failed,
      `the database is back, and the site on ${target.address} could not be led to it`,
      why,
      "mend that, then run the same command again: the database is not restored once more",
    );
  const { exitCode, stdout, stderr } = await onSiteServer(server, "lead", leadSeconds).catch(
    (error: unknown) => {
      throw error instanceof OperatorError ? notLed(`${error.what} ${error.why}`) : error;
    },
  );
  for (const line of stdout.split("\n")) {
    const [file, copy] = line.split("\t");
    if (file !== undefined && copy !== undefined)
      tell(`${file} on ${target.address} leads to ${server.address} now; as it was, it is ${copy} there`);
  }
  if (exitCode !== 0) throw notLed(lastLine(stderr) || `exit code ${exitCode}`);
}

/**
 * The checks of a site that was led to a new database server: those of the database asked there, all others where the site is.
 * That the site reads that database, and no other, is seen on the database server.
 */
export async function checkBoth(server: SiteServer, databaseServer: SshTarget): Promise<CheckResult[]> {
  const { loaded, target, say, signal } = server;
  const { site } = loaded;
  const ofDatabase = await checkDatabaseServer({ site, target: databaseServer, say, signal });
  const before = await sessions(site, databaseServer, signal);
  const ofSite = await runChecks({
    loaded,
    target,
    restored: false,
    isolated: false,
    readOnly: false,
    databases: "not",
    install: false,
    say,
    signal,
  });
  const after = await sessions(site, databaseServer, signal);
  return [...ofDatabase, ...ofSite, readsIt(before, after)];
}

interface Sessions {
  /** Ever since its statistics began. */
  ended: number;
  /** Of others than this server itself, now. */
  open: number;
}

/** Nothing but the site asked the database in between. Pure. */
export function readsIt(before: Sessions, after: Sessions): CheckResult {
  const count = after.ended - before.ended + after.open;
  return {
    title: "the site reads the new database",
    ok: count > 0,
    expected: "sessions of the site, while its checks were asked",
    seen: count > 0 ? `${count}` : "none: it reads another database, or no check makes it read one",
  };
}

const sessionsSchema = z.object({ ended: z.number(), open: z.number() });

async function sessions(site: Site, target: SshTarget, signal: AbortSignal): Promise<Sessions> {
  // Their names are checked by the schema: no quotes among them.
  const names = site.databases.flatMap((one) => (one.kind === "postgresql" ? [`'${one.database}'`] : []));
  const sql = `
    SELECT json_build_object('ended', (SELECT sum(sessions) FROM pg_stat_database WHERE datname IN (${names.join()})),
      'open', (SELECT count(*) FROM pg_stat_activity WHERE datname IN (${names.join()}) AND client_addr IS NOT NULL
        AND client_addr <> ALL ('{127.0.0.1,::1}'::inet[])));`;
  const connection = await connect(target, { signal });
  try {
    const { exitCode, stdout, stderr } = await connection.run(
      "cd / && runuser -u postgres -- psql --no-psqlrc --quiet --no-align --tuples-only --dbname postgres",
      { stdin: sql, timeoutSeconds: lookSeconds, signal },
    );
    if (exitCode !== 0 || stdout.trim() === "") throw new Error(`PostgreSQL's sessions: ${lastLine(stderr)}`);
    return sessionsSchema.parse(JSON.parse(stdout));
  } finally {
    await connection.close();
  }
}

/** host/PROGRAM on the site's server, from memory: nothing of a recovery is installed there. */
async function onSiteServer(
  { loaded, target, address, signal }: SiteServer,
  program: "way" | "lead",
  timeoutSeconds: number,
): Promise<{ exitCode: number | null; stdout: string; stderr: string }> {
  const { site } = loaded;
  const units = servingUnits(site);
  const workers = site.workers.map(({ unit }) => unit);
  const request: Facts = {
    databases: site.databases.map((database) => databaseFacts(site, database)),
    address,
    units,
    serving: units.filter((unit) => !workers.includes(unit)),
    workers,
  };
  const { tar } = await packHostFolder({ "request.json": JSON.stringify(request) });
  const connection = await connect(target, { signal });
  try {
    return await connection.run(inMemory(`bash "$folder/${program}"`), {
      stdin: tar,
      timeoutSeconds,
      signal,
    });
  } finally {
    await connection.close();
  }
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
