import { age } from "../backups/age.ts";
import { formatBytes } from "../backups/format-bytes.ts";
import type { RestorePoint } from "../backups/restore-point.ts";
import { duration } from "../evidence/report.ts";
import type { Part } from "../runbook/server-failure.ts";
import type { FencingPlan } from "./fence.ts";
import { clockDiffers, type HostBeforeRebuild } from "./before-rebuild.ts";

/** All that an operator is shown before anything is done. */
export interface RebuildQuestion {
  site: { name: string; domain: string };
  /** What comes back alone, when not all of it. */
  only?: Part;
  resumed: boolean;
  host: { user: string; address: string; port: number; fingerprint: string; known: string };
  look: HostBeforeRebuild;
  /** The restore that is replaced, when the host was named twice. */
  over?: string;
  point: RestorePoint;
  /** That of the databases, where they are of a newer one. */
  databases?: RestorePoint;
  /** Newer points that were passed over. */
  passedOver: readonly string[];
  /** How long it took last time. */
  took: string;
  fencing: FencingPlan;
  /** The site's server, where the database that comes back has one of its own, and to what the site is led. */
  led?: { site: string; from: string; to: string };
  /** The database had a server of its own, and comes back on the site's host. */
  takesDatabase?: boolean;
  /** A line a name; what is to be changed. */
  dns: readonly string[];
  now: Date;
}

/** One screen, in the order in which it must be read: is it the right host, is it the right point, what is given up. Pure. */
export function rebuildScreen(question: RebuildQuestion): string {
  const { site, resumed, host, look, point, databases, now } = question;
  const what = question.only === undefined ? "" : `: the ${question.only} alone`;
  return [
    `${resumed ? "go on rebuilding" : "rebuild"} ${site.name} (${site.domain})${what}`,
    ...row("on", [
      `${host.user}@${host.address}${host.port === 22 ? "" : `:${host.port}`}, host key ${host.fingerprint} (${host.known})`,
      `${look.name}: ${look.system}, ${plural(look.cores, "core")}, ${formatBytes(look.memoryBytes)} of memory, ${formatBytes(look.freeDiskBytes)} free, up ${duration(look.upSeconds)}`,
      ...clock(look),
      ...holds(question),
      look.listening.length === 0 ? "nothing listens there" : `listening: ${look.listening.join(", ")}`,
      ...(look.lock ? [lockLine(look.lock)] : []),
    ]),
    ...row("from", [
      from(point),
      ...(databases ? [`its databases from ${from(databases)}`] : []),
      ...question.passedOver,
    ]),
    ...row("lost", [
      ...(databases
        ? [lost("the databases' rows", databases, now), lost("all else", point, now)]
        : [lost(given[question.only ?? "all"], point, now)]),
      ...kept(question.only),
      ...(question.takesDatabase === true
        ? ["the database comes back on this host too: what is on its own server is not used any more"]
        : []),
    ]),
    ...row("took", [question.took]),
    ...row(
      "led",
      question.led === undefined
        ? []
        : [
            `the site on ${question.led.site}, which looks for its database at ${question.led.from}: to ${question.led.to}, and started anew`,
          ],
    ),
    ...row("old", [
      question.led === undefined
        ? fencingLine(question.fencing)
        : "the old database server is left as it is; nothing of the site looks for it any more",
    ]),
    ...row("dns", question.dns),
  ].join("\n");
}

function row(name: string, lines: readonly string[]): string[] {
  return lines.map((line, index) => `  ${(index === 0 ? name : "").padEnd(5)} ${line}`);
}

function from({ id, store, state }: RestorePoint): string {
  return `${id} in ${store}, ${state}`;
}

const given: Record<Part | "all", string> = {
  all: "all",
  application: "uploads, data and configuration",
  database: "the database's rows",
};

function lost(what: string, { timeOfData }: RestorePoint, now: Date): string {
  const time = timeOfData ?? "unknown";
  return `${what} after ${moment(time)}: ${age(time, now)}`;
}

/** What is not touched, and where what is replaced can be found. */
function kept(only: Part | undefined): string[] {
  if (only === undefined) return [];
  const stays = only === "application" ? "the database stays as it is" : "all else stays as it is";
  return [`${stays}; what is replaced is set aside first`];
}

/** By one of the two clocks ages, certificates and the next look for signs of visitors are wrong. */
function clock(look: HostBeforeRebuild): string[] {
  const differs = clockDiffers(look);
  return differs === undefined ? [] : [`ITS CLOCK IS WRONG, or this one: it is ${differs}`];
}

/** What stands there of this site. */
function holds({ look, over }: RebuildQuestion): string[] {
  const { restored, servedSince } = look;
  if (!restored) {
    return [
      look.stands
        ? "SOMETHING IS AT THE SITE'S PLACE that no recovery put there"
        : "nothing of the site is there",
    ];
  }
  const there = `${look.finished ? "recovered" : "restored"} there from ${restored.pin.id}${restored.databases ? ` with the databases of ${restored.databases.id}` : ""} at ${moment(restored.at)}`;
  if (servedSince === undefined) return [`${there}; nobody was served since`];
  return [
    `${there}; SERVED SINCE: ${servedSince}`,
    ...(over === undefined ? [] : ["WHAT ITS USERS HAVE DONE THERE IS REPLACED, since you named it twice"]),
  ];
}

function lockLine({ id, who, why, since, busy }: NonNullable<HostBeforeRebuild["lock"]>): string {
  return `a run has it: ${id} of ${who}, since ${since}, to ${why}${busy.length > 0 ? `; ${busy.join(" ")} under way` : ""}`;
}

function fencingLine(fencing: FencingPlan): string {
  switch (fencing.how) {
    case "stop":
      return `${fencing.address}: nginx and workers are stopped there first, and disabled at boot`;
    case "said-to-be-off":
      return "is off, as you say";
    case "decided-before":
      return "this host has been the one that serves since an earlier recovery";
    case "this-host":
      return "none: the site is mended on the host that it is on";
    case "ask":
      return "NOT SAID: you are asked below whether it is off";
  }
}

/** To the second: 2026-03-01 02:00:00 UTC. */
function moment(time: string): string {
  return time.replace(/^(\S+)T(\d\d:\d\d:\d\d)(\.\d+)?Z$/, "$1 $2 UTC");
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
