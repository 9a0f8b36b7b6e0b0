import { describe, expect, it } from "vitest";
import { archiveName, humanSize, manifestText } from "../../../examples/archive.ts";

const time = new Date("2025-11-04T02:00:07.900Z");

describe("the archive of the runbook's scripts", () => {
  it("is named after its time", () => {
    expect(archiveName(time)).toBe("full_backup_20251104_020007");
  });

  it("has the manifest that those scripts write", () => {
    const components = ["Database: SQLite (admin.db.gz)", "Configuration: 3 files"];
    expect(manifestText(time, "chatbot.example.test", components, 1_200_000))
      .toBe(`Backup created at: 2025-11-04T02:00:07Z
Backup name: full_backup_20251104_020007
Hostname: chatbot.example.test

Components:
- Database: SQLite (admin.db.gz)
- Configuration: 3 files

Backup Size: 1.2M
Backup Status: SUCCESS
`);
  });

  it.each([
    [0, "0.0K"],
    [1, "0.1K"],
    [9 * 1024 + 1000, "10K"],
    [10 * 1024 + 1, "11K"],
    [1024 ** 2, "1.0M"],
    [1.5 * 1024 ** 3, "1.5G"],
    [5000 * 1024 ** 4, "5000T"],
  ])("writes %i bytes as du writes them", (bytes, text) => {
    expect(humanSize(bytes)).toBe(text);
  });
});
