import { describe, expect, test } from "vitest";
import { checkRequest, databaseServerRequest } from "../../../runbook/checks.ts";
import { planCompleteFailure } from "../../../runbook/complete-failure.ts";
import {
  type DatabaseWay,
  type Part,
  partOf,
  parts,
  planServerFailure,
} from "../../../runbook/server-failure.ts";
import type { Step } from "../../../runbook/step.ts";
import { effectiveTriggers } from "../../../runbook/triggers.ts";
import { type Site, siteSchema } from "../../../site/schema.ts";
import { request, smallSite, written, writtenElsewhere, writtenPostgresql } from "./small-site.ts";

const whole = (site: Site = smallSite, bundle = false) =>
  planCompleteFailure(request({ isolated: false, bundle, site }));
const byId = (steps: readonly Step[]) => Object.fromEntries(steps.map((step) => [step.id, step]));

/** What differs from the whole plan, step by step; the steps that go are null. */
function differences(part: Part, site: Site = smallSite, way: DatabaseWay = {}): Record<string, unknown> {
  const all = whole(site);
  const left = byId(planServerFailure(all, site, part, way));
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
    unpack: {
      inputs: {
        members: ["data/app_data.tar.gz", "files/uploads.tar.gz", "config/.env", "config/config.php"],
      },
    },
    "stage-databases": null,
    restore: {
      inputs: { databases: [], keep: ["/var/www/club/data/club.db"] },
      after: ["unpack", "stage-files", "application"],
    },
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
      inputs: { application: "", folders: [], configuration: [] },
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
      restore,
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
    expect(restore).toMatchObject({ inputs: { databases: [] } });
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

describe("a PostgreSQL server of its own", () => {
  const site = siteSchema.parse(writtenElsewhere);
  const way = { address: "10.0.0.6", from: "10.0.0.1" };
  const database = {
    ...writtenElsewhere.databases[0],
    member: "database/admin_postgres.sql.gz",
    cluster: "15/main",
    environmentFile: "/var/www/club/.env",
    environmentMember: "config/.env",
  };
  const alone = { ...database, environmentFile: "", environmentMember: "" };
  const triggers = (part: Part) => ["host-key SHA256:host", `attempt 1 of the ${part}`];

  test("comes back beside the site when all of it does, and the site is led there", () => {
    const steps = byId(whole(site));
    expect(steps["restore"]?.inputs["leads"]).toEqual([{ ...database, address: "127.0.0.1" }]);
    expect(steps["install-building-packages"]?.inputs["packages"]).toContain("postgresql-15");
    expect(JSON.stringify(steps["health"]?.inputs)).toContain('"kind":"integrity"');
  });

  test("stays as it is when the application comes back: it is only asked whether it lets the new host in", () => {
    const { restore, health, provision, ...others } = differences("application", site, {
      address: "10.0.0.6",
    });
    expect(others).toMatchObject({
      "download-packages": { inputs: { held: ["postgresql-15"] } },
      "stage-databases": null,
    });
    expect(provision).toMatchObject({ triggers: triggers("application") });
    expect(restore).toEqual({
      inputs: { databases: [], leads: [{ ...database, address: "10.0.0.6" }] },
      after: ["reach-databases", "stage-files", "application"],
    });
    expect(JSON.stringify(health)).not.toMatch(/integrity|references|postgresql.service|"kind":"upload"/);
    const steps = byId(planServerFailure(whole(site), site, "application", { address: "10.0.0.6" }));
    expect(steps["reach-databases"]).toMatchObject({
      inputs: { databases: [database], address: "10.0.0.6" },
      triggers: ["database 10.0.0.6"],
      after: ["unpack"],
    });
    expect(steps["install-building-packages"]?.inputs["packages"]).not.toContain("postgresql-15");
  });

  test("is found by the application where the backup says, unless something else is said", () => {
    const steps = byId(planServerFailure(whole(site), site, "application"));
    expect(steps["reach-databases"]).toMatchObject({ inputs: { address: "" }, triggers: [] });
    expect(steps["restore"]?.inputs["leads"]).toEqual([]);
  });

  test("comes back alone, with nothing of the site beside it, and lets in the site's server", () => {
    const packages = ["age", "postgresql-15", "postgresql-client-15", "zstd"];
    const { health, ...others } = differences("database", site, way);
    expect(others).toEqual({
      provision: { triggers: triggers("database"), inputs: { part: "database", databases: [database] } },
      "download-packages": { inputs: { building: packages, serving: [], certificates: [], guards: [] } },
      "install-building-packages": { inputs: { packages } },
      "install-serving-packages": null,
      application: null,
      unpack: { inputs: { members: ["database/admin_postgres.sql.gz"] } },
      "stage-databases": { inputs: { databases: [alone] } },
      "stage-files": null,
      restore: {
        inputs: {
          application: "",
          databases: [alone],
          folders: [],
          configuration: [],
          environmentFile: "",
          units: [],
          leads: [],
        },
        secrets: ["password-of-club"],
        after: ["stage-databases", "unpack", "install-building-packages"],
      },
      configuration: null,
      "web-server": null,
      permissions: null,
      services: null,
      "install-certificate-tool": null,
      "install-guards": null,
      tls: null,
      finish: { inputs: { units: [] }, after: ["health", "install-building-packages"] },
    });
    const { checks } = databaseServerRequest(site, { mark: "recovery-check-01234567-1" });
    expect(health).toEqual({ inputs: { checks }, secrets: [], after: ["listen"] });
    expect(byId(planServerFailure(whole(site), site, "database", way))["listen"]).toMatchObject({
      inputs: { databases: [alone], ...way },
      triggers: ["listens 10.0.0.6", "lets in 10.0.0.1"],
      after: ["restore"],
    });
  });

  test("is not restored once more to let in another server", () => {
    const restored = (from: string) =>
      effectiveTriggers(planServerFailure(whole(site), site, "database", { ...way, from })).get("restore");
    expect(restored("10.0.0.2")).toEqual(restored("10.0.0.1"));
  });
});

test.each(
  [smallSite, siteSchema.parse(writtenElsewhere)].flatMap((site) =>
    parts.map((part) => [part, site] as const),
  ),
)("every step of the %s alone comes after steps that stand before it", (part, site) => {
  const steps = planServerFailure(whole(site, true), site, part, { address: "10.0.0.6", from: "10.0.0.1" });
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
