import { describe, expect, test } from "vitest";
import { siteMembers } from "../../../backups/site-members.ts";
import { checkRequest } from "../../../runbook/checks.ts";
import { type CompleteFailureRequest, planCompleteFailure } from "../../../runbook/complete-failure.ts";
import { databaseFacts } from "../../../runbook/databases.ts";
import type { Step } from "../../../runbook/step.ts";
import { effectiveTriggers } from "../../../runbook/triggers.ts";
import { manifest, sha256Of } from "../backups/manifests.ts";
import { bundleInDrill, gitOnHost } from "./expected-plans.ts";
import { request, smallSite } from "./small-site.ts";

const manifestSha256 = "0123456789abcdef".repeat(4);

function ownRequest(options: {
  isolated: boolean;
  bundle: boolean;
  encrypted: boolean;
}): CompleteFailureRequest {
  const members = manifest().members.map(({ name, path, ...rest }) => ({
    ...rest,
    path: options.encrypted ? name : name.replace(".age", ""),
    ...(path === undefined ? {} : { folder: path }),
  }));
  return {
    ...request(options),
    point: {
      id: "daily/20260301T020000Z",
      manifestSha256,
      members: siteMembers({ members }, smallSite),
      identity: options.encrypted ? "BACKUP_KEY" : null,
      unpackedBytes: 6900,
    },
  };
}

const stored = (name: string, bytes: number) => ({
  name,
  bytes,
  unpackedBytes: 10 * bytes,
  sha256: sha256Of(name),
});
const database = stored("database-club.db.zst.age", 100);
const uploads = stored("uploads-1.tar.zst.age", 200);
const data = stored("data-1.tar.zst.age", 300);
const configuration = stored("config.tar.zst.age", 40);
const inventory = stored("inventory.tar.zst.age", 50);

const [club] = smallSite.databases;
if (!club) throw new Error("the small site has no database");
const pinned = ["point daily/20260301T020000Z", `manifest ${manifestSha256}`];

/** The step in the place of `unpack`, written out by hand as the others are. */
function unpackMembers(where: Partial<Step>, from: string): Step {
  return {
    id: "unpack-members",
    title: "",
    runbook: "1.6",
    script: "unpack-members",
    inputs: {
      from,
      identity: "BACKUP_KEY",
      starts: [],
      inventory: [inventory],
      configuration: [configuration],
      databases: [{ members: [database] }],
      folders: [
        { name: "data", members: [data] },
        { name: "uploads", members: [uploads] },
      ],
      required: ["config/.env", "config/config.php"],
    },
    secrets: ["BACKUP_KEY"],
    triggers: [],
    after: [],
    budgetSeconds: 1500,
    timeoutSeconds: 14_400,
    ...where,
  };
}

/** As host/databases.sh is told of it: all of it but the member is as of an archive. */
const ownDatabase = { ...databaseFacts(smallSite, club), member: "database-club.db" };

/** What else differs from the plan of an archive: room, the names of members, and what comes after what. */
function asOfMembers(step: Step, fetchedBytes: number): Step {
  const after = step.after.map((id) => (id === "unpack" ? "unpack-members" : id));
  switch (step.id) {
    case "provision":
      return { ...step, inputs: { ...step.inputs, diskBytes: 4_294_967_296 + fetchedBytes + 6900 } };
    case "stage-databases":
      return { ...step, after, inputs: { databases: [ownDatabase] } };
    case "stage-files":
      return {
        ...step,
        after,
        inputs: {
          ...step.inputs,
          folders: [
            { path: "/var/www/club/data", member: "data-1.tar", kind: "data", members: ["data-1.tar"] },
            { path: "/srv/uploads", member: "uploads-1.tar", kind: "uploads", members: ["uploads-1.tar"] },
          ],
        },
      };
    default:
      return "databases" in step.inputs && step.id !== "permissions"
        ? { ...step, after, inputs: { ...step.inputs, databases: [ownDatabase] } }
        : { ...step, after };
  }
}

function healthRequest(isolated: boolean): Step["inputs"] {
  const options = { transport: "any", restored: true, isolated, mark: "recovery-check-01234567-1" } as const;
  return checkRequest(smallSite, options);
}

test("on a real host members are staged as they come from the store: nothing is fetched before", () => {
  const expected = gitOnHost(healthRequest(false))
    .filter(({ id }) => id !== "fetch")
    .map((step) =>
      step.id === "unpack"
        ? unpackMembers(
            {
              title: "Members fetched, decrypted, unpacked, as the manifest says",
              secrets: ["rclone.conf", "BACKUP_KEY"],
              triggers: pinned,
              after: ["install-building-packages"],
              budgetSeconds: 2100,
            },
            "store",
          )
        : asOfMembers(step, 0),
    );
  expect(planCompleteFailure(ownRequest({ isolated: false, bundle: false, encrypted: true }))).toEqual(
    expected,
  );
});

test("in a drill they are fetched as they are stored, and opened once egress is closed", () => {
  const files = [inventory, database, data, uploads, configuration].map(({ name, bytes, sha256 }) => ({
    name,
    bytes,
    sha256,
  }));
  const expected = bundleInDrill(healthRequest(true)).map((step) =>
    step.id === "unpack"
      ? unpackMembers(
          { title: "Members decrypted, unpacked, as the manifest says", after: ["close-egress"] },
          "fetched",
        )
      : step.id === "fetch"
        ? { ...step, inputs: { from: "point", files }, triggers: pinned }
        : asOfMembers(step, 690),
  );
  expect(planCompleteFailure(ownRequest({ isolated: true, bundle: true, encrypted: true }))).toEqual(
    expected,
  );
});

describe("databases of a newer point", () => {
  const ofDatabases = "f".repeat(64);
  const newer = { id: "hourly/20260301T070000Z", manifestSha256: ofDatabases };
  const later = (name: string) => ({ ...stored(name, 70), content: name.replace(/\.(zst|age)/g, "") });
  const combined = (isolated: boolean, changes: Partial<typeof newer> = {}): CompleteFailureRequest => {
    const one = ownRequest({ isolated, bundle: true, encrypted: true });
    if ("archive" in one.point) throw new Error("not of our own format");
    const members = { ...one.point.members, databases: [[later("database-club.db.zst.age")]] };
    const newerDatabases = { ...newer, ...changes, inventory: [later("inventory.tar.zst.age")] };
    return { ...one, point: { ...one.point, members, newerDatabases } };
  };
  const stepOf = (isolated: boolean, id: string) =>
    planCompleteFailure(combined(isolated)).find((step) => step.id === id);

  test("are unpacked beside the files of the older one, by an inventory of their own", () => {
    expect(stepOf(false, "unpack-members")).toMatchObject({
      triggers: [...pinned, `databases ${newer.id}`, `databases-manifest ${ofDatabases}`],
      inputs: {
        point: "daily/20260301T020000Z",
        inventory: [inventory],
        databaseInventory: [stored("inventory.tar.zst.age", 70)],
        databases: [{ members: [stored("database-club.db.zst.age", 70)] }],
        configuration: [configuration],
      },
    });
    expect(stepOf(false, "fetch-databases")).toBeUndefined();
  });

  test("are fetched from a folder of their own before egress is closed", () => {
    const files = ["inventory.tar.zst.age", "database-club.db.zst.age"].map((name) => ({
      name,
      bytes: 70,
      sha256: sha256Of(name),
    }));
    expect(stepOf(true, "fetch-databases")).toMatchObject({
      script: "fetch",
      inputs: { from: "databases", files },
      secrets: ["rclone.conf"],
      triggers: [`databases ${newer.id}`, `databases-manifest ${ofDatabases}`],
    });
    expect(stepOf(true, "fetch")?.inputs["files"]).toHaveLength(4);
    expect(stepOf(true, "close-egress")?.after).toEqual(["application", "fetch", "fetch-databases"]);
  });

  test.each([true, false])(
    "others do again all that touches what was backed up; isolated: %s",
    (isolated) => {
      const triggers = (one: CompleteFailureRequest) => effectiveTriggers(planCompleteFailure(one));
      const before = triggers(combined(isolated));
      const again = [...triggers(combined(isolated, { manifestSha256: "e".repeat(64) }))]
        .filter(([id, those]) => those.join() !== before.get(id)?.join())
        .map(([id]) => id);
      expect(again).toContain("restore");
      expect(again).not.toContain("application");
      expect(again).not.toContain("fetch");
    },
  );
});

test("what is not encrypted asks for no key", () => {
  const steps = planCompleteFailure(ownRequest({ isolated: false, bundle: false, encrypted: false }));
  const step = Object.fromEntries(steps.map((one) => [one.id, one]));
  expect(step["unpack-members"]?.secrets).toEqual(["rclone.conf"]);
  expect(step["unpack-members"]?.inputs["identity"]).toBe("");
});

test("the key is given to no other step", () => {
  const steps = planCompleteFailure(ownRequest({ isolated: true, bundle: true, encrypted: true }));
  expect(steps.filter(({ secrets }) => secrets.includes("BACKUP_KEY")).map(({ id }) => id)).toEqual([
    "unpack-members",
  ]);
});

test.each([true, false])(
  "another manifest does again all that touches what was backed up; drill: %s",
  (isolated) => {
    const one = ownRequest({ isolated, bundle: true, encrypted: true });
    const other = { ...one, point: { ...one.point, manifestSha256: "f".repeat(64) } };
    const before = effectiveTriggers(planCompleteFailure(one));
    const again = [...effectiveTriggers(planCompleteFailure(other))]
      .filter(([id, triggers]) => triggers.join() !== before.get(id)?.join())
      .map(([id]) => id);
    expect(again).toEqual([
      ...(isolated ? ["fetch", "close-egress"] : []),
      "unpack-members",
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
    ]);
  },
);
