import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assess } from "../../../damage/assessment.ts";
import type { Facts, LoginFacts, PageFacts } from "../../../damage/facts.ts";
import { parseHostReport } from "../../../damage/host-report.ts";
import type { CommandWords } from "../../../damage/next-actions.ts";
import type { Verdict } from "../../../damage/verdict.ts";
import { assessmentReport } from "../../../evidence/assessment-report.ts";
import { siteSchema } from "../../../site/schema.ts";
import { written, writtenElsewhere } from "../runbook/small-site.ts";
import { onHost, well, wellReport, wholePoint } from "./facts.ts";

const words: CommandWords = {
  site: "--site site.yaml",
  host: "--host root@192.0.2.10 --host-key 'ssh-ed25519 AAAA'",
  ssh: "ssh root@192.0.2.10",
};
const judge = (facts: Facts) => assess(facts, words).verdict;

function wrong(
  scenario: Verdict["scenario"],
  title: string,
  priority: Verdict["priority"],
  hours: number | null,
  ...reasons: string[]
): Verdict {
  return {
    outcome: "wrong",
    scenario,
    title,
    priority,
    rtoSeconds: hours === null ? null : hours * 3600,
    reasons,
  };
}
const compromise = (...reasons: string[]) =>
  wrong("compromise", "Suspicion of a break-in", "P0", 8, ...reasons);
const complete = (...reasons: string[]) =>
  wrong("complete-failure", "Complete system failure", "P0", 4, ...reasons);
const corruption = (...reasons: string[]) =>
  wrong("database-corruption", "Database corruption", "P0", 2, ...reasons);
const configuration = (...reasons: string[]) =>
  wrong("configuration-error", "Configuration error", "P1", 1, ...reasons);
const deletion = (...reasons: string[]) => wrong("data-deletion", "Partial data loss", "P1", 4, ...reasons);
const application = (...reasons: string[]) =>
  wrong("application-server-failure", "Application server failure", "P0", 0.5, ...reasons);
const other = (...reasons: string[]) =>
  wrong(null, "Something is wrong, and it is none of the disasters", null, null, ...reasons);

describe("a server that its cloud is asked about", () => {
  const checks = { system: "ok", instance: "ok" };
  const told = (instance: Facts["instance"]) => {
    const { findings, verdict } = assess({ ...well, ...(instance ? { instance } : {}) }, words);
    const found = findings.find(({ subject }) => subject === "server i-1 at AWS");
    return [found?.level, found?.seen, verdict.scenario ?? verdict.outcome];
  };

  test.each([
    ["running", checks, "ok", "well"],
    ["pending", checks, "warn", "well"],
    ["terminated", checks, "bad", "complete-failure"],
    ["stopped", checks, "bad", "complete-failure"],
    ["running", { system: "impaired", instance: "ok" }, "bad", "complete-failure"],
    ["running", { system: "initializing", instance: "ok" }, "warn", "well"],
  ])("%s, with checks %j, is %s", (state, of, level, scenario) => {
    expect(told({ id: "i-1", state, checks: of })).toEqual([
      level,
      `${state}; AWS' checks: of its hardware ${of.system}, of the server ${of.instance}`,
      scenario,
    ]);
  });

  test("is not called well when AWS does not answer, nor is anything else called broken", () => {
    expect(told({ id: "i-1", error: "CredentialsProviderError: none" })).toEqual([
      "unknown",
      "CredentialsProviderError: none",
      "well",
    ]);
    expect(told(undefined)).toEqual([undefined, undefined, "well"]);
  });
});

const failedLogin = (kind: Extract<LoginFacts, { state: "failed" }>["kind"], why: string): LoginFacts => ({
  state: "failed",
  kind,
  why,
});
const deadPage = {
  expectedStatus: 200,
  status: null,
  error: "connect ECONNREFUSED",
  phpError: null,
  lacks: null,
};
const page = (changes: Partial<PageFacts>): Facts => ({
  ...well,
  page: { expectedStatus: 200, status: 200, error: null, phpError: null, lacks: null, ...changes },
});
const off: Facts = {
  ...well,
  server: {
    address: "192.0.2.10",
    ping: "silent",
    ports: [22, 80, 443].map((port) => ({ port, state: "silent" as const })),
  },
  page: { ...deadPage, error: "no answer within 10 s" },
  login: failedLogin("no-answer", "192.0.2.10:22 cannot be reached."),
};
const corrupt = { name: "club", state: "corrupt", said: "Tree 5 page 7" };
const mount = (freeBytes: number, freeInodes = 900) => ({
  disks: [{ mount: "/", bytes: 1024 ** 2 * 100, freeBytes, inodes: 1000, freeInodes }],
});

describe("the verdict", () => {
  test.each<[string, Facts, Verdict]>([
    [
      "nothing is wrong",
      well,
      {
        outcome: "well",
        scenario: null,
        title: "Nothing is wrong",
        priority: null,
        rtoSeconds: null,
        reasons: [],
      },
    ],
    [
      "from outside nothing is wrong",
      { ...well, login: { state: "not-asked" } },
      {
        outcome: "well",
        scenario: null,
        title: "From outside nothing is wrong",
        priority: null,
        rtoSeconds: null,
        reasons: [],
      },
    ],
    [
      "rows were deleted, and perhaps they were meant to be",
      onHost({ deletions: [{ database: "club", count: 7, latest: "2026-03-01T09:00:00Z" }] }),
      {
        outcome: "well",
        scenario: null,
        title: "Nothing is wrong",
        priority: null,
        rtoSeconds: null,
        reasons: [
          "audit log of club: 7 deletions in the last day, the last at 2026-03-01T09:00:00Z; if one was not meant, it is a partial data loss",
        ],
      },
    ],
    [
      "nothing answers",
      off,
      complete(
        "server 192.0.2.10: nothing answers: ping silent, port 22 silent, port 80 silent, port 443 silent",
      ),
    ],
    [
      "it takes connections and serves nothing",
      { ...well, page: deadPage, login: failedLogin("no-answer", "192.0.2.10:22 is silent.") },
      complete("ssh: 192.0.2.10:22 is silent."),
    ],
    [
      "it serves, and sshd is silent",
      { ...well, login: failedLogin("no-answer", "192.0.2.10:22 is silent.") },
      {
        outcome: "unclear",
        scenario: null,
        title: "From outside nothing is wrong; the host itself was not seen",
        priority: null,
        rtoSeconds: null,
        reasons: ["192.0.2.10:22 is silent."],
      },
    ],
    [
      "it serves, and there is no agent to log in with",
      { ...well, login: failedLogin("no-agent", "there is no ssh agent.") },
      {
        outcome: "unclear",
        scenario: null,
        title: "From outside nothing is wrong; the host itself was not seen",
        priority: null,
        rtoSeconds: null,
        reasons: ["there is no ssh agent."],
      },
    ],
    [
      "nobody knows where it is",
      {
        ...well,
        server: { address: null, ping: "not-tried", ports: [] },
        page: undefined,
        login: { state: "not-asked" },
      },
      {
        outcome: "unclear",
        scenario: null,
        title: "Nothing could be looked at",
        priority: null,
        rtoSeconds: null,
        reasons: ["nothing says where the server is"],
      },
    ],
    [
      "its host key is another",
      { ...well, login: failedLogin("other-key", "its host key differs.") },
      compromise("ssh: its host key differs."),
    ],
    [
      "a unit that stopped",
      onHost({
        units: wellReport.units.map((unit) =>
          unit.unit === "thumbnails.service" ? { ...unit, active: "inactive" } : unit,
        ),
      }),
      application("thumbnails.service: inactive"),
    ],
    [
      "nginx refuses its configuration, and the pages are dead for it",
      {
        ...onHost({
          units: [
            {
              unit: "nginx.service",
              active: "failed",
              enabled: "enabled",
              said: "nginx: [emerg] unknown directive",
            },
          ],
        }),
        page: deadPage,
      },
      configuration("nginx.service: failed; it said: nginx: [emerg] unknown directive"),
    ],
    [
      "nginx finds its port taken",
      onHost({
        units: [
          {
            unit: "nginx.service",
            active: "failed",
            enabled: "enabled",
            said: "[emerg] bind() to 0.0.0.0:80 failed",
          },
        ],
      }),
      application("nginx.service: failed; it said: [emerg] bind() to 0.0.0.0:80 failed"),
    ],
    [
      "a page with a PHP error",
      page({ phpError: "Fatal error: x on line 3" }),
      application("front page: status 200, and in it: Fatal error: x on line 3"),
    ],
    ["a page of another status", page({ status: 502 }), application("front page: status 502, not 200")],
    [
      "a page without its text",
      page({ lacks: "Welcome" }),
      application("front page: status 200, without the text: Welcome"),
    ],
    [
      "a corrupt database, and a page that fails for it",
      { ...onHost({ databases: [corrupt] }), page: { ...deadPage, status: 500 } },
      corruption("database club: it is damaged: Tree 5 page 7"),
    ],
    [
      "a database that is gone",
      onHost({ databases: [{ ...corrupt, state: "missing", said: "" }] }),
      corruption("database club: it is not there"),
    ],
    [
      "a database whose server does not answer",
      onHost({ databases: [{ name: "club", state: "down", said: "connection refused" }] }),
      wrong(
        "database-server-failure",
        "Database server failure",
        "P0",
        1,
        "database club: its server does not answer: connection refused",
      ),
    ],
    [
      "a database whose server does not let the site in",
      onHost({ databases: [{ name: "club", state: "refused", said: "no pg_hba.conf entry" }] }),
      wrong(
        "configuration-error",
        "Configuration error",
        "P1",
        1,
        "database club: its server does not let the site in: no pg_hba.conf entry",
      ),
    ],
    [
      "too few rows",
      onHost({ rows: [{ database: "club", table: "members", count: 2, said: "2", restored: null }] }),
      deletion("rows of members: 2, and there should be 3"),
    ],
    [
      "a table that is gone",
      onHost({
        rows: [{ database: "club", table: "members", count: null, said: "no such table", restored: null }],
      }),
      deletion("rows of members: no such table"),
    ],
    [
      "a folder that is gone",
      onHost({ missing: ["/srv/uploads"] }),
      deletion("/srv/uploads: the folder is not there"),
    ],
    [
      "the application is gone",
      onHost({
        application: { state: "missing", commit: "", tags: [], changes: 0 },
        missing: ["/var/www/club"],
      }),
      complete("application: /var/www/club is not there"),
    ],
    ["a variable is missing", onHost({ lacks: ["TOKEN"] }), configuration(".env: lacks TOKEN")],
    [
      "configuration that PHP cannot read",
      onHost({
        loads: { state: "broken", said: "Parse error" },
        changed: [{ status: " M", path: "config.php" }],
      }),
      configuration("config.php: Parse error"),
    ],
    ["a full disk", onHost(mount(0)), application("disk /: 0 % of 100 MiB free")],
    [
      "no inodes left",
      onHost(mount(1024 ** 2 * 50, 3)),
      application("disk /: 50 % of 100 MiB free, 0 % of its inodes"),
    ],
    [
      "a disk that hangs",
      onHost({ diskSilent: true }),
      application("disk: one does not answer: an unreachable network disk?"),
    ],
    [
      "a program among the uploads outweighs all else",
      onHost({ planted: ["/srv/uploads/x.php"], databases: [corrupt], lacks: ["TOKEN"] }),
      compromise("/srv/uploads/x.php: a program among what visitors send"),
    ],
    [
      "a program of no revision",
      onHost({ changed: [{ status: "??", path: "public/x.php" }] }),
      compromise("public/x.php: a program that is in no revision"),
    ],
    [
      "a program that was changed",
      onHost({ changed: [{ status: " M", path: "public/index.php" }] }),
      compromise("public/index.php: not as in its revision: changed by hand, or by who broke in"),
    ],
    [
      "a program that was deleted",
      onHost({ changed: [{ status: " D", path: "public/index.php" }] }),
      application("public/index.php: deleted from the application"),
    ],
    [
      "a certificate that expired",
      { ...well, certificate: { error: "certificate has expired", daysLeft: -3 } },
      other("certificate of club.example.org: certificate has expired; expired 3 d ago"),
    ],
    [
      "a domain that DNS forgot",
      { ...well, names: [{ name: "club.example.org", addresses: [], error: "not known to DNS" }] },
      other("DNS of club.example.org: not known to DNS"),
    ],
    [
      "no restore point",
      { ...well, stores: [{ name: "disk", error: null, points: [{ ...wholePoint, state: "damaged" }] }] },
      other("restore points: there is none that can be restored"),
    ],
  ])("%s", (_, facts, expected) => {
    expect(judge(facts)).toEqual(expected);
  });

  test("what only needs care is told as such, and does not make a site ill", () => {
    const facts: Facts = {
      ...onHost({
        ...mount(1024 ** 2 * 5),
        memory: { totalBytes: 100, availableBytes: 1 },
        memoryKills: 2,
        load: { oneMinute: 9, cores: 2 },
        rows: [{ database: "club", table: "members", count: 50, said: "50", restored: 100 }],
        application: { state: "git", commit: "d".repeat(40), tags: [], changes: 1 },
        changed: [{ status: " M", path: "README.md" }],
        errors: [{ place: "nginx.service", line: "upstream timed out" }],
        recovering: "recovery-restore.service",
      }),
      at: "2026-03-02T10:00:00.000Z",
      certificate: { error: null, daysLeft: 5 },
      names: [{ name: "club.example.org", addresses: ["192.0.2.99"], error: null }],
    };
    if (facts.login.state === "seen") facts.login.clockOffsetSeconds = -120;
    const { verdict, findings } = assess(facts, words);
    expect(verdict.outcome).toBe("well");
    expect(findings.filter(({ level }) => level === "warn").map(({ subject }) => subject)).toEqual([
      "DNS of club.example.org",
      "certificate of club.example.org",
      "recovery",
      "rows of members",
      "application",
      "application",
      "disk /",
      "memory",
      "memory",
      "load",
      "nginx.service",
      "clock",
      "restore points",
    ]);
  });

  test("the time of each scenario is the site's own objective", () => {
    const site = siteSchema.parse({ ...written, objectives: { rto: { databaseCorruption: "10min" } } });
    expect(judge({ ...onHost({ databases: [corrupt] }), site }).rtoSeconds).toBe(600);
  });
});

describe("the next action", () => {
  const commands = (facts: Facts, by = words) => assess(facts, by).next.map(({ command }) => command);

  test.each<[string, Facts, (string | null)[]]>([
    [
      "of a lost server is a rebuild",
      off,
      [null, 'npx recovery rebuild --site site.yaml --host root@NEW-SERVER --host-key "ssh-ed25519 …"'],
    ],
    [
      "of a damaged database stops what writes, and keeps it",
      onHost({ databases: [corrupt] }),
      [
        "ssh root@192.0.2.10 'systemctl stop nginx.service thumbnails.service'",
        "ssh root@192.0.2.10 'umask 077 && mkdir -p /root/damaged && cp -a /var/www/club/data/club.db* /root/damaged/'",
        "npx recovery points list --site site.yaml",
        `npx recovery rebuild --site site.yaml ${words.host ?? ""} --again 192.0.2.10 --only database --point ID`,
      ],
    ],
    [
      "of a stopped unit starts it",
      onHost({ units: [{ unit: "nginx.service", active: "inactive", enabled: "enabled", said: "" }] }),
      [
        "ssh root@192.0.2.10 'systemctl restart nginx.service; journalctl -n 30 -u nginx.service'",
        `npx recovery check --site site.yaml ${words.host ?? ""}`,
        `npx recovery rebuild --site site.yaml ${words.host ?? ""} --again 192.0.2.10 --only application`,
        'npx recovery rebuild --site site.yaml --host root@NEW-SERVER --host-key "ssh-ed25519 …"',
      ],
    ],
    [
      "of a site that is well asks more of it",
      well,
      [`npx recovery check --site site.yaml ${words.host ?? ""}`, "npx recovery drill --site site.yaml"],
    ],
  ])("%s", (_, facts, expected) => {
    expect(commands(facts)).toEqual(expected);
  });

  test.each<[string, Facts, string[]]>([
    [
      "whose server is lost leads the site to another",
      onHost({ databases: [{ name: "club", state: "down", said: "no route to host" }] }),
      [
        `npx recovery rebuild --site site.yaml --host root@NEW-DATABASE-SERVER --host-key "ssh-ed25519 …" --only database --application-host root@192.0.2.10 --application-host-key 'ssh-ed25519 AAAA'`,
        'npx recovery rebuild --site site.yaml --host root@NEW-SERVER --host-key "ssh-ed25519 …" --only application',
      ],
    ],
    [
      "whose site is lost leaves it where it is",
      off,
      [
        'npx recovery rebuild --site site.yaml --host root@NEW-SERVER --host-key "ssh-ed25519 …" --only application',
      ],
    ],
    [
      "that is gone keeps what is left on its own server",
      onHost({ databases: [{ name: "club", state: "empty", said: "" }] }),
      [
        "umask 077 && mkdir -p /root/damaged && runuser -u postgres -- pg_dump --format=custom club_data >/root/damaged/club.dump",
        "npx recovery points list --site site.yaml",
        `npx recovery rebuild --site site.yaml --host root@NEW-DATABASE-SERVER --host-key "ssh-ed25519 …" --only database --point ID --application-host root@192.0.2.10 --application-host-key 'ssh-ed25519 AAAA'`,
      ],
    ],
  ])("of a database on a server of its own %s", (_, facts, last) => {
    const site = siteSchema.parse(writtenElsewhere);
    expect(commands({ ...facts, site }).slice(-last.length)).toEqual(last);
  });

  test("without a host to log in to, is to look there", () => {
    const outside: CommandWords = { ...words, host: null, ssh: null };
    expect(commands({ ...well, login: { state: "not-asked" } }, outside)).toEqual([
      'npx recovery assess --site site.yaml --host root@192.0.2.10 --host-key "ssh-ed25519 …"',
    ]);
  });
});

test("no facts, however odd, make it throw; and a sign of disaster never counts as well", () => {
  const text = fc.oneof(fc.string(), fc.constantFrom("", "..", "'; rm -rf /", "\u001b[2J"));
  const number = fc.oneof(fc.double(), fc.integer());
  const login: fc.Arbitrary<LoginFacts> = fc.oneof(
    fc.constant<LoginFacts>({ state: "not-asked" }),
    fc.record({
      state: fc.constant("failed" as const),
      kind: fc.constantFrom(
        "no-agent" as const,
        "not-let-in" as const,
        "other-key" as const,
        "no-answer" as const,
      ),
      why: text,
    }),
    fc.record({
      state: fc.constant("seen" as const),
      report: fc
        .array(
          fc.tuple(
            fc.constantFrom(
              "unit",
              "disk",
              "database",
              "rows",
              "deletions",
              "application",
              "changed",
              "loads",
              "environment",
              "lacks",
              "planted",
              "load",
              "memory",
              "end",
            ),
            fc.array(text),
          ),
        )
        .map((lines) =>
          parseHostReport(lines.map(([fact, values]) => [fact, ...values].join("\t")).join("\n")),
        ),
      clockOffsetSeconds: fc.option(number),
    }),
  );
  const facts = fc.record<Facts>({
    site: fc.constant(well.site),
    at: fc.oneof(fc.constant(well.at), text),
    names: fc.array(fc.record({ name: text, addresses: fc.array(text), error: fc.option(text) })),
    server: fc.record({
      address: fc.option(text),
      ping: fc.constantFrom("answers" as const, "silent" as const, "not-tried" as const),
      ports: fc.array(
        fc.record({
          port: fc.nat(),
          state: fc.constantFrom("open" as const, "refused" as const, "silent" as const),
        }),
      ),
    }),
    page: fc.record({
      expectedStatus: fc.option(fc.nat()),
      status: fc.option(fc.nat()),
      error: fc.option(text),
      phpError: fc.option(text),
      lacks: fc.option(text),
    }),
    certificate: fc.record({ error: fc.option(text), daysLeft: number }),
    login,
    stores: fc.array(
      fc.record({
        name: text,
        error: fc.option(text),
        points: fc.array(
          fc.record({ timeOfData: fc.option(text) }).map((changes) => ({ ...wholePoint, ...changes })),
        ),
      }),
    ),
  });
  fc.assert(
    fc.property(facts, (one) => {
      const assessment = assess(one, words);
      expect(assessmentReport(assessment)).toContain(assessment.verdict.title);
      const isBad = assessment.findings.some(({ level }) => level === "bad");
      expect(assessment.verdict.outcome === "wrong").toBe(isBad);
      expect(assessment.next.length).toBeGreaterThan(0);
    }),
  );
});

test("one screen: the verdict first, what is bad before what is well, then the points and what to do", () => {
  const lines = assessmentReport(assess(onHost({ databases: [corrupt], units: [] }), words)).split("\n");
  expect(lines[0]).toBe("club: Database corruption (P0, to be recovered within 2 h)");
  expect(lines[1]).toBe("  database club: it is damaged: Tree 5 page 7");
  expect(lines[3]).toMatch(/^bad {6}database club {12} +it is damaged/);
  expect(lines).toContain("complete  full_backup_20260301_080000 in disk, 2 h 0 min old");
  expect(lines.at(-8)).toBe("  2.1: stop what writes");
  expect(lines.length).toBeLessThan(35);
});
