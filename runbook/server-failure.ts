import type { Site } from "../site/schema.ts";
import { checkRequest, servingUnits, type CheckOptions } from "./checks.ts";
import { databaseFacts, databaseFiles, databaseServers } from "./databases.ts";
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

/**
 * The plan of a complete failure, restricted to a part of the site. A step that goes leaves what it waited for to those that
 * waited for it. What a step does to the other part goes too. The triggers name the part: what was restored of one counts for no other.
 *
 * @throws OperatorError (usage) when the application cannot be replaced without its database
 */
export function planServerFailure(steps: readonly Step[], site: Site, part: Part): Step[] {
  if (part === "application") refuseEntangled(site);
  const stays = staying(steps, part);
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
      inputs: { ...step.inputs, ...changedInputs(step, site, part) },
      triggers: step.triggers.map((trigger) =>
        trigger.startsWith("attempt ") ? `${trigger} of the ${part}` : trigger,
      ),
      after: waitsFor(step.after),
    }));
}

/** The ids of the steps that stay. */
function staying(steps: readonly Step[], part: Part): Set<string> {
  const own = "stage-databases";
  if (part === "application") return new Set(steps.map(({ id }) => id).filter((id) => id !== own));
  const after = new Map(steps.map((step) => [step.id, step.after]));
  const upTo = (id: string): string[] => [...(after.get(id) ?? []).flatMap(upTo), id];
  // It is put in place; a file of it has an owner and a mode; what would have written meanwhile was stopped.
  return new Set([...upTo(own), "restore", "permissions", "services", "health", "finish"]);
}

/** What a step is told otherwise than in the whole plan. */
function changedInputs(step: Step, site: Site, part: Part): Facts {
  const { id, inputs } = step;
  if (id === "provision") {
    return { part, databases: site.databases.map((database) => databaseFacts(site, database)) };
  }
  if (id === "health") {
    const { mark } = inputs;
    return checkRequest(site, {
      transport: "any",
      isolated: false,
      mark: typeof mark === "string" ? mark : "",
      ...partChecks[part],
    });
  }
  return part === "application" ? forApplication(step, site) : forDatabase(step, site);
}

function forApplication({ id, script, inputs }: Step, site: Site): Facts {
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
    case "application":
      return {
        keep: databaseFiles(site)
          .map((file) => hostPath(site, file))
          .filter((file) => file.startsWith(`${site.application.path}/`)),
        units: servingUnits(site),
      };
    case "unpack":
      return {
        members: without(
          inputs["members"],
          site.databases.map(({ member }) => member),
        ),
      };
    case "unpack-members":
    case "restore":
      return { databases: [] };
    default:
      return {};
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
      return { databases, folders: [], configuration: [] };
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
