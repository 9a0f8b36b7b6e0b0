import fc from "fast-check";
import { expect, test } from "vitest";
import { parseHostReport } from "../../../damage/host-report.ts";
import { wellSaid } from "./facts.ts";

test("what a host that is well says is understood, whole", () => {
  expect(parseHostReport(wellSaid)).toEqual({
    complete: true,
    clockSeconds: 1772359200.5,
    uptimeSeconds: 86_400.25,
    system: "Debian GNU/Linux 12 (bookworm)",
    load: { oneMinute: 0.1, cores: 2 },
    memory: { totalBytes: 2 * 1024 ** 3, availableBytes: 1024 ** 3 },
    memoryKills: 0,
    recovering: "",
    units: ["php8.2-fpm.service", "nginx.service", "thumbnails.service"].map((unit) => ({
      unit,
      active: "active",
      enabled: "enabled",
      said: "",
    })),
    disks: [{ mount: "/", bytes: 20 * 1024 ** 3, freeBytes: 10 * 1024 ** 3, inodes: 1e6, freeInodes: 9e5 }],
    diskSilent: false,
    missing: [],
    databases: [{ name: "club", state: "ok", said: "" }],
    rows: [{ database: "club", table: "members", count: 120, said: "120", restored: 100 }],
    deletions: [{ database: "club", count: 0, latest: "" }],
    application: { state: "git", commit: "c".repeat(40), tags: ["v1"], changes: 0 },
    changed: [],
    planted: [],
    environment: "there",
    lacks: [],
    loads: { state: "ok", said: "" },
    errors: [],
  });
});

test("what a host that is not well says is understood, control characters made visible", () => {
  const report = parseHostReport(
    [
      "unit\tnginx.service\tfailed\tenabled\tnginx: [emerg] unknown directive",
      "rows\tclub\tmembers\tError: no such table: members\t",
      "deletions\tclub\t7|2026-03-01T09:00:00Z",
      "changed\t??\tpublic/\u001b[2Jx.php",
      "disk-silent",
      "disk\t/btrfs\t100\t50\t0\t0",
      "disk\t/odd\t-\t-\t-\t-",
      "memory\tlots",
      "nonsense\tof\tits\town",
    ].join("\n"),
  );
  expect(report).toMatchObject({
    complete: false,
    units: [{ unit: "nginx.service", active: "failed", said: "nginx: [emerg] unknown directive" }],
    rows: [{ count: null, said: "Error: no such table: members", restored: null }],
    deletions: [{ count: 7, latest: "2026-03-01T09:00:00Z" }],
    changed: [{ status: "??", path: "public/�[2Jx.php" }],
    diskSilent: true,
    disks: [{ mount: "/btrfs" }],
    memory: null,
  });
  expect(report.disks).toHaveLength(1);
});

test("any text at all is read without an error, and nothing that a terminal acts on comes out of it", () => {
  const facts = wellSaid.split("\n").map((line) => line.split("\t")[0] ?? "");
  const line = fc
    .tuple(
      fc.constantFrom(...facts, "missing", "planted", "changed", "lacks", "error"),
      fc.array(fc.string({ unit: "binary" })),
    )
    .map(([fact, values]) => [fact, ...values].join("\t"));
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: "binary" }),
        fc.array(line).map((lines) => lines.join("\n")),
      ),
      (text) => {
        expect(JSON.stringify(parseHostReport(text))).not.toMatch(/\\u00[01]|\p{Cc}/u);
      },
    ),
  );
});
