import type { RestorePoint } from "../../../backups/restore-point.ts";
import type { Facts } from "../../../damage/facts.ts";
import { parseHostReport, type HostReport } from "../../../damage/host-report.ts";
import { smallSite } from "../runbook/small-site.ts";

const gibibyte = 1024 ** 3;

/** What host/look prints of a host that is well. */
export const wellSaid = [
  "clock\t1772359200.5",
  "uptime\t86400.25",
  "load\t0.10 0.20 0.30\t2",
  `memory\t${2 * gibibyte} ${gibibyte}`,
  "system\tDebian GNU/Linux 12 (bookworm)",
  "memory-killed\t0",
  "recovering\t",
  "unit\tphp8.2-fpm.service\tactive\tenabled\t",
  "unit\tnginx.service\tactive\tenabled\t",
  "unit\tthumbnails.service\tactive\tenabled\t",
  `disk\t/\t${20 * gibibyte}\t${10 * gibibyte}\t1000000\t900000`,
  "database\tclub\tok\t",
  "rows\tclub\tmembers\t120\t100",
  "deletions\tclub\t0|",
  `application\tgit\t${"c".repeat(40)}\tv1 \t0`,
  "environment\tthere",
  "loads\tok\t",
  "end",
].join("\n");

export const wellReport = parseHostReport(wellSaid);

export const wholePoint: RestorePoint = {
  format: "archive",
  id: "full_backup_20260301_080000",
  store: "disk",
  file: "full_backup_20260301_080000.tar.gz",
  aliases: [],
  kind: "full",
  state: "complete",
  reason: null,
  notes: [],
  timeOfData: "2026-03-01T08:00:00.000Z",
  storedAt: "2026-03-01T08:01:00.000Z",
  storedBytes: 1000,
  sha256: "a".repeat(64),
  manifestSha256: "b".repeat(64),
  root: "full_backup_20260301_080000",
  members: [],
  unpackedBytes: 5000,
  hostname: "web1",
};

/** A site that is well, looked at from outside and on its host. */
export const well: Facts = {
  site: smallSite,
  at: "2026-03-01T10:00:00.000Z",
  names: [{ name: "club.example.org", addresses: ["192.0.2.10"], error: null }],
  server: {
    address: "192.0.2.10",
    ping: "answers",
    ports: [22, 80, 443].map((port) => ({ port, state: "open" })),
  },
  page: { expectedStatus: 200, status: 200, error: null, phpError: null, lacks: null },
  certificate: { error: null, daysLeft: 60 },
  login: { state: "seen", report: wellReport, clockOffsetSeconds: 0.2 },
  stores: [{ name: "disk", error: null, points: [wholePoint] }],
};

/** The same with something else on its host. */
export function onHost(changes: Partial<HostReport>): Facts {
  return { ...well, login: { state: "seen", report: { ...wellReport, ...changes }, clockOffsetSeconds: 0 } };
}
