import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseArchiveName, parseManifest } from "../../../backups/runbook-archive.ts";
import { manifestText } from "./archives.ts";

describe("the name of a file", () => {
  const localTime = { year: 2025, month: 11, day: 4, hour: 12, minute: 5, second: 9 };
  test.each([
    ["full_backup_20251104_120509.tar.gz", { form: "full", id: "full_backup_20251104_120509", localTime }],
    [
      "admin_sqlite_20251104_120509.db.gz",
      { form: "database", id: "admin_sqlite_20251104_120509", engine: "sqlite", localTime },
    ],
    [
      "admin_postgres_20251104_120509.sql.gz",
      { form: "database", id: "admin_postgres_20251104_120509", engine: "postgres", localTime },
    ],
    ["full_backup_latest.tar.gz", { form: "full-alias", id: "full_backup_latest" }],
    ["admin_sqlite_latest.db.gz", { form: "database-alias", id: "admin_sqlite_latest", engine: "sqlite" }],
    ["corrupted_20251104_120509.gz", { form: "forensic", id: "corrupted_20251104_120509.gz" }],
  ])("%s is known", (name, parsed) => {
    expect(parseArchiveName(name)).toEqual(parsed);
  });

  test.each([
    "full_backup_20251104_120509.tar",
    "full_backup_20251104_120509.tar.gz.part",
    ".full_backup_20251104_120509.tar.gz.Xa3b",
    "full_backup_20251104_120509 (1).tar.gz",
    "full_backup_20250231_120000.tar.gz",
    "full_backup_20251104_246060.tar.gz",
    "full_backup_2025114_120509.tar.gz",
    "admin_mysql_20251104_120509.sql.gz",
    "admin_sqlite_20251104_120509.sql.gz",
    "full_backup_latest.tar.gz\n",
    "notes.txt",
    "",
  ])("%j is foreign", (name) => {
    expect(parseArchiveName(name)).toEqual({ form: "foreign", id: name });
  });

  test("whatever it is, it is one of the forms, and times are times", () => {
    const near = fc.tuple(
      fc.constantFrom("full_backup_", "admin_sqlite_", "corrupted_", ""),
      fc.stringMatching(/^\d{8}_\d{6}$/),
      fc.constantFrom(".tar.gz", ".db.gz", ""),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          near.map((parts) => parts.join("")),
        ),
        (name) => {
          const parsed = parseArchiveName(name);
          if (!("localTime" in parsed)) return;
          const { year, month, day, hour, minute, second } = parsed.localTime;
          const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
          expect([date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCHours()]).toEqual([month, day, hour]);
        },
      ),
    );
  });
});

describe("a manifest", () => {
  test("as the runbook's script writes it", () => {
    expect(parseManifest(manifestText("20251104_120000", "2025-11-04T12:00:00Z"))).toEqual({
      createdAt: "2025-11-04T12:00:00.000Z",
      name: "full_backup_20251104_120000",
      hostname: "web1",
      components: [
        "Database: SQLite (admin.db.gz)",
        "Files: ./data/uploads (uploads.tar.gz)",
        "Configuration: 1 files",
      ],
      files: ["admin.db.gz", "uploads.tar.gz"],
      status: "SUCCESS",
      errors: [],
    });
  });

  test("with lines that end as on Windows says the same", () => {
    const text = manifestText("20251104_120000", "2025-11-04T12:00:00Z");
    expect(parseManifest(`\uFEFF${text.replaceAll("\n", "\r\n")}`)).toEqual(parseManifest(text));
  });

  test("of a partial backup lists its errors", () => {
    const text = `${manifestText("20251104_120000", "2025-11-04T12:00:00Z", "PARTIAL")}\nErrors:\n\n  - Failed to backup SQLite database\n  - No configuration files found\n`;
    expect(parseManifest(text)).toMatchObject({
      status: "PARTIAL",
      errors: ["Failed to backup SQLite database", "No configuration files found"],
    });
  });

  test("names the files of its components, not other words in brackets", () => {
    const text =
      "Components:\n- Database: SQLite (admin.db.gz, copied)\n- Files: None found\n- Notes (see there)\n- X (../y.gz)\n";
    expect(parseManifest(text).files).toEqual(["admin.db.gz"]);
  });

  test.each([
    ["nothing", ""],
    ["another status", "Backup Status: OK"],
    ["a status in a component", "Components:\n- Backup Status: SUCCESS"],
    ["two statuses", "Backup Status: SUCCESS\nBackup Status: UNKNOWN"],
  ])("with %s has no status", (_what, text) => {
    expect(parseManifest(text).status).toBeNull();
  });

  test("that says both SUCCESS and PARTIAL is partial", () => {
    expect(parseManifest("Backup Status: SUCCESS\nBackup Status: PARTIAL").status).toBe("PARTIAL");
  });

  test.each([
    "2025-11-04 12:00:00",
    "2025-11-04T12:00:00",
    "2025-02-31T12:00:00Z",
    "yesterday",
    "2025-11-04T25:00:00Z",
  ])("does not tell the time with %j", (time) => {
    expect(parseManifest(`Backup created at: ${time}`).createdAt).toBeNull();
  });

  test("tells the time with an offset too", () => {
    expect(parseManifest("Backup created at: 2025-11-04T12:00:00+0100").createdAt).toBe(
      "2025-11-04T11:00:00.000Z",
    );
  });

  test("keeps what a terminal would act on out of its fields", () => {
    expect(parseManifest("Hostname: web\u001b[2J1").hostname).toBe("web�[2J1");
  });

  test("of any text is read without an error", () => {
    const line = fc.oneof(
      fc.string(),
      fc.constantFrom(
        "Errors:",
        "Components:",
        "- a (b.gz)",
        "Backup Status: SUCCESS",
        "Backup created at: 1",
      ),
    );
    fc.assert(
      fc.property(fc.array(line), fc.constantFrom("\n", "\r\n", "\r"), (lines, end) => {
        const { createdAt, status } = parseManifest(lines.join(end));
        if (createdAt !== null) expect(new Date(createdAt).toISOString()).toBe(createdAt);
        expect(["SUCCESS", "PARTIAL", null]).toContain(status);
      }),
    );
  });
});
