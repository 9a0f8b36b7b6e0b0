import type { Site } from "../site/schema.ts";
import { servingUnits } from "./checks.ts";
import { hostPath } from "./host-path.ts";

/** What host/look is asked to look at: lines "NAME<TAB>VALUE…". No path of site.yaml has a control character in it. */
export function lookInputs(site: Site): string {
  const { application, configuration, php } = site;
  const folders = [...site.data, ...site.uploads].map(({ path }) => hostPath(site, path));
  const lines: string[][] = [
    ["path", application.path],
    ["environment", hostPath(site, configuration.environmentFile)],
    ["load", configuration.load ?? ""],
    ["php", php.version],
    ...configuration.requiredVariables.map((name) => ["required", name]),
    ...servingUnits(site).map((unit) => ["unit", unit]),
    ...databases(site),
    ...[application.path, ...folders].map((path) => ["folder", path]),
    ...site.uploads.map(({ path }) => ["uploads", hostPath(site, path)]),
    ...site.logs.map(({ path }) => ["log", path]),
  ];
  return lines.map((fields) => `${fields.join("\t")}\n`).join("");
}

function databases(site: Site): string[][] {
  return [
    ...site.databases.map((database) => {
      if (database.kind === "sqlite") return ["database", database.name, hostPath(site, database.path)];
      if (database.server === undefined) return ["postgresql", database.name, database.database];
      const variables = Object.entries(database.connection).map(([field, name]) => `${field}=${name}`);
      return ["elsewhere", database.name, database.database, database.role, ...variables];
    }),
    ...site.checks.flatMap((check) =>
      check.kind === "rows" ? [["table", check.database, check.table]] : [],
    ),
  ];
}
