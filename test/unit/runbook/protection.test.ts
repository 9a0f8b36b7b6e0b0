import { describe, expect, test } from "vitest";
import { backupTimers, backupUnits } from "../../../runbook/backup-units.ts";
import { backupSettings, planProtection, planUnprotection } from "../../../runbook/protection.ts";
import { type Site, siteSchema } from "../../../site/schema.ts";
import { written, writtenPostgresql } from "./small-site.ts";

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS";
const offsite = {
  ...{ kind: "ssh", name: "offsite", host: "192.0.2.20", user: "keeper", path: "/srv/kept" },
  hostKey: `${hostKey} root@keeper`,
};

function siteWith(
  changes: object,
  from: object = written,
): { site: Site; backups: NonNullable<Site["backups"]> } {
  const site = siteSchema.parse({ ...from, stores: [...written.stores, offsite], backups: {}, ...changes });
  if (site.backups === undefined) throw new Error("it has backups");
  return { site, backups: site.backups };
}

test("what is packed is what site.yaml names, by its place on the server", () => {
  const { site, backups } = siteWith({
    nginx: { site: "club.conf", from: "backup" },
    restorePoints: { recipients: [`age1${"q".repeat(58)}`] },
  });
  expect(backupSettings(site, backups)).toEqual({
    path: "/var/backups/site",
    request: {
      site: "club",
      recipients: [`age1${"q".repeat(58)}`],
      signingKey: "/etc/ssh/ssh_host_ed25519_key",
      databases: [{ name: "club", kind: "sqlite", path: "/var/www/club/data/club.db" }],
      uploads: [{ path: "/srv/uploads", folder: "/srv/uploads" }],
      data: [{ path: "data", folder: "/var/www/club/data" }],
      configuration: {
        folder: "/var/www/club",
        files: [".env", "config.php"],
        named: [
          {
            name: "club.conf",
            from: [
              "/etc/nginx/sites-available/club",
              "/etc/nginx/sites-enabled/club.conf",
              "/etc/nginx/sites-available/club.conf",
              "/etc/nginx/conf.d/club.conf",
            ],
          },
        ],
        server: [
          "/etc/nginx",
          "/etc/php/8.2/fpm",
          "/etc/systemd/system/thumbnails.service",
          "/etc/systemd/system/thumbnails.service.d",
          "/etc/crontab",
          "/etc/cron.d",
          "/var/spool/cron/crontabs",
        ],
        certificates: "/etc/letsencrypt",
      },
      application: { packed: true, revision: "0".repeat(40), folder: "/var/www/club", owner: "www-data" },
      rows: "/var/lib/site-backup/rows",
    },
    logs: ["/var/log/club.log"],
    metrics: { domain: "club.example.org", path: "/metrics" },
    tiers: {
      hourly: { everySeconds: 3600, keepSeconds: 172_800, atLeast: 48, stores: ["offsite"] },
      daily: { everySeconds: 86_400, keepSeconds: 604_800, atLeast: 7, stores: ["offsite"] },
      weekly: { everySeconds: 604_800, keepSeconds: 2_592_000, atLeast: 5, stores: ["offsite"] },
      monthly: { everySeconds: 2_678_400, keepSeconds: 31_536_000, atLeast: 12, stores: ["offsite"] },
      manual: { stores: ["offsite"] },
    },
    stores: { offsite: { kind: "ssh", host: "192.0.2.20", port: 22, user: "keeper" } },
    rpo: { database: 21_600, configuration: 86_400, uploads: 86_400, logs: 604_800, metrics: 604_800 },
    alerts: {},
  });
});

test.each([
  ["on the site's server", undefined, false],
  ["on a server of its own", "own", true],
])("a database of PostgreSQL is where the site's environment file says: %s", (_, server, elsewhere) => {
  const databases = writtenPostgresql.databases.map((database) => ({ ...database, server }));
  const { site, backups } = siteWith({}, { ...writtenPostgresql, databases });
  expect(backupSettings(site, backups)["request"]).toMatchObject({
    databases: [
      {
        ...{ name: "club", kind: "postgresql", role: "club", database: "club_data", elsewhere },
        ...{ environmentFile: "/var/www/club/.env", connection: { password: "DB_PASSWORD" } },
      },
    ],
  });
});

describe("the step", () => {
  test("is made again for another release or other settings, and for nothing else", () => {
    const { site, backups } = siteWith({});
    const triggers = (from: ReturnType<typeof siteWith>, release = "a") =>
      planProtection(from.site, from.backups, release)[0]?.triggers;
    expect(triggers(siteWith({}))).toEqual(triggers({ site, backups }));
    expect(triggers({ site, backups }, "b")).not.toEqual(triggers({ site, backups }));
    expect(triggers(siteWith({ backups: { at: "03:00" } }))).not.toEqual(triggers({ site, backups }));
    expect(triggers(siteWith({ backups: { daily: { keep: "8d" } } }))).not.toEqual(
      triggers({ site, backups }),
    );
    expect(planUnprotection(backups)[0]?.id).toBe("backup-schedule");
  });

  test("tells the server which stores it may believe, by their keys alone", () => {
    const { site, backups } = siteWith({});
    expect(planProtection(site, backups, "a")[0]?.inputs).toMatchObject({
      stores: [{ name: "offsite", hostKey }],
      needs: ["age", "zstd", "jq", "openssl", "git", "libnet-ssleay-perl", "sqlite3", "curl"],
    });
  });
});

describe("stores of objects", () => {
  const secrets = ["WRITER", "TOKEN"].map((name) => ({ name, from: `env:${name}` }));
  const bucket = { kind: "s3", name: "bucket", bucket: "kept", path: "club", region: "eu-central-1" };
  const container = {
    ...{ kind: "azure-blob", name: "container", path: "club", reader: "READER" },
    container: "https://club.blob.core.windows.net/kept",
  };
  const planned = (stores: object[]) => {
    const { backups } = siteWith({});
    const site = siteSchema.parse({ ...written, stores, backups: {}, secrets });
    return { site, settings: backupSettings(site, backups), step: planProtection(site, backups, "a")[0] };
  };

  test("are written to with the writer's credentials, by rclone", () => {
    const { settings, step } = planned([
      { ...bucket, writer: { accessKeyId: "AKIA", secretAccessKey: "WRITER" } },
      { ...container, writer: "TOKEN" },
    ]);
    expect(settings["stores"]).toEqual({
      bucket: {
        ...{ kind: "s3", bucket: "kept", path: "club", region: "eu-central-1" },
        ...{ accessKeyId: "AKIA", secret: "WRITER" },
      },
      container: { kind: "azure-blob", container: container.container, path: "club", secret: "TOKEN" },
    });
    expect(settings["tiers"]).toMatchObject({ hourly: { stores: ["bucket", "container"] } });
    expect(step?.inputs["needs"]).toContain("rclone");
    expect(step?.inputs["stores"]).toEqual([]);
    expect(step?.secrets).toEqual(["WRITER", "TOKEN"]);
  });

  test("of which a bucket is declared take full backups as they are kept there: what stays a month is of infrequent access", () => {
    const writer = { accessKeyId: "AKIA", secretAccessKey: "WRITER" };
    const { settings } = planned([
      { ...bucket, writer, declared: {} },
      { ...bucket, writer, name: "by-hand" },
    ]);
    expect(settings["stores"]).toMatchObject({ bucket: { infrequent: ["weekly", "monthly"] } });
    expect((settings["stores"] as Record<string, object>)["by-hand"]).not.toHaveProperty("infrequent");
  });

  test("without a writer are only read, and the server is told nothing of them", () => {
    const { settings, step } = planned([bucket, container]);
    expect(settings["stores"]).toEqual({});
    expect(settings["tiers"]).toMatchObject({ hourly: { stores: [] } });
    expect(step?.inputs["needs"]).not.toContain("rclone");
    expect(step?.secrets).toEqual([]);
  });
});

describe("who is told", () => {
  const secrets = ["PASSWORD", "HOOK", "DEAD_MAN"].map((name) => ({ name, from: `env:${name}` }));
  const mail = { to: ["owner@example.org"], from: "club@example.org" };
  const inputs = (alerts: object) => {
    const { site, backups } = siteWith({ alerts, secrets });
    const [step] = planProtection(site, backups, "a");
    return { ...step?.inputs, placed: step?.secrets };
  };

  test("stands in the settings by the names of secrets, and their values are placed", () => {
    const smtp = { ...mail, smtp: "smtps://mail.example.org:465", user: "club", password: "PASSWORD" };
    const alerts = { mail: smtp, webhook: "HOOK", deadMan: "DEAD_MAN" };
    const { site, backups } = siteWith({ alerts, secrets });
    expect(backupSettings(site, backups)["alerts"]).toEqual(alerts);
    expect(inputs(alerts)).toMatchObject({
      placed: ["PASSWORD", "HOOK", "DEAD_MAN"],
      secrets: ["PASSWORD", "HOOK", "DEAD_MAN"],
      needs: ["age", "zstd", "jq", "openssl", "git", "libnet-ssleay-perl", "sqlite3", "curl"],
      sendmail: false,
    });
  });

  test("by the server's own mail needs that, and no other program", () => {
    expect(inputs({ mail })).toMatchObject({
      placed: [],
      secrets: [],
      needs: ["age", "zstd", "jq", "openssl", "git", "libnet-ssleay-perl", "sqlite3", "curl"],
      sendmail: true,
    });
  });
});

describe("the units", () => {
  const texts = (backups: object) =>
    Object.fromEntries(backupTimers(siteWith({ backups }).backups).map(({ name, text }) => [name, text]));

  test("write into the store and beside databases, and nowhere else", () => {
    const [service] = backupUnits({
      ...{ programs: "/p", writable: ["/var/backups/site", "/srv/data"], textfile: "/srv/metrics" },
    });
    expect(service?.name).toBe("site-backup@.service");
    for (const line of [
      "ExecStart=/p/backup %i",
      "OnFailure=site-backup-failed@%i.service",
      "ProtectSystem=strict",
      "ReadWritePaths=-/var/backups/site -/srv/data",
      "Nice=10",
      "IOSchedulingPriority=7",
    ])
      expect(service?.text.split("\n")).toContain(line);
  });

  test("that watch write into Prometheus' folder, and nowhere else", () => {
    const watching = backupUnits({
      programs: "/p",
      writable: ["/var/backups/site"],
      textfile: "/srv/metrics",
    }).slice(1);
    expect(watching.map(({ name, text }) => [name, /^ExecStart=(.*)$/m.exec(text)?.[1]])).toEqual([
      ["site-backup-failed@.service", "/p/watch %i"],
      ["site-watch.service", "/p/watch"],
    ]);
    for (const { text } of watching) {
      expect(text.split("\n")).toContain("ProtectSystem=strict");
      expect(text.split("\n")).toContain("ReadWritePaths=-/srv/metrics");
    }
  });

  test("begin when site.yaml says, a little apart, and are made up for", () => {
    expect(texts({})["site-backup@hourly.timer"]).toBe(
      [
        ...["[Unit]", "Description=Backup of the site: hourly", ""],
        ...["[Timer]", "OnCalendar=*-*-* 00/1:00", "RandomizedDelaySec=5min", "Persistent=yes", ""],
        ...["[Install]", "WantedBy=timers.target", ""],
      ].join("\n"),
    );
    const calendars = (backups: object) =>
      Object.values(texts(backups)).map((text) => /^OnCalendar=(.*)$/m.exec(text)?.[1]);
    expect(calendars({ at: "04:30", hourly: { every: "6h" } })).toEqual([
      "*-*-* 00/6:00",
      "*-*-* 04:30",
      "Sun *-*-* 04:30",
      "*-*-01 04:30",
    ]);
    expect(calendars({ hourly: { every: "24h" } })[0]).toBe("*-*-* 00:00");
  });
});
