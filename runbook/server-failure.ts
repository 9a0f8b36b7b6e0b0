import type { Site } from "../site/schema.ts";
import { checkRequest, databaseServerRequest, type CheckOptions } from "./checks.ts";
import {
  databaseFacts,
  databaseFiles,
  databaseServers,
  hasDatabaseServer,
  ledTo,
  passwordSecret,
} from "./databases.ts";
import { hostPath } from "./host-path.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import type { Fact, Facts, Step } from "./step.ts";

/** What of a site is brought back alone, when the rest of it stands: the two server failures of the runbook's objectives. */
export const parts = ["application", "database"] as const;
export type Part = (typeof parts)[number];

/** How such a site is checked: without what would write into a database that stays, or compare files that stay. */
export const partChecks: Record<Part, Required<Pick<CheckOptions, "restored" | "readOnly">>> = {
  application: { restored: true, readOnly: true },
  database: { restored: false, readOnly: false },
};

/** The site as far as a part of it is concerned: what a restore point must hold for it. */
export function partOf(site: Site, part: Part): Site {
  if (part === "application") return { ...site, databases: [] };
  const { tls, nginx, php, configuration } = site;
  return {
    ...site,
    uploads: [],
    data: [],
    configuration: { ...configuration, files: [] },
    nginx: { ...nginx, from: "application" },
    php: { ...php, pool: undefined },
    tls: { ...tls, member: undefined },
  };
}

/** The way between a site and a database server of its own. */
export interface DatabaseWay {
  /** The address at which the site finds it; without, what the backup's configuration says. */
  address?: string;
  /** The address that the site's server comes from: the one that a new database server lets in. */
  from?: string;
}

/**
 * The plan of a complete failure, restricted to a part of the site. A step that goes leaves what it waited for to those that
 * waited for it. What a step does to the other part goes too. The triggers name the part: what was restored of one counts for no other.
 * Where the database has a server of its own, the one part is not on the host of the other.
 *
 * @throws OperatorError (usage) when the application cannot be replaced without its database
 */
export function planServerFailure(
  whole: readonly Step[],
  site: Site,
  part: Part,
  way: DatabaseWay = {},
): Step[] {
  if (part === "application") refuseEntangled(site);
  const steps = hasDatabaseServer(site) ? onOwnHost(whole, site, part, way) : whole;
  const stays = staying(steps, site, part);
  const gone = new Map(steps.filter(({ id }) => !stays.has(id)).map((step) => [step.id, step]));
  const waitsFor = (after: readonly string[]): string[] => [
    ...new Set(
      after.flatMap((id) => {
        const step = gone.get(id);
        return step ? waitsFor(step.after) : [id];
      }),
    ),
  ];
  return steps
    .filter(({ id }) => stays.has(id))
    .map((step) => ({
      ...step,
      inputs: { ...step.inputs, ...changedInputs(step, site, part, way) },
      triggers: step.triggers.map((trigger) =>
        trigger.startsWith("attempt ") ? `${trigger} of the ${part}` : trigger,
      ),
      after: waitsFor(step.after),
    }));
}

/** The plan of all of the site, with the step by which a part on a host of its own finds the other. */
function onOwnHost(steps: readonly Step[], site: Site, part: Part, { address, from }: DatabaseWay): Step[] {
  if (part === "application") {
    const reach = "reach-databases";
    return steps.map((step): Step => {
      // The restore replaces what stands there: not before the database was reached.
      const after = step.after.map((id) => (id === "stage-databases" ? reach : id));
      if (step.id !== "stage-databases") return { ...step, after };
      return {
        ...step,
        id: reach,
        script: reach,
        title: "Database server lets this host in",
        inputs: { databases: step.inputs["databases"] ?? [], address: address ?? "" },
        // Led elsewhere, it is another restore.
        triggers: address === undefined ? [] : [`database ${address}`],
        budgetSeconds: 60,
        timeoutSeconds: 300,
      };
    });
  }
  if (address === undefined || from === undefined) throw new Error("a database server lets nobody in");
  return steps.flatMap((step): Step[] => {
    if (step.id === "restore") {
      const databases = asList(step.inputs["databases"]).map((database) => withoutEnvironment(database));
      const secrets = site.databases.map(passwordSecret);
      const listen: Step = {
        id: "listen",
        title: "PostgreSQL open to the site's server alone",
        runbook: "1.7",
        script: "listen",
        inputs: { databases, address, from },
        secrets: [],
        // The data is the same, whoever is let in.
        triggers: [`listens ${address}`, `lets in ${from}`],
        after: ["restore"],
        budgetSeconds: 120,
        timeoutSeconds: 300,
      };
      return [{ ...step, secrets }, listen];
    }
    return [step.id === "health" ? { ...step, secrets: [], after: ["listen"] } : step];
  });
}

/** A database on a host that the site is not on: there is no environment file there. */
function withoutEnvironment(database: Fact): Fact {
  return typeof database === "object" && database !== null && !Array.isArray(database)
    ? { ...database, environmentMember: "", environmentFile: "" }
    : database;
}

/** The ids of the steps that stay. */
function staying(steps: readonly Step[], site: Site, part: Part): Set<string> {
  const own = "stage-databases";
  if (part === "application") return new Set(steps.map(({ id }) => id).filter((id) => id !== own));
  const after = new Map(steps.map((step) => [step.id, step.after]));
  const upTo = (id: string): string[] => [...(after.get(id) ?? []).flatMap(upTo), id];
  // It is put in place; on the site's host a file of it has an owner and a mode, and what would have written was stopped.
  const there = hasDatabaseServer(site) ? ["listen"] : ["permissions", "services"];
  return new Set([...upTo(own), "restore", ...there, "health", "finish"]);
}

/** What a step is told otherwise than in the whole plan. */
function changedInputs(step: Step, site: Site, part: Part, way: DatabaseWay): Facts {
  const { id, inputs } = step;
  if (id === "provision") {
    return { part, databases: site.databases.map((database) => databaseFacts(site, database)) };
  }
  if (id === "health") {
    const mark = typeof inputs["mark"] === "string" ? inputs["mark"] : "";
    return part === "database" && hasDatabaseServer(site)
      ? databaseServerRequest(site, { mark })
      : checkRequest(site, { transport: "any", isolated: false, mark, ...partChecks[part] });
  }
  if (part === "application") return forApplication(step, site, way);
  return hasDatabaseServer(site) ? forDatabaseServer(step, site) : forDatabase(step, site);
}

function forApplication({ id, script, inputs }: Step, site: Site, { address }: DatabaseWay): Facts {
  const servers = databaseServers(site);
  const without = (list: Fact | undefined, left: readonly string[]): Fact[] =>
    asList(list).filter((one) => typeof one !== "string" || !left.includes(one));
  if (script === "install-packages") return { packages: without(inputs["packages"], servers) };
  switch (id) {
    case "download-packages":
      return {
        ...Object.fromEntries(Object.entries(inputs).map(([name, list]) => [name, without(list, servers)])),
        held: servers,
      };
    case "unpack":
      return {
        members: without(
          inputs["members"],
          site.databases.map(({ member }) => member),
        ),
      };
    case "unpack-members":
      return { databases: [] };
    case "restore":
      return {
        databases: [],
        keep: databaseFiles(site)
          .map((file) => hostPath(site, file))
          .filter((file) => file.startsWith(`${site.application.path}/`)),
        ...("leads" in inputs ? { leads: address === undefined ? [] : ledTo(site, address) } : {}),
      };
    default:
      return {};
  }
}

/** On a server of its own the database is all that there is of the site. */
function forDatabaseServer(step: Step, site: Site): Facts {
  const { id, script, inputs } = step;
  // An extension's package is among them, when site.yaml names one; and what the restore point is unpacked with.
  const needed = (list: Fact | undefined): Fact[] =>
    asList(list).filter((name) => typeof name === "string" && /^(postgresql-|age$|zstd$)/.test(name));
  if (script === "install-packages") return { packages: needed(inputs["packages"]) };
  switch (id) {
    case "download-packages":
      return Object.fromEntries(Object.entries(inputs).map(([name, list]) => [name, needed(list)]));
    case "stage-databases":
      return { databases: asList(inputs["databases"]).map(withoutEnvironment) };
    case "restore":
      return {
        application: "",
        databases: asList(inputs["databases"]).map(withoutEnvironment),
        folders: [],
        configuration: [],
        environmentFile: "",
        units: [],
        leads: [],
      };
    default:
      return forDatabase(step, site);
  }
}

function forDatabase({ id, inputs }: Step, site: Site): Facts {
  // The configuration that stays is the one that must lead to the database.
  const databases = asList(inputs["databases"]).map((database) =>
    typeof database === "object" && database !== null && "environmentMember" in database
      ? { ...database, environmentMember: "" }
      : database,
  );
  switch (id) {
    case "unpack":
      return { members: site.databases.map(({ member }) => member) };
    case "unpack-members":
      return { folders: [], required: [] };
    case "stage-databases":
      return { databases };
    case "restore":
      return { application: "", databases, folders: [], configuration: [] };
    // What renews and guards is the other part's.
    case "finish":
      return { units: [] };
    default:
      return {};
  }
}

function asList(fact: Fact | undefined): Fact[] {
  return Array.isArray(fact) ? fact : [];
}

/** A folder of data is put in place entry by entry: a database deeper in it would go with the folder that holds it. */
function refuseEntangled(site: Site): void {
  const folders = site.data.map(({ path }) => hostPath(site, path));
  const files = databaseFiles(site).map((file) => hostPath(site, file));
  const deep = files.find((file) =>
    folders.some((folder) => file.startsWith(`${folder}/`) && file.slice(folder.length + 1).includes("/")),
  );
  if (deep === undefined) return;
  throw new OperatorError(
    exitCodes.usage,
    "the application of this site cannot be brought back without its database",
    `${deep} lies in a folder within restored data, which is replaced as a whole`,
    "bring back all of it, without --only; or move the database, and change site.yaml",
  );
}
