import type { RestorePoint } from "../backups/restore-point.ts";
import type { Site } from "../site/schema.ts";
import type { Facts, PageFacts } from "./facts.ts";
import type { HostReport } from "./host-report.ts";
import type { DisasterScenario } from "./scenario.ts";

/** One thing that was looked at, and what it says. */
export interface Finding {
  subject: string;
  /** `unknown`: it could not be seen, which is not the same as well. */
  level: "ok" | "warn" | "bad" | "unknown";
  seen: string;
  /** What a bad one is a sign of; none of the runbook's scenarios without. */
  suggests?: DisasterScenario;
}

/** Everything that the facts say, in the order in which it was looked at. Pure; never throws. */
export function findings(facts: Facts): Finding[] {
  return [
    ...facts.names.map((one) => nameFinding(one, facts)),
    serverFinding(facts),
    ...instanceFindings(facts),
    ...pageFindings(facts),
    ...certificateFindings(facts),
    ...loginFindings(facts),
    ...(facts.login.state === "seen" ? hostFindings(facts.site, facts.login.report) : []),
    ...backupFindings(facts),
  ];
}

const ok = (subject: string, seen: string): Finding => ({ subject, level: "ok", seen });
const warn = (subject: string, seen: string): Finding => ({ subject, level: "warn", seen });
const unknown = (subject: string, seen: string): Finding => ({ subject, level: "unknown", seen });
const bad = (subject: string, seen: string, suggests?: DisasterScenario): Finding => ({
  subject,
  level: "bad",
  seen,
  ...(suggests === undefined ? {} : { suggests }),
});

function nameFinding({ name, addresses, error }: Facts["names"][number], { server }: Facts): Finding {
  const subject = `DNS of ${name}`;
  if (error !== null) return bad(subject, error);
  const shown = addresses.join(", ");
  return server.address === null || addresses.includes(server.address) || !/^[\d.]+$|:/.test(server.address)
    ? ok(subject, shown)
    : warn(subject, `${shown}, and not ${server.address}`);
}

/** What the cloud says: a server that it has not, or whose hardware fails, comes back by no patience. */
function instanceFindings({ instance }: Facts): Finding[] {
  if (instance === undefined) return [];
  const subject = `server ${instance.id} at AWS`;
  if ("error" in instance) return [unknown(subject, instance.error)];
  const { state, checks } = instance;
  const seen = `${state}; AWS' checks: of its hardware ${checks.system}, of the server ${checks.instance}`;
  if (["shutting-down", "terminated", "stopping", "stopped"].includes(state)) {
    return [bad(subject, seen, "complete-failure")];
  }
  if (checks.system === "impaired") return [bad(subject, seen, "complete-failure")];
  if (checks.instance === "impaired") return [bad(subject, seen)];
  return [state === "running" && checks.system === "ok" ? ok(subject, seen) : warn(subject, seen)];
}

/** Whether anything at all was heard of the server. */
function isAlive({ server, page, login }: Facts): boolean {
  return (
    login.state === "seen" ||
    (login.state === "failed" && (login.kind === "not-let-in" || login.kind === "other-key")) ||
    server.ping === "answers" ||
    server.ports.some(({ state }) => state === "open" || state === "refused") ||
    (page !== undefined && page.status !== null)
  );
}

function serverFinding(facts: Facts): Finding {
  const { address, ping, ports } = facts.server;
  const subject = address === null ? "server" : `server ${address}`;
  if (address === null)
    return unknown(subject, "nothing says where it is: DNS does not, and --host was not given");
  const seen = [
    ...(ping === "not-tried" ? [] : [`ping ${ping}`]),
    ...ports.map(({ port, state }) => `port ${port} ${state}`),
  ].join(", ");
  if (!isAlive(facts)) return bad(subject, `nothing answers: ${seen}`, "complete-failure");
  return ports.every(({ state }) => state === "open") ? ok(subject, seen) : warn(subject, seen);
}

function pageFindings({ page }: Facts): Finding[] {
  if (page === undefined) return [];
  const problem = problemOf(page);
  return problem === null
    ? [ok("front page", `status ${page.status ?? "none"}`)]
    : [bad("front page", problem, "application-server-failure")];
}

function problemOf({ status, expectedStatus, error, phpError, lacks }: PageFacts): string | null {
  if (status === null) return error ?? "no answer";
  if (phpError !== null) return `status ${status}, and in it: ${phpError}`;
  if (expectedStatus === null ? status >= 500 : status !== expectedStatus)
    return `status ${status}, not ${expectedStatus ?? "below 500"}`;
  return lacks === null ? null : `status ${status}, without the text: ${lacks}`;
}

function certificateFindings({ certificate, site }: Facts): Finding[] {
  if (certificate === undefined) return [];
  const { error, daysLeft } = certificate;
  const subject = `certificate of ${site.domain}`;
  const left = daysLeft < 0 ? `expired ${-daysLeft} d ago` : `${daysLeft} d left`;
  if (error !== null) return [bad(subject, `${error}; ${left}`)];
  // certbot renews 30 days before the end: with fewer left, it does not.
  return [daysLeft < 14 ? warn(subject, `${left}: it is not renewed`) : ok(subject, left)];
}

function loginFindings(facts: Facts): Finding[] {
  const { login, page } = facts;
  switch (login.state) {
    case "not-asked":
      return [unknown("the host itself", "not looked at: give --host and --host-key")];
    case "seen":
      return [];
    case "failed":
      if (login.kind === "other-key") return [bad("ssh", login.why, "compromise")];
      if (login.kind === "no-answer" && isAlive(facts) && page?.status == null)
        return [bad("ssh", login.why, "complete-failure")];
      return [unknown("the host itself", login.why)];
  }
}

function hostFindings(site: Site, report: HostReport): Finding[] {
  return [
    ...(report.complete ? [] : [unknown("the host itself", "it took too long: not everything was seen")]),
    ...unitFindings(report),
    ...databaseFindings(site, report),
    ...applicationFindings(site, report),
    ...configurationFindings(site, report),
    ...machineFindings(report),
    ...report.errors.map(({ place, line }) => warn(place, line)),
  ];
}

function unitFindings({ units, recovering }: HostReport): Finding[] {
  const running = units.filter(({ active, enabled }) => active === "active" && enabled === "enabled");
  return [
    ...(recovering === "" ? [] : [warn("recovery", `one is under way on this host: ${recovering}`)]),
    ...units.flatMap((one) => {
      if (running.includes(one)) return [];
      const { unit, active, enabled, said } = one;
      if (active === "active") return [warn(unit, `active, but ${enabled || "not enabled"} at boot`)];
      if (active === "unknown") return [unknown(unit, "systemd does not answer")];
      const seen = said === "" ? active : `${active}; it said: ${said}`;
      return [
        bad(unit, seen, isOfConfiguration(said) ? "configuration-error" : "application-server-failure"),
      ];
    }),
    // They are looked at side by side, and told in any order.
    ...(running.length === 0
      ? []
      : [
          ok(
            "units",
            running
              .map(({ unit }) => unit)
              .sort()
              .join(", "),
          ),
        ]),
  ];
}

/** nginx and PHP-FPM refuse a file that they cannot read; a full disk or a port that is taken is another matter. */
function isOfConfiguration(said: string): boolean {
  return (
    /\[emerg\]|failed to (parse|load|post process) (the )?config/i.test(said) &&
    !/bind\(\)|No space/.test(said)
  );
}

function databaseFindings(site: Site, report: HostReport): Finding[] {
  const states: Record<string, string> = {
    missing: "it is not there",
    empty: "it is empty",
    corrupt: "it is damaged",
  };
  return [
    ...report.databases.map(({ name, state, said }) => {
      const subject = `database ${name}`;
      if (state === "ok") return ok(subject, said || "quick_check found nothing");
      if (state === "down") {
        return bad(subject, `its server does not answer: ${said}`, "database-server-failure");
      }
      if (state === "refused") {
        return bad(subject, `its server does not let the site in: ${said}`, "configuration-error");
      }
      const lost = Object.hasOwn(states, state) ? states[state] : undefined;
      return lost === undefined
        ? unknown(subject, said || "it could not be looked at")
        : bad(subject, said === "" ? lost : `${lost}: ${said}`, "database-corruption");
    }),
    ...report.rows.map(({ database, table, count, said, restored }) => {
      const subject = `rows of ${table}`;
      const least = site.checks.find(
        (check) => check.kind === "rows" && check.database === database && check.table === table,
      );
      const minimum = least?.kind === "rows" ? least.minimum : 0;
      if (count === null) return bad(subject, said || "they cannot be counted", "data-deletion");
      if (count < minimum) return bad(subject, `${count}, and there should be ${minimum}`, "data-deletion");
      return restored !== null && count < restored
        ? warn(subject, `${count}, and there were ${restored} when it was restored`)
        : ok(subject, String(count));
    }),
    ...report.deletions.map(({ database, count, latest }) =>
      count > 0
        ? warn(`audit log of ${database}`, `${count} deletions in the last day, the last at ${latest}`)
        : ok(`audit log of ${database}`, "no deletion in the last day"),
    ),
    ...report.missing
      .filter((folder) => folder !== site.application.path)
      .map((folder) => bad(folder, "the folder is not there", "data-deletion")),
  ];
}

const code = /\.(php\d?|phtml|phar|inc)$|(^|\/)(\.htaccess|\.user\.ini)$/i;

function applicationFindings(site: Site, report: HostReport): Finding[] {
  const { application, changed, planted } = report;
  const { revision, path } = site.application;
  const mayDiffer = new Set([
    ...site.configuration.files,
    site.configuration.environmentFile,
    ...(site.configuration.load === undefined ? [] : [site.configuration.load]),
  ]);
  const all: Finding[] = planted.map((file) => bad(file, "a program among what visitors send", "compromise"));
  const strange = changed.filter(({ path: file }) => code.test(file) && !mayDiffer.has(file));
  for (const { status, path: file } of strange) {
    if (status === "??") all.push(bad(file, "a program that is in no revision", "compromise"));
    else if (status.includes("D"))
      all.push(bad(file, "deleted from the application", "application-server-failure"));
    else all.push(bad(file, "not as in its revision: changed by hand, or by who broke in", "compromise"));
  }
  switch (application?.state) {
    case undefined:
      return all;
    case "git": {
      const { commit, tags, changes } = application;
      const others = changes - strange.length;
      if (others > 0) all.push(warn("application", `${others} other files differ from its revision`));
      all.push(
        commit === revision || tags.includes(revision)
          ? ok("application", `at ${revision}`)
          : warn(
              "application",
              `at ${[commit.slice(0, 12), ...tags].join(" ")}, and site.yaml names ${revision}`,
            ),
      );
      return all;
    }
    case "missing":
      return [...all, bad("application", `${path} is not there`, "complete-failure")];
    case "no-git":
      return [...all, unknown("application", "it is no git checkout: its files are compared with nothing")];
    default:
      return [...all, unknown("application", "git could not compare its files")];
  }
}

function configurationFindings(site: Site, { environment, lacks, loads }: HostReport): Finding[] {
  const file = site.configuration.environmentFile;
  const load = site.configuration.load ?? "";
  const broken = (subject: string, seen: string) => bad(subject, seen, "configuration-error");
  return [
    ...(environment === "missing" ? [broken(file, "it is not there")] : []),
    ...(lacks.length > 0 ? [broken(file, `lacks ${lacks.join(", ")}`)] : []),
    ...(environment === "there" && lacks.length === 0 ? [ok(file, "all required variables are there")] : []),
    ...(loads?.state === "ok" ? [ok(load, "PHP can read it")] : []),
    ...(loads?.state === "missing" ? [broken(load, "it is not there")] : []),
    ...(loads?.state === "broken" ? [broken(load, loads.said || "PHP cannot read it")] : []),
    ...(loads?.state === "unread" ? [unknown(load, loads.said)] : []),
  ];
}

function machineFindings(report: HostReport): Finding[] {
  const { disks, diskSilent, memory, memoryKills, load } = report;
  const percent = (part: number, whole: number) => Math.floor((part / whole) * 100);
  const full = "application-server-failure";
  const tight = disks.flatMap(({ mount, bytes, freeBytes, inodes, freeInodes }) => {
    const free = percent(freeBytes, bytes);
    const freeNames = inodes > 0 ? percent(freeInodes, inodes) : 100;
    const seen = `${free} % of ${megabytes(bytes)} free${freeNames < 10 ? `, ${freeNames} % of its inodes` : ""}`;
    if (free < 2 || freeNames < 2) return [bad(`disk ${mount}`, seen, full)];
    return free < 10 || freeNames < 10 ? [warn(`disk ${mount}`, seen)] : [];
  });
  const least = Math.min(...disks.map(({ bytes, freeBytes }) => percent(freeBytes, bytes)));
  const small = memory !== null && percent(memory.availableBytes, memory.totalBytes) < 5;
  return [
    ...(diskSilent ? [bad("disk", "one does not answer: an unreachable network disk?", full)] : tight),
    ...(tight.length === 0 && !diskSilent && disks.length > 0
      ? [ok("disks", `at least ${least} % free`)]
      : []),
    ...(memory === null
      ? []
      : [
          (small ? warn : ok)(
            "memory",
            `${megabytes(memory.availableBytes)} of ${megabytes(memory.totalBytes)} available`,
          ),
        ]),
    ...(memoryKills > 0
      ? [warn("memory", `${memoryKills} processes were ended for want of it in the last day`)]
      : []),
    ...(load !== null
      ? [(load.oneMinute > 4 * load.cores ? warn : ok)("load", `${load.oneMinute} on ${load.cores} cores`)]
      : []),
  ];
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 ** 2)} MiB`;
}

function backupFindings({ stores, site, at, login }: Facts): Finding[] {
  const points = stores.flatMap((store) => store.points).filter(isWhole);
  const newest = Math.max(...points.map(({ timeOfData }) => Date.parse(timeOfData ?? "")));
  const late = Date.parse(at) - newest > site.objectives.rpo.database * 1000;
  const offset = login.state === "seen" ? login.clockOffsetSeconds : null;
  return [
    ...(offset !== null && Math.abs(offset) > 60
      ? [
          warn(
            "clock",
            `${Math.round(Math.abs(offset))} s ${offset > 0 ? "ahead of" : "behind"} this computer's`,
          ),
        ]
      : []),
    ...stores.flatMap(({ name, error }) => (error === null ? [] : [bad(`store ${name}`, error)])),
    points.length === 0
      ? bad("restore points", "there is none that can be restored")
      : (late ? warn : ok)(
          "restore points",
          `${points.length} that can be restored${late ? "; the newest is older than its objective allows" : ""}`,
        ),
  ];
}

function isWhole({ kind, state, timeOfData }: RestorePoint): boolean {
  return kind === "full" && ["complete", "readable", "proven"].includes(state) && timeOfData !== null;
}
