// The layout of the project, top to bottom: a folder imports only from folders above its own.
const order = [
  "site",
  "ssh",
  "backups",
  "offsite",
  "servers",
  "damage",
  "runbook",
  "machines",
  "engine",
  "providers",
  "components",
  "stacks",
  "evidence",
  "run",
  "scripts",
];
const pure = ["runbook", "offsite", "servers", "damage"];

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...order.map((folder, index) => ({
      name: `${folder}-imports-only-from-above`,
      severity: "error",
      from: { path: `^${folder}/` },
      to: { path: `^(${[...order.slice(index + 1), "test"].join("|")})/` },
    })),
    ...pure.map((folder) => ({
      name: `${folder}-is-pure`,
      comment: "types may come from anywhere above; code only from pure folders and from site/",
      severity: "error",
      from: { path: `^${folder}/` },
      to: { path: "^(backups|ssh|node:)", dependencyTypesNot: ["type-only"] },
    })),
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    {
      name: "no-orphan-resolutions",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^(node_modules|\\.git)" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      extensions: [".ts", ".js", ".json"],
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "types", "default"],
    },
  },
};
