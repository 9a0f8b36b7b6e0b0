import { accessSync, constants } from "node:fs";
import { expect, test } from "vitest";
import { checkRequest } from "../../../runbook/checks.ts";
import {
  checkSecrets,
  planCompleteFailure,
  type CompleteFailureRequest,
} from "../../../runbook/complete-failure.ts";
import type { Step } from "../../../runbook/step.ts";
import { effectiveTriggers } from "../../../runbook/triggers.ts";
import { siteSchema } from "../../../site/schema.ts";
import { bundleInDrill, gitOnHost, postgresql } from "./expected-plans.ts";
import { request, smallSite, written, writtenPostgresql } from "./small-site.ts";

const variants = [
  { isolated: false, bundle: false },
  { isolated: false, bundle: true },
  { isolated: true, bundle: false },
  { isolated: true, bundle: true },
];

function healthRequest(isolated: boolean): Step["inputs"] {
  return checkRequest(smallSite, {
    transport: "any",
    restored: true,
    isolated,
    mark: "recovery-check-01234567-1",
  });
}

/** The ids of all steps that a step waits for, however indirectly. */
function before(steps: readonly Step[], id: string): Set<string> {
  const own = steps.find((step) => step.id === id)?.after ?? [];
  return new Set([...own, ...own.flatMap((one) => [...before(steps, one)])]);
}

test("a site from git on a real host is recovered by these steps", () => {
  expect(planCompleteFailure(request({ isolated: false, bundle: false }))).toEqual(
    gitOnHost(healthRequest(false)),
  );
});

test("a site from a bundle in a drill is recovered by these steps", () => {
  expect(planCompleteFailure(request({ isolated: true, bundle: true }))).toEqual(
    bundleInDrill(healthRequest(true)),
  );
});

test("a site on PostgreSQL is recovered by the same steps: what its database is stands in their inputs", () => {
  const site = siteSchema.parse(writtenPostgresql);
  const checks = checkRequest(site, {
    transport: "any",
    restored: true,
    isolated: false,
    mark: "recovery-check-01234567-1",
  });
  expect(planCompleteFailure(request({ isolated: false, bundle: false, site }))).toEqual(
    gitOnHost(checks, postgresql),
  );
});

test("how the application comes changes the steps that bring it and no others", () => {
  const [fromGit, fromBundle] = [gitOnHost(healthRequest(false)), bundleInDrill(healthRequest(true))];
  const comesFrom = (other: Step[]) => other.filter(({ id }) => /^(fetch-)?application$/.test(id));
  const exchanged = (steps: Step[], other: Step[]) =>
    steps.flatMap((step) =>
      step.id === "fetch-application" ? [] : step.id === "application" ? comesFrom(other) : [step],
    );
  expect(planCompleteFailure(request({ isolated: false, bundle: true }))).toEqual(
    exchanged(fromGit, fromBundle),
  );
  expect(planCompleteFailure(request({ isolated: true, bundle: false }))).toEqual(
    exchanged(fromBundle, fromGit),
  );
});

test("nginx's file of the backup is unpacked with the rest and taken from there", () => {
  const site = siteSchema.parse({ ...written, nginx: { site: "nginx.conf", from: "backup" } });
  const steps = planCompleteFailure(request({ isolated: false, bundle: false, site }));
  const inputs = Object.fromEntries(steps.map((step) => [step.id, step.inputs]));
  expect(inputs["unpack"]?.["members"]).toEqual([
    "database/club.db.gz",
    "data/app_data.tar.gz",
    "files/uploads.tar.gz",
    "config/.env",
    "config/config.php",
    "config/nginx.conf",
  ]);
  expect(inputs["web-server"]?.["source"]).toBe("/var/lib/recovery/staging/content/config/nginx.conf");
});

test.each([
  ["application", "deploy/pool.conf", "/var/www/club/deploy/pool.conf"],
  ["backup", "pool.conf", "/var/lib/recovery/staging/content/config/pool.conf"],
])("a pool of the site's own comes from the %s and is tested with nginx", (from, file, source) => {
  const site = siteSchema.parse({
    ...written,
    php: { ...written.php, pool: { file, from } },
    permissions: { owner: "club", group: "members" },
  });
  const steps = planCompleteFailure(request({ isolated: false, bundle: false, site }));
  const step = Object.fromEntries(steps.map((one) => [one.id, one]));
  expect(step["web-server"]?.title).toBe("nginx and PHP-FPM configured and tested");
  expect(step["web-server"]?.inputs).toMatchObject({ php: "8.2", pool: source, owner: "club" });
  expect(step["application"]?.inputs).toMatchObject({ owner: "club", group: "members" });
  const members = step["unpack"]?.inputs["members"] as string[];
  expect(members.includes("config/pool.conf")).toBe(from === "backup");
});

test("a certificate of the backup is unpacked with the rest, and lets the tools for certificates wait until the site serves", () => {
  const site = siteSchema.parse({ ...written, tls: { ...written.tls, member: "config/letsencrypt.tar.gz" } });
  const steps = planCompleteFailure(request({ isolated: false, bundle: false, site }));
  const step = Object.fromEntries(steps.map((one) => [one.id, one]));
  expect(step["unpack"]?.inputs["members"]).toContain("config/letsencrypt.tar.gz");
  expect(step["web-server"]?.inputs["certificates"]).toBe("config/letsencrypt.tar.gz");
  expect(step["install-certificate-tool"]?.after).toEqual(["health"]);
});

test.each(variants)("every step comes after steps that stand before it, once each: %o", (variant) => {
  const steps = planCompleteFailure(request(variant));
  const ids = steps.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const [index, { after }] of steps.entries()) {
    expect(ids.slice(0, index)).toEqual(expect.arrayContaining(after));
  }
});

test.each(variants)(
  "one step after another takes the runbook's longest time, number by number: %o",
  (variant) => {
    // Upper bounds of the runbook's scenario 1. Steps that run side by side share their time. The two left out have no time of the
    // runbook's: closing a drill's egress, and 1.13, whose half hour is watching, not work.
    const runbookMinutes = {
      "1.2": 30,
      "1.3": 15,
      "1.4": 5,
      "1.5": 10,
      "1.6": 40,
      "1.7": 10,
      "1.8": 10,
      "1.9": 5,
      "1.10": 5,
      "1.11": 10,
      "1.12": 15,
    };
    const steps = planCompleteFailure(request(variant));
    const longest = (numbered: Step[]): number => {
      const ends = new Map<string, number>();
      for (const step of numbered) {
        const waitsFor = before(steps, step.id);
        const starts = Math.max(0, ...[...ends].filter(([id]) => waitsFor.has(id)).map(([, end]) => end));
        ends.set(step.id, starts + step.budgetSeconds);
      }
      return Math.max(...ends.values());
    };
    const planned = new Map<string, Step[]>();
    for (const step of steps) planned.set(step.runbook, [...(planned.get(step.runbook) ?? []), step]);
    planned.delete("drill");
    planned.delete("1.13");
    expect(Object.fromEntries([...planned].map(([number, some]) => [number, longest(some) / 60]))).toEqual(
      runbookMinutes,
    );
  },
);

test.each(variants)("no step is ended before its budget is used up: %o", (variant) => {
  for (const { id, budgetSeconds, timeoutSeconds } of planCompleteFailure(request(variant))) {
    expect(timeoutSeconds, id).toBeGreaterThan(budgetSeconds);
  }
});

test.each(variants)("the script of every step is there and can be run: %o", (variant) => {
  for (const { script } of planCompleteFailure(request(variant))) {
    accessSync(new URL(`../../../host/steps/${script}`, import.meta.url), constants.X_OK);
  }
});

test.each(variants.filter(({ isolated }) => isolated))(
  "in a drill all that touches what was backed up waits until egress is closed, and the relay is gone by then: %o",
  (variant) => {
    const steps = planCompleteFailure(request(variant));
    const open = before(steps, "close-egress");
    expect([...open].sort()).toEqual(
      [
        "application",
        "download-packages",
        "fetch",
        ...(variant.bundle ? ["fetch-application"] : []),
        "install-building-packages",
        "provision",
      ].sort(),
    );
    for (const { id, secrets } of steps) {
      // Packages come from the cache on the machine and touch nothing that was backed up.
      if (open.has(id) || id === "close-egress" || id.startsWith("install-")) continue;
      expect([...before(steps, id)], id).toContain("close-egress");
      expect(secrets, id).not.toContain("rclone.conf");
    }
  },
);

test("on a real host nothing is closed", () => {
  const ids = planCompleteFailure(request({ isolated: false, bundle: true })).map(({ id }) => id);
  expect(ids).not.toContain("close-egress");
});

/** The ids of the steps that run again when the request changes so. */
function runAgain(
  variant: { isolated: boolean; bundle: boolean },
  change: (request: CompleteFailureRequest) => CompleteFailureRequest,
): string[] {
  const triggersOf = (one: CompleteFailureRequest) => effectiveTriggers(planCompleteFailure(one));
  const first = triggersOf(request(variant));
  const second = triggersOf(change(request(variant)));
  expect([...second.keys()]).toEqual([...first.keys()]);
  return [...second].filter(([id, triggers]) => triggers.join() !== first.get(id)?.join()).map(([id]) => id);
}

const fromFetchOn = [
  "fetch",
  "unpack",
  "stage-databases",
  "stage-files",
  "restore",
  "configuration",
  "web-server",
  "permissions",
  "services",
  "health",
  "tls",
  "finish",
];

test.each([
  ["its id", { id: "full_backup_20260302_020000" }],
  ["its manifest", { manifestSha256: "f".repeat(64) }],
])(
  "another point, told by %s, is fetched and all after that done again, not packages and application",
  (_, change) => {
    const otherPoint = (one: CompleteFailureRequest) => ({ ...one, point: { ...one.point, ...change } });
    expect(runAgain({ isolated: false, bundle: true }, otherPoint)).toEqual(fromFetchOn);
    expect(runAgain({ isolated: true, bundle: true }, otherPoint)).toEqual([
      "fetch",
      "close-egress",
      ...fromFetchOn.slice(1),
    ]);
  },
);

test.each(variants)("another host, or another attempt at the same, does everything again: %o", (variant) => {
  const all = planCompleteFailure(request(variant)).map(({ id }) => id);
  expect(runAgain(variant, (one) => ({ ...one, hostKeyFingerprint: "SHA256:other" }))).toEqual(all);
  expect(runAgain(variant, (one) => ({ ...one, attempt: 2 }))).toEqual(all);
});

test("the same request again does nothing again", () => {
  expect(runAgain({ isolated: false, bundle: false }, (one) => structuredClone(one))).toEqual([]);
});

test("the secrets that checks send are named once each, in order; tokens of the restored site are none", () => {
  const bearers = [
    { kind: "upload", path: "/b", bearer: { secret: "ZULU" } },
    { kind: "http", path: "/a", bearer: { secret: "ALPHA" } },
    { kind: "http", path: "/c", bearer: { secret: "ZULU" } },
    { kind: "http", path: "/d", bearer: { variable: "TOKEN" } },
    { kind: "rows", database: "club", table: "members" },
  ];
  expect(checkSecrets(siteSchema.parse({ ...written, checks: bearers }))).toEqual(["ALPHA", "ZULU"]);
});
