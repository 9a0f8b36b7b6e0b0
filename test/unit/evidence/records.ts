import type { RunRecord, StepRecord } from "../../../evidence/record.ts";

const done: Pick<StepRecord, "outcome" | "facts"> = { outcome: "done", facts: {} };

/** A drill that went well, with one step over its budget. */
export const recovered: RunRecord = {
  version: 1,
  run: "20260301T080000Z-drill",
  kind: "drill",
  site: "club",
  outcome: "recovered",
  startedAt: "2026-03-01T08:00:00.000Z",
  hostAt: "2026-03-01T08:00:00.400Z",
  servingAt: "2026-03-01T08:00:42.500Z",
  checksAt: "2026-03-01T08:01:08.000Z",
  recoveredAt: "2026-03-01T08:01:10.000Z",
  endedAt: "2026-03-01T08:01:11.000Z",
  tool: { version: "0.1.0", executor: "pulumi", engine: "3.259.0 (PATH)", commandPlugin: "ours" },
  point: {
    id: "full_backup_20260301_020000",
    store: "disk",
    dataTime: "2026-03-01T02:00:00.000Z",
    sha256: "a".repeat(64),
    manifestSha256: "b".repeat(64),
    storedBytes: 1000,
  },
  host: { address: "10.0.0.2", hostKeyFingerprint: "SHA256:x" },
  baked: false,
  preparationSeconds: 2.5,
  steps: [
    {
      ...done,
      id: "provision",
      title: "Server fit",
      runbook: "1.2",
      startedAt: "2026-03-01T08:00:01.000Z",
      seconds: 0.8,
      budgetSeconds: 1800,
      after: [],
    },
    {
      ...done,
      id: "restore",
      title: "Everything put in place",
      runbook: "1.6",
      startedAt: "2026-03-01T08:00:02.000Z",
      seconds: 901,
      budgetSeconds: 900,
      after: ["provision"],
    },
  ],
  checks: [
    { title: "GET /health", ok: true, expected: "status 200", seen: "status 200, 12 bytes" },
    { title: "club: integrity", ok: true, expected: "ok", seen: "ok" },
  ],
  objectives: [
    { name: "rto", objectiveSeconds: 14_400, seconds: 70, met: true },
    { name: "rpo database", objectiveSeconds: 21_600, seconds: 21_720, met: false },
  ],
  notes: ["refused by the wall: git.example.org"],
};

/** A rebuild of which a step failed, so that what comes after was not run. */
export const failed: RunRecord = {
  ...recovered,
  run: "20260301T080000Z-rebuild",
  kind: "rebuild",
  outcome: "failed",
  error: {
    what: "Everything put in place: the database is damaged",
    why: "integrity_check said: row 3 missing",
    next: "choose another restore point",
  },
  servingAt: null,
  checksAt: null,
  recoveredAt: null,
  steps: [
    ...recovered.steps.slice(0, 1),
    {
      id: "restore",
      title: "Everything put in place",
      runbook: "1.6",
      outcome: "failed",
      startedAt: "2026-03-01T08:00:02.000Z",
      seconds: 200,
      budgetSeconds: 900,
      after: ["provision"],
      facts: { rows: 3 },
      error: { what: "the database is damaged", why: "row 3 missing", next: "choose another" },
    },
    {
      id: "health",
      title: "Checks",
      runbook: "1.11",
      outcome: "not-run",
      startedAt: null,
      seconds: null,
      budgetSeconds: 600,
      after: ["restore"],
      facts: {},
    },
  ],
  checks: [{ title: "GET /health", ok: false, expected: "status 200", seen: "status 502: Bad Gateway" }],
  objectives: [
    { name: "rto", objectiveSeconds: 14_400, seconds: null, met: false },
    { name: "rpo database", objectiveSeconds: 21_600, seconds: 21_600, met: true },
  ],
  notes: [],
};

/** A step that began and ended so many seconds after the run did. */
export function ran(id: string, after: string[], from: number, to: number): StepRecord {
  return {
    ...done,
    id,
    title: `Title of ${id}`,
    runbook: "1.6",
    startedAt: new Date(Date.parse(recovered.startedAt) + from * 1000).toISOString(),
    seconds: to - from,
    budgetSeconds: 600,
    after,
  };
}

/** A drill of which steps ran side by side: of what comes after provision, the packages were waited for, the backup was not. */
export const sideBySide: RunRecord = {
  ...recovered,
  hostAt: "2026-03-01T08:00:04.000Z",
  servingAt: "2026-03-01T08:01:00.000Z",
  checksAt: "2026-03-01T08:01:02.000Z",
  recoveredAt: "2026-03-01T08:01:06.000Z",
  endedAt: "2026-03-01T08:01:06.000Z",
  steps: [
    ran("provision", [], 10, 11),
    ran("packages", ["provision"], 12, 40),
    ran("fetch", ["provision"], 12, 14),
    ran("restore", ["packages", "fetch"], 41, 50),
    ran("health", ["restore"], 51, 60),
  ],
};

/** A rebuild that stopped the old server, met its objectives, and was not quiet afterwards. */
export const watched: RunRecord = {
  ...sideBySide,
  run: "20260301T080000Z-rebuild",
  kind: "rebuild",
  objectives: sideBySide.objectives.map((one) => ({ ...one, met: true })),
  fencing: {
    how: "stopped",
    address: "192.0.2.9",
    who: "anna@office",
    at: "2026-03-01T08:00:00.000Z",
    units: [
      { unit: "mail.service", before: "active, enabled", after: "inactive, disabled" },
      { unit: "nginx.service", before: "active, enabled", after: "failed, disabled" },
    ],
  },
  watch: {
    of: ["/var/log/club.log", "nginx.service: running, enabled at boot"],
    wantedSeconds: 1800,
    seconds: 180,
    looks: 7,
    endedBy: "operator",
    errors: ["/var/log/club.log: ERROR no mail", "journal: PHP Fatal error"],
  },
};

/** Every text of a record with markup behind it that would load, run or hide something if it were taken for markup. */
export function hostile(record: RunRecord): RunRecord {
  const markup = `</script></style></title></svg></table><img src="https://example.org/x" onerror="document.title='taken'">'"&\u202e\u0000\ud800`;
  const told = (text: string) => `${text}${markup}`;
  const kept = <T>(value: T): T =>
    JSON.parse(JSON.stringify(value, (_, one: unknown) => (typeof one === "string" ? told(one) : one))) as T;
  const { error, steps, checks, objectives, notes, point, host, tool, run, site } = record;
  const { fencing, watch } = record;
  return {
    ...record,
    ...kept({ error, checks, objectives, notes, host, tool, run, site }),
    point: { ...kept(point), dataTime: point.dataTime },
    ...(fencing && { fencing: { ...kept(fencing), how: fencing.how, at: fencing.at } }),
    ...(watch && { watch: { ...kept(watch), endedBy: watch.endedBy } }),
    steps: steps.map((step) => ({
      ...step,
      ...kept({ title: step.title, runbook: step.runbook, error: step.error }),
      facts: {
        [told("fact")]: [told("in a list"), { [told("name")]: told("value") }],
        nested: { [told("deep")]: told("deeper") },
      },
    })),
  };
}
