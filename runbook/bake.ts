import { allPackages, type Packages } from "./packages.ts";
import type { Step } from "./step.ts";

const minutes = (count: number) => count * 60;

/** A base system with a site's packages baked in is made by the scripts that install them in a recovery. */
export function planBake(packages: Packages): Step[] {
  const common = { runbook: "1.3", secrets: [], triggers: [], timeoutSeconds: minutes(30) };
  return [
    {
      ...common,
      id: "download-packages",
      script: "download-packages",
      title: "System up to date, packages downloaded",
      inputs: { ...packages },
      after: [],
      budgetSeconds: minutes(5),
    },
    {
      ...common,
      id: "install-packages",
      script: "install-packages",
      title: "Packages installed",
      inputs: { packages: allPackages(packages) },
      after: ["download-packages"],
      budgetSeconds: minutes(10),
    },
  ];
}
