import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { formatBytes } from "../../backups/format-bytes.ts";
import type { Fact, Facts } from "../../runbook/step.ts";
import type { RunRecord, StepRecord } from "../record.ts";
import { duration, source, watchLength } from "../report.ts";
import { timeline, type Part, type Timeline } from "../timeline.ts";
import { barKindOf, ownWork, timelineFigure, type BarKind } from "./figure.ts";
import { html, trusted, type Html } from "./html.ts";

/**
 * The record of a run as one page, run.html, to be read at 3 in the morning and kept for years: it asks nobody for
 * anything, runs no script, and takes whatever stands in the record for text.
 */
export async function runPage(record: RunRecord): Promise<string> {
  const style = await readFile(new URL("page.css", import.meta.url), "utf8");
  const styleHash = createHash("sha256").update(style).digest("base64");
  const { headline } = verdictOf(record);
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta
          http-equiv="Content-Security-Policy"
          content="default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'"
        />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="referrer" content="no-referrer" />
        <title>${headline}: ${record.kind} of ${record.site}, ${minute(record.startedAt)}</title>
        ${trusted(`<style>${style}</style>`)}
      </head>
      <body>
        <main>
          ${verdict(record)} ${whatNext(record)} ${circumstances(record)} ${objectives(record)}
          ${whereTimeWent(timeline(record))} ${checks(record)} ${watch(record)} ${steps(record)}
          ${notes(record)}
        </main>
        <footer>
          <p>
            Run <code>${record.run}</code>, recovery-stack ${record.tool.version}. Made from
            <code>run.json</code>, which lies beside this page. Times are UTC.
          </p>
        </footer>
      </body>
    </html> `;
  return page.toString();
}

interface Verdict {
  /** Class of the heading; its mark and its words say the same. */
  tone: "good" | "warn" | "bad";
  mark: string;
  headline: string;
  lead: string;
}

function verdictOf(record: RunRecord): Verdict {
  const { outcome, recoveredAt, servingAt, startedAt } = record;
  const site = record.only === undefined ? record.site : `The ${record.only} of ${record.site}`;
  if (outcome === "interrupted") {
    return {
      tone: "bad",
      mark: "■",
      headline: "Interrupted, not recovered",
      lead: `${site} was not brought back: the run was ended before its time, after ${between(startedAt, record.endedAt)}.`,
    };
  }
  if (outcome === "failed" || recoveredAt === null) {
    return {
      tone: "bad",
      mark: "✘",
      headline: "NOT RECOVERED",
      lead: `${site} was not brought back. The run ended after ${between(startedAt, record.endedAt)}.`,
    };
  }
  const serving = servingAt === null ? "" : `, serving after ${between(startedAt, servingAt)}`;
  const lead = `${site} came back from ${source(record)} in ${between(startedAt, recoveredAt)}${serving}.`;
  const missed = record.objectives.filter(({ met }) => !met).length;
  if (missed > 0) {
    const headline = `Recovered, but ${missed === 1 ? "an objective was" : `${missed} objectives were`} missed`;
    return { tone: "warn", mark: "!", headline, lead };
  }
  if (record.watch && record.watch.errors.length > 0) {
    return { tone: "warn", mark: "!", headline: "Recovered, but not quiet afterwards", lead };
  }
  return { tone: "good", mark: "✔", headline: "Recovered", lead };
}

function verdict(record: RunRecord): Html {
  const { tone, mark, headline, lead } = verdictOf(record);
  const kind = record.kind === "drill" ? "Drill" : "Rebuild";
  return html`<header class="verdict ${tone}">
    <p class="which">
      ${kind} of ${record.site}${record.only === undefined ? "" : `, the ${record.only} alone`},
      ${minute(record.startedAt)}
    </p>
    <h1><span class="mark" aria-hidden="true">${mark}</span> ${headline}</h1>
    <p class="lead">${lead}</p>
  </header>`;
}

/** An option of a command: broken after its dashes it would be typed wrongly. */
const option = /(--[a-z][a-z-]*)/;

function whatNext({ error }: RunRecord): Html | null {
  if (error === undefined) return null;
  return html`<section class="next">
    <h2>What to do next</h2>
    <p class="do">
      ${error.next.split(option).map((text, index) => (index % 2 === 0 ? html`${text}` : html`<span class="whole">${text}</span>`))}
    </p>
    <dl>
      <dt>What happened</dt>
      <dd>${told(error.what)}</dd>
      <dt>Why</dt>
      <dd>${told(error.why)}</dd>
    </dl>
  </section>`;
}

function circumstances(record: RunRecord): Html {
  const { point, databases, host, tool, startedAt, endedAt } = record;
  const dataOf = (dataTime: string): Html => {
    const dataAge = (Date.parse(startedAt) - Date.parse(dataTime)) / 1000;
    return html`${second(dataTime)}<span class="aside"
        >${duration(Math.max(0, dataAge))} before the start</span
      >`;
  };
  const rows: [string, Html][] = [
    ["When", html`${second(startedAt)} to ${clock(endedAt)}`],
    ["Data of", dataOf(point.dataTime)],
    [
      "Restore point",
      html`<code>${point.id}</code>
        <span class="aside"
          >in ${point.store}, ${formatBytes(point.storedBytes)}, sha256 <code>${point.sha256}</code></span
        >`,
    ],
    ...(databases
      ? ([
          ["Databases of", dataOf(databases.dataTime)],
          [
            "Their point",
            html`<code>${databases.id}</code>
              <span class="aside">in ${databases.store}, ${formatBytes(databases.storedBytes)}</span>`,
          ],
        ] satisfies [string, Html][])
      : []),
    [
      "Host",
      html`<code>${host.address}</code>
        <span class="aside">key <code>${host.hostKeyFingerprint}</code></span>`,
    ],
    ...(record.fencing ? [["Old server", oldServer(record.fencing)] as [string, Html]] : []),
    ["Carried out", carriedOut(tool)],
    ["Prepared", html`in ${duration(record.preparationSeconds)}, before the clock started`],
  ];
  return html`<section>
    <h2>The run</h2>
    <dl class="facts">
      ${rows.map(
        ([name, value]) =>
          html`<dt>${name}</dt>
            <dd>${value}</dd>`,
      )}
    </dl>
  </section>`;
}

function carriedOut({ executor, engine, commandPlugin }: RunRecord["tool"]): Html {
  if (executor === "direct") return html`directly, over ssh`;
  return html`by Pulumi ${engine} <span class="aside">command plugin: ${commandPlugin}</span>`;
}

function oldServer({ how, address, who, at, units }: NonNullable<RunRecord["fencing"]>): Html {
  const name = address === undefined ? null : html`<code>${address}</code> `;
  switch (how) {
    case "stopped":
      return html`${name}${good("stopped by this run")}, at ${clock(at)}
        <span class="aside"
          >${units.map(({ unit, before, after }) => `${unit}: was ${before}; is ${after}`).join(" · ")}</span
        >`;
    case "said-to-be-off":
      return html`${name}off, as ${who} said at ${clock(at)}
        <span class="aside">this run has not seen it</span>`;
    case "decided-before":
      return html`${name}not asked for
        <span class="aside">an earlier recovery came to its end on this host</span>`;
  }
}

function objectives(record: RunRecord): Html {
  return html`<section>
    <h2>Objectives</h2>
    <table class="objectives">
      <thead>
        <tr>
          <th scope="col">Objective</th>
          <th scope="col" class="number">Measured</th>
          <th scope="col" class="number">Allowed</th>
          <th scope="col" class="wide-only"><span class="unseen">Share of what is allowed</span></th>
          <th scope="col">Result</th>
        </tr>
      </thead>
      <tbody>
        ${record.objectives.map(
          ({ name, seconds, objectiveSeconds, met }) =>
            html`<tr>
              <th scope="row">${objectiveTitle(name)}</th>
              <td class="number">${seconds === null ? "not reached" : duration(seconds)}</td>
              <td class="number">${duration(objectiveSeconds)}</td>
              <td class="wide-only">${seconds === null ? null : share(seconds, objectiveSeconds, met)}</td>
              <td>${met ? good("met") : bad("MISSED")}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </section>`;
}

/** As an owner would say it; the record's own word stands behind. */
function objectiveTitle(name: string): string {
  if (name === "rto") return "Time to recover (RTO)";
  return name.startsWith("rpo ") ? `Data lost: ${name.slice("rpo ".length)} (RPO)` : name;
}

function share(seconds: number, allowed: number, met: boolean): Html {
  const used = allowed > 0 ? Math.min(100, (seconds / allowed) * 100) : 100;
  return html`<svg
    class="share ${met ? "met" : "missed"}"
    viewBox="0 0 100 8"
    preserveAspectRatio="none"
    aria-hidden="true"
  >
    <rect class="allowed" width="100" height="8" />
    <rect class="used" width="${Math.max(1, used)}" height="8" />
  </svg>`;
}

function whereTimeWent(times: Timeline): Html {
  return html`<section>
    <h2>Where the time went</h2>
    ${key(times)}
    <figure>${timelineFigure(times)}</figure>
    ${times.outside.length === 0 ? null : html`<p class="hint">${clockHint(times)}</p>`} ${account(times)}
  </section>`;
}

function clockHint({ outside }: Timeline): string {
  return `By the host's clock these steps lie outside of this run: ${outside.join(", ")}. They were done before it, or that clock is not this computer's.`;
}

type Look = BarKind | "way" | "budget";

/** What the marks of the timeline mean; of those that it has. */
function key({ steps, parts }: Timeline): Html {
  const has = (kind: BarKind) => steps.some((span) => barKindOf(span) === kind);
  const meanings: [boolean, Look, string][] = [
    [has("critical"), "critical", "critical path: what the end waited for"],
    [has("beside"), "beside", "step beside it"],
    [has("failed"), "failed", "step that failed"],
    [true, "own", "the run itself"],
    [parts.some(({ kind }) => kind === "between"), "way", "between two steps"],
    [steps.some(({ step, from, to }) => to - from > step.budgetSeconds), "budget", "budget used up"],
  ];
  return html`<ul class="key">
    ${meanings.flatMap(([there, look, meaning]) => (there ? [html`<li>${swatch(look)} ${meaning}</li>`] : []))}
  </ul>`;
}

/** A bar as it is in the timeline, whose patterns are its own. */
function swatch(look: Look): Html {
  const texture: Partial<Record<Look, string>> = {
    own: "M2,11l10,-10M9,11l10,-10",
    failed: "M2,11l10,-10M9,11l10,-10M2,1l10,10M9,1l10,10",
  };
  const mark =
    look === "way"
      ? html`<line x1="0" x2="22" y1="6" y2="6" />`
      : look === "budget"
        ? html`<line x1="11" x2="11" y1="0" y2="12" />`
        : html`<rect x="1" y="1" width="20" height="10" rx="1.5" /><path d="${texture[look] ?? ""}" />`;
  return html`<svg class="swatch" viewBox="0 0 22 12" aria-hidden="true">
    <g class="bar ${look}">${mark}</g>
  </svg>`;
}

/** All parts of the time, like ones together: what they took adds up to the whole. */
function account({ parts, seconds }: Timeline): Html {
  const taken = new Map<string, { look: Look; seconds: number }>();
  for (const part of parts) {
    const { title, look } = accountLine(part);
    const before = taken.get(title)?.seconds ?? 0;
    taken.set(title, { look, seconds: before + part.to - part.from });
  }
  const share = (of: number) => `${seconds === 0 ? 0 : Math.round((of / seconds) * 100)} %`;
  return html`<table class="account">
    <caption>
      The whole time, along the critical path
    </caption>
    <thead>
      <tr>
        <th scope="col">Part</th>
        <th scope="col" class="number">Took</th>
        <th scope="col" class="number">Share</th>
      </tr>
    </thead>
    <tbody>
      ${[...taken].map(
        ([title, line]) =>
          html`<tr>
            <th scope="row">${swatch(line.look)} ${title}</th>
            <td class="number">${duration(line.seconds)}</td>
            <td class="number">${share(line.seconds)}</td>
          </tr>`,
      )}
    </tbody>
    <tfoot>
      <tr>
        <th scope="row">From the start of the clock to the end of the run</th>
        <td class="number">${duration(seconds)}</td>
        <td class="number">${share(seconds)}</td>
      </tr>
    </tfoot>
  </table>`;
}

function accountLine({ kind }: Part): { title: string; look: Look } {
  if (kind === "step") return { title: "Steps of the critical path", look: "critical" };
  if (kind === "between") return { title: "From each of them to the next", look: "way" };
  return { title: ownWork[kind], look: "own" };
}

function checks({ checks }: RunRecord): Html {
  const failed = checks.filter(({ ok }) => !ok);
  const passed = checks.filter(({ ok }) => ok);
  const summary =
    checks.length === 0
      ? "None were asked."
      : failed.length === 0
        ? `All ${checks.length} passed.`
        : `${failed.length} of ${checks.length} failed.`;
  return html`<section>
    <h2>Checks</h2>
    <p>${summary}</p>
    ${
      checks.length === 0
        ? null
        : html`<table class="checks">
            <thead>
              <tr>
                <th scope="col">Check</th>
                <th scope="col">Expected</th>
                <th scope="col">Seen</th>
                <th scope="col">Result</th>
              </tr>
            </thead>
            <tbody>
              ${[...failed, ...passed].map(
                ({ title, expected, seen, ok }) =>
                  html`<tr>
                    <th scope="row">${title}</th>
                    <td>${told(expected)}</td>
                    <td>${told(seen)}</td>
                    <td>${ok ? good("ok") : bad("FAILED")}</td>
                  </tr>`,
              )}
            </tbody>
          </table>`
    }
  </section>`;
}

/** Runbook 1.13. */
function watch({ watch }: RunRecord): Html | null {
  if (watch === undefined) return null;
  const { errors, looks, of } = watch;
  const looked = `${looks} ${looks === 1 ? "look" : "looks"} at: ${of.join(", ")}.`;
  return html`<section class="watch">
    <h2>The watch</h2>
    <p>
      ${errors.length === 0 ? good("Nothing new") : bad(`${errors.length} seen`)} after it was recovered,
      watched for ${watchLength(watch)}.
    </p>
    ${
      errors.length === 0
        ? null
        : html`<ul class="notes">
            ${errors.map((error) => html`<li>${told(error)}</li>`)}
          </ul>`
    }
    <p class="hint">${looked} Its time is no part of the time to recover.</p>
  </section>`;
}

function steps({ steps, startedAt }: RunRecord): Html {
  const told = steps.filter(({ facts, error }) => error !== undefined || Object.keys(facts).length > 0);
  return html`<section>
    <h2>Steps</h2>
    <table class="steps">
      <thead>
        <tr>
          <th scope="col"><abbr title="Scenario and step of the runbook">No.</abbr></th>
          <th scope="col">Step</th>
          <th scope="col" class="number wide-only">Begun after</th>
          <th scope="col" class="number">Took</th>
          <th scope="col" class="number">Budget</th>
          <th scope="col">Result</th>
        </tr>
      </thead>
      <tbody>
        ${steps.map(
          (step) =>
            html`<tr>
              <td>${step.runbook}</td>
              <th scope="row">${step.title}</th>
              <td class="number wide-only">
                ${step.startedAt === null ? "" : between(startedAt, step.startedAt)}
              </td>
              <td class="number">${step.seconds === null ? "" : duration(step.seconds)}</td>
              <td class="number">${duration(step.budgetSeconds)}</td>
              <td>${stepResult(step)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
    ${told.length === 0 ? null : html`<h3>What they found</h3>`} ${told.map(stepDetails)}
  </section>`;
}

function stepResult({ outcome, seconds, budgetSeconds }: StepRecord): Html {
  switch (outcome) {
    case "failed":
      return bad("FAILED");
    case "timed-out":
      return bad("TIMED OUT");
    case "not-run":
      return html`<span class="result">not run</span>`;
    case "done":
    case "already-done":
      if (seconds !== null && seconds > budgetSeconds)
        return html`<span class="result warn">! over budget</span>`;
      return good(outcome === "done" ? "done" : "done before");
  }
}

function stepDetails({ runbook, title, facts, error }: StepRecord): Html {
  return html`<details${error === undefined ? null : trusted(" open")}>
    <summary>${runbook} ${title}</summary>
    ${error === undefined ? null : factList({ "what happened": error.what, why: error.why, next: error.next })}
    ${Object.keys(facts).length === 0 ? null : factList(facts)}
  </details>`;
}

function factList(facts: Facts): Html {
  return html`<dl class="facts">
    ${Object.entries(facts).map(
      ([name, value]) =>
        html`<dt>${name}</dt>
          <dd>${factValue(name, value)}</dd>`,
    )}
  </dl>`;
}

function factValue(name: string, value: Fact): Html {
  if (typeof value === "number" && /bytes$/i.test(name)) return html`${formatBytes(value)}`;
  if (typeof value !== "object" || value === null) return told(String(value));
  if (!Array.isArray(value)) return factList(value);
  return html`<ul>
    ${value.map((one) => html`<li>${oneOfList(one)}</li>`)}
  </ul>`;
}

/** An object in a list on one line: such lists are long. */
function oneOfList(value: Fact): Html {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return factValue("", value);
  return html`${Object.entries(value)
    .map(([name, one]) => `${name} ${typeof one === "string" ? one : JSON.stringify(one)}`)
    .join(" · ")}`;
}

function notes({ notes }: RunRecord): Html | null {
  if (notes.length === 0) return null;
  return html`<section>
    <h2>Notes</h2>
    <ul class="notes">
      ${notes.map((note) => html`<li>${note}</li>`)}
    </ul>
  </section>`;
}

/** Text with line ends of its own. */
function told(text: string): Html {
  return html`<span class="told">${text}</span>`;
}

function good(word: string): Html {
  return html`<span class="result good">✔ ${word}</span>`;
}

function bad(word: string): Html {
  return html`<span class="result bad">✘ ${word}</span>`;
}

function between(from: string, to: string): string {
  const seconds = Math.round((Date.parse(to) - Date.parse(from)) / 100) / 10;
  return seconds < 0 ? `-${duration(-seconds)}` : duration(seconds);
}

const day = { timeZone: "UTC", day: "numeric", month: "long", year: "numeric" } as const;
const hourAndMinute = { timeZone: "UTC", hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;

function minute(moment: string): string {
  return `${new Date(moment).toLocaleDateString("en-GB", day)}, ${new Date(moment).toLocaleTimeString("en-GB", hourAndMinute)} UTC`;
}

function second(moment: string): string {
  return `${new Date(moment).toLocaleDateString("en-GB", day)}, ${clock(moment)}`;
}

function clock(moment: string): string {
  return `${new Date(moment).toLocaleTimeString("en-GB", { ...hourAndMinute, second: "2-digit" })} UTC`;
}
