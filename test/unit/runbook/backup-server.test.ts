import { expect, test } from "vitest";
import { backupServerStores, planBackupServer } from "../../../runbook/backup-server.ts";
import { siteSchema } from "../../../site/schema.ts";
import { written } from "./small-site.ts";

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS";
const ssh = { kind: "ssh", host: "192.0.2.20", user: "club", path: "/srv/kept/club", hostKey };
const site = siteSchema.parse({
  ...written,
  stores: [
    ...written.stores,
    { ...ssh, name: "elsewhere", path: "/srv/other" },
    {
      ...{ ...ssh, name: "offsite" },
      server: {
        writers: ["ssh-ed25519 AAAAwriter site-backup@club"],
        readers: ["ssh-ed25519 AAAAreader you", "ssh-ed25519 AAAAverifier"],
        limit: "2TiB",
      },
    },
  ],
  backups: {},
});

test("a server keeps backups for keys that can do no more than they must, and removes what the tiers need not keep", () => {
  const [store, ...others] = backupServerStores(site);
  if (store === undefined || site.backups === undefined) throw new Error("there is one");
  expect(others).toEqual([]);
  const [step, ...more] = planBackupServer(site.backups, store, "abc");
  expect(more).toEqual([]);
  const { units, settings, ...inputs } = step?.inputs as Record<string, unknown>;
  const programs = "/usr/local/lib/recovery/abc/resident";
  expect(inputs).toEqual({
    user: "club",
    path: "/srv/kept/club",
    authorizedKeys: [
      `restrict,command="${programs}/receive /srv/kept/club 2048" ssh-ed25519 AAAAwriter site-backup@club`,
      'restrict,command="internal-sftp -R -d /srv/kept/club" ssh-ed25519 AAAAreader you',
      'restrict,command="internal-sftp -R -d /srv/kept/club" ssh-ed25519 AAAAverifier',
    ],
  });
  expect(JSON.parse(String(settings))).toEqual({
    path: "/srv/kept/club",
    tiers: {
      hourly: { everySeconds: 3600, keepSeconds: 172_800, atLeast: 48 },
      daily: { everySeconds: 86_400, keepSeconds: 604_800, atLeast: 7 },
      weekly: { everySeconds: 604_800, keepSeconds: 2_592_000, atLeast: 5 },
      monthly: { everySeconds: 2_678_400, keepSeconds: 31_536_000, atLeast: 12 },
    },
  });
  const [service, timer] = units as Record<"name" | "text", string>[];
  expect([service?.name, timer?.name]).toEqual([
    "site-backup-prune-club.service",
    "site-backup-prune-club.timer",
  ]);
  expect(service?.text).toContain(
    `ExecStart=${programs}/prune /srv/kept/club /etc/site-backup-server/club.json\nUser=club\n`,
  );
  expect(service?.text).toContain("ReadWritePaths=-/srv/kept/club\n");
  expect(step).toMatchObject({ id: "backup-server", script: "backup-server", secrets: [], after: [] });
});

test("another key is another state of the server", () => {
  const [store] = backupServerStores(site);
  if (store === undefined || site.backups === undefined) throw new Error("there is one");
  const of = (writers: string[], release = "abc") =>
    planBackupServer(site.backups ?? raise(), { ...store, server: { ...store.server, writers } }, release)[0]
      ?.triggers;
  expect(of([])).not.toEqual(of(store.server.writers));
  expect(of([], "abd")).not.toEqual(of([]));
  expect(of([])).toEqual(of([]));
});

function raise(): never {
  throw new Error("there is none");
}
