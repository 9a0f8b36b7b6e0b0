import { describe, expect, test } from "vitest";
import { checkRequest } from "../../../runbook/checks.ts";
import { planCompleteFailure } from "../../../runbook/complete-failure.ts";
import { type Part, partOf, parts, planServerFailure } from "../../../runbook/server-failure.ts";
import type { Step } from "../../../runbook/step.ts";
import { effectiveTriggers } from "../../../runbook/triggers.ts";
import { type Site, siteSchema } from "../../../site/schema.ts";
import { request, smallSite, written, writtenPostgresql } from "./small-site.ts";

const whole = (site: Site = smallSite, bundle = false) =>
  planCompleteFailure(request({ isolated: false, bundle, site }));
const byId = (steps: readonly Step[]) => Object.fromEntries(steps.map((step) => [step.id, step]));

/** What differs from the whole plan, step by step; the steps that go are null. */
function differences(part: Part, site: Site = smallSite): Record<string, unknown> {
  const all = whole(site);
  const left = byId(planServerFailure(all, site, part));
  return Object.fromEntries(
    all.flatMap((step): [string, unknown][] => {
      const other = left[step.id];
      if (other === undefined) return [[step.id, null]];
      const changed = Object.entries(other).filter(
        ([name, value]) => JSON.stringify(value) !== JSON.stringify(step[name as keyof Step]),
      );
      if (changed.length === 0) return [];
      const inputs = Object.entries(other.inputs).filter(
        ([name, value]) => JSON.stringify(value) !== JSON.stringify(step.inputs[name]),
      );
      return [
        [
          step.id,
          {
            ...Object.fromEntries(changed),
            ...(inputs.length > 0 ? { inputs: Object.fromEntries(inputs) } : {}),
          },
        ],
      ];
    }),
  );
}

const sqlite = {
  name: "club",
  kind: "sqlite",
  path: "/var/www/club/data/club.db",
  member: "database/club.db.gz",
};
const health = (options: { restored: boolean; readOnly: boolean }, site = smallSite) => {
  const of = { transport: "any", isolated: false, mark: "recovery-check-01234567-1" } as const;
  return { checks: checkRequest(site, { ...of, ...options })["checks"] };
};

test("the application alone: all steps but the database's, which keeps its file and is written to by no check", () => {
  expect(differences("application")).toEqual({
    provision: {
      triggers: ["host-key SHA256:host", "attempt 1 of the application"],
      inputs: { part: "application", databases: [sqlite] },
    },
    "download-packages": { inputs: { held: [] } },
    application: {
      inputs: {
        keep: ["/var/www/club/data/club.db"],
        units: ["php8.2-fpm.service", "nginx.service", "thumbnails.service"],
      },
    },
    unpack: {
      inputs: {
        members: ["data/app_data.tar.gz", "files/uploads.tar.gz", "config/.env", "config/config.php"],
      },
    },
    "stage-databases": null,
    restore: { inputs: { databases: [] }, after: ["unpack", "stage-files", "application"] },
    health: { inputs: health({ restored: true, readOnly: true }) },
  });
});

test("the database alone: its steps, owners and modes, the units that were stopped for it, and the checks", () => {
  expect(differences("database")).toEqual({
    provision: {
      triggers: ["host-key SHA256:host", "attempt 1 of the database"],
      inputs: { part: "database", databases: [sqlite] },
    },
    application: null,
    unpack: { inputs: { members: ["database/club.db.gz"] } },
    "stage-files": null,
    restore: {
      inputs: { folders: [], configuration: [] },
      after: ["stage-databases", "unpack", "install-building-packages"],
    },
    configuration: null,
    "web-server": null,
    permissions: { after: ["restore", "install-building-packages"] },
    health: { inputs: health({ restored: false, readOnly: false }) },
    "install-serving-packages": null,
    "install-certificate-tool": null,
    "install-guards": null,
    tls: null,
    finish: { inputs: { units: [] }, after: ["health", "install-building-packages"] },
  });
});

describe("a PostgreSQL server", () => {
  const site = siteSchema.parse(writtenPostgresql);

  test("that stays is neither brought up to date nor installed, and no file of it is kept", () => {
    const {
      "download-packages": download,
      "install-building-packages": install,
      application,
    } = differences("application", site);
    const left = byId(planServerFailure(whole(site), site, "application"));
    expect(download).toMatchObject({ inputs: { held: ["postgresql-15"] } });
    expect(install).not.toBeNull();
    for (const list of [
      left["download-packages"]?.inputs["building"],
      left["install-building-packages"]?.inputs["packages"],
    ]) {
      expect(list).not.toContain("postgresql-15");
      expect(list).toContain("postgresql-client-15");
    }
    expect(application).toMatchObject({ inputs: { keep: [] } });
  });

  test("whose database comes back must be the one that the configuration in place leads to", () => {
    const left = byId(planServerFailure(whole(site), site, "database"));
    for (const id of ["stage-databases", "restore"])
      expect(left[id]?.inputs["databases"]).toMatchObject([
        { kind: "postgresql", environmentMember: "", environmentFile: "/var/www/club/.env" },
      ]);
    expect(left["install-building-packages"]?.inputs["packages"]).toContain("postgresql-15");
  });
});

test.each(parts)("every step of the %s alone comes after steps that stand before it", (part) => {
  const steps = planServerFailure(whole(smallSite, true), smallSite, part);
  for (const [index, { after }] of steps.entries())
    expect(steps.slice(0, index).map(({ id }) => id)).toEqual(expect.arrayContaining(after));
});

test.each(parts)(
  "what was restored of the %s alone counts neither for all of the site nor for the other",
  (part) => {
    const other = part === "application" ? "database" : "application";
    const restore = (steps: Step[]) => effectiveTriggers(steps).get("restore") ?? [];
    const own = restore(planServerFailure(whole(), smallSite, part));
    for (const others of [restore(whole()), restore(planServerFailure(whole(), smallSite, other))]) {
      expect(own.filter((trigger) => !others.includes(trigger))).toEqual([`attempt 1 of the ${part}`]);
      expect(others.filter((trigger) => !own.includes(trigger))).toHaveLength(1);
    }
  },
);

test("a database deeper in restored data would go with its folder: the application alone is refused, the database is not", () => {
  const site = siteSchema.parse({
    ...written,
    databases: [{ ...written.databases[0], path: "data/databases/club.db" }],
  });
  expect(() => planServerFailure(whole(site), site, "application")).toThrow(
    "/var/www/club/data/databases/club.db lies in a folder within restored data",
  );
  expect(planServerFailure(whole(site), site, "database")).not.toEqual([]);
});

test("a restore point must hold what of it is restored, and nothing else", () => {
  expect(partOf(smallSite, "application")).toEqual({ ...smallSite, databases: [] });
  expect(partOf(smallSite, "database")).toMatchObject({
    databases: smallSite.databases,
    uploads: [],
    data: [],
    configuration: { files: [] },
  });
});
