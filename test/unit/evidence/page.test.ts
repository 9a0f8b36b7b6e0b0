import { createHash } from "node:crypto";
import { parseHTML } from "linkedom";
import { describe, expect, test } from "vitest";
import { runPage } from "../../../evidence/page/page.ts";
import type { RunRecord } from "../../../evidence/record.ts";
import { failed, hostile, recovered, sideBySide, watched } from "./records.ts";

/** What is read here of a page: its types are those of a browser, which this project does not have. */
interface Element {
  textContent: string;
  querySelectorAll: (selector: string) => Element[];
  getAttribute: (name: string) => string | null;
}

async function opened(record: RunRecord) {
  const page = await runPage(record);
  const { document } = parseHTML(page) as unknown as { document: Element };
  const all = (selector: string) => [...document.querySelectorAll(selector)];
  const text = (selector: string) =>
    all(selector).map((element) => element.textContent.replaceAll(/\s+/g, " ").trim());
  return { page, all, text };
}

const met: RunRecord = {
  ...sideBySide,
  objectives: sideBySide.objectives.map((one) => ({ ...one, met: true })),
};

test.each<[string, RunRecord, string]>([
  ["recovered", met, "✔ Recovered"],
  ["recovered too late", recovered, "! Recovered, but an objective was missed"],
  ["recovered, with errors while it was watched", watched, "! Recovered, but not quiet afterwards"],
  ["failed", failed, "✘ NOT RECOVERED"],
  ["interrupted", { ...failed, outcome: "interrupted" }, "■ Interrupted, not recovered"],
])("the verdict of a run that is %s stands first, in words", async (_, record, verdict) => {
  const { text } = await opened(record);
  expect(text("h1, h2, h3")[0]).toBe(verdict);
  expect(text("title")[0]).toContain(verdict.slice(2));
});

test("after a failure comes what to do next, then what happened and why", async () => {
  const { text } = await opened(failed);
  expect(text("h1, h2")[1]).toBe("What to do next");
  expect(text(".next p")).toEqual(["choose another restore point"]);
  expect(text(".next dd")).toEqual([
    "Everything put in place: the database is damaged",
    "integrity_check said: row 3 missing",
  ]);
  expect((await opened(met)).text(".next")).toEqual([]);
});

test("point, time of its data, host, objectives, and steps with what they found are told", async () => {
  const { text } = await opened(failed);
  const told = text("main").join(" ");
  for (const part of [
    "full_backup_20260301_020000",
    "1 March 2026, 02:00:00 UTC",
    "6 h before the start",
    "10.0.0.2",
    "SHA256:x",
  ])
    expect(told).toContain(part);
  expect(text(".objectives tbody tr")).toEqual([
    "Time to recover (RTO) not reached 4 h ✘ MISSED",
    "Data lost: database (RPO) 6 h 6 h ✔ met",
  ]);
  expect(text(".steps tbody tr")).toEqual([
    "1.2 Server fit 1 s 0.8 s 30 min ✔ done",
    "1.6 Everything put in place 2 s 3 min 20 s 15 min ✘ FAILED",
    "1.11 Checks 10 min not run",
  ]);
  expect(text("details dt, details dd")).toEqual([
    "what happened",
    "the database is damaged",
    "why",
    "row 3 missing",
    "next",
    "choose another",
    "rows",
    "3",
  ]);
});

test("what carried the steps out is told, with an engine and without", async () => {
  const carriedOut = async (record: RunRecord) =>
    (await opened(record)).text("section > .facts dd").find((told) => /Pulumi|ssh/.test(told));
  expect(await carriedOut(recovered)).toBe("by Pulumi 3.259.0 (PATH) command plugin: ours");
  const tool = { version: "0.1.0", executor: "direct" as const, engine: null, commandPlugin: null };
  expect(await carriedOut({ ...recovered, tool })).toBe("directly, over ssh");
});

test("checks that failed come before those that passed, with what was expected and seen", async () => {
  const checks = [
    { title: "first", ok: true, expected: "1", seen: "1" },
    { title: "second", ok: false, expected: "status 200", seen: "status 502" },
  ];
  const { text } = await opened({ ...failed, checks });
  expect(text(".checks tbody tr")).toEqual(["second status 200 status 502 ✘ FAILED", "first 1 1 ✔ ok"]);
});

/** What stands beside a name among the facts of the run. */
async function fact(record: RunRecord, name: string): Promise<string | undefined> {
  const { text } = await opened(record);
  return text("dd")[text("dt").indexOf(name)];
}

test.each<[string, Pick<RunRecord, "fencing">, string | undefined]>([
  [
    "was stopped",
    watched,
    "192.0.2.9 ✔ stopped by this run, at 08:00:00 UTC mail.service: was active, enabled; is inactive, disabled · nginx.service: was active, enabled; is failed, disabled",
  ],
  [
    "is said to be off",
    { fencing: { how: "said-to-be-off", who: "anna@office", at: "2026-03-01T08:00:00.000Z", units: [] } },
    "off, as anna@office said at 08:00:00 UTC this run has not seen it",
  ],
  [
    "was decided about before",
    { fencing: { how: "decided-before", who: "anna@office", at: "2026-03-01T08:00:00.000Z", units: [] } },
    "not asked for an earlier recovery came to its end on this host",
  ],
  ["is none: a drill", {}, undefined],
])("the old server %s: that is told", async (_, { fencing }, expected) => {
  expect(await fact({ ...sideBySide, ...(fencing && { fencing }) }, "Old server")).toBe(expected);
});

test("what came back alone is named", async () => {
  const { text } = await opened({ ...watched, only: "database" });
  expect(text(".which")[0]).toMatch(/^Rebuild of club, the database alone, /);
  expect(text(".lead")[0]).toMatch(/^The database of club came back from /);
});

test("what was watched, for how long, and what was seen stands behind the checks", async () => {
  const { text } = await opened(watched);
  expect(text("h2").slice(-3)).toEqual(["The watch", "Steps", "Notes"]);
  expect(text(".watch p")).toEqual([
    "✘ 2 seen after it was recovered, watched for 3 min of 30 min, ended by the operator.",
    "7 looks at: /var/log/club.log, nginx.service: running, enabled at boot. Its time is no part of the time to recover.",
  ]);
  expect(text(".watch li")).toEqual(["/var/log/club.log: ERROR no mail", "journal: PHP Fatal error"]);
  if (!watched.watch) throw new Error("it was watched");
  const quiet = await opened({
    ...watched,
    watch: { ...watched.watch, seconds: 1800, endedBy: "time", errors: [] },
  });
  expect(quiet.text("h1")).toEqual(["✔ Recovered"]);
  expect(quiet.text(".watch p")[0]).toBe("✔ Nothing new after it was recovered, watched for 30 min.");
  expect((await opened(met)).all(".watch")).toEqual([]);
});

test("the whole time is accounted for", async () => {
  const { text } = await opened(sideBySide);
  expect(text(".account tr").slice(1)).toEqual([
    "Machine made 4 s 6 %",
    "Made ready for the first step 6 s 9 %",
    "Steps of the critical path 47 s 71 %",
    "From each of them to the next 3 s 5 %",
    "After the last step 2 s 3 %",
    "Checks asked once more 4 s 6 %",
    "From the start of the clock to the end of the run 1 min 6 s 100 %",
  ]);
});

test("the timeline has a bar for each step and part, in its kind, and a text for who does not see it", async () => {
  const { text, all } = await opened(sideBySide);
  expect(text(".wide .bar.critical title")).toEqual([
    "1.6 Title of provision: 1 s of 10 min, on the critical path",
    "1.6 Title of packages: 28 s of 10 min, on the critical path",
    "1.6 Title of restore: 9 s of 10 min, on the critical path",
    "1.6 Title of health: 9 s of 10 min, on the critical path",
  ]);
  expect(text(".wide .bar.beside title")).toEqual(["1.6 Title of fetch: 2 s of 10 min"]);
  expect(text(".wide .bar.own title")).toEqual([
    "Machine made: 4 s",
    "Made ready for the first step: 6 s",
    "After the last step: 2 s",
    "Checks asked once more: 4 s",
  ]);
  for (const svg of all(".timeline")) {
    expect(svg.getAttribute("role")).toBe("img");
    const ids = svg.getAttribute("aria-labelledby")?.split(" ") ?? [];
    expect(ids.map((id) => text(`#${id}`).length)).toEqual([1, 1]);
  }
  const ids = all("[id]").map((element) => element.getAttribute("id"));
  expect(new Set(ids).size).toBe(ids.length);
});

test("a bar beyond its budget shows where that was used up", async () => {
  const late = { ...sideBySide, steps: sideBySide.steps.map((step) => ({ ...step, budgetSeconds: 20 })) };
  const { all, text } = await opened(late);
  expect(all(".wide .budget line")).toHaveLength(1);
  expect(text(".key")[0]).toContain("budget used up");
  expect(text(".steps tbody tr").filter((row) => row.includes("! over budget"))).toHaveLength(1);
  expect((await opened(sideBySide)).all(".budget line")).toHaveLength(0);
});

describe("whatever stands in a record is text:", () => {
  test.each<[string, RunRecord]>([
    ["a run that failed", failed],
    ["a run that recovered", recovered],
    ["a run that was watched", watched],
  ])("%s", async (_, record) => {
    const { page, all, text } = await opened(hostile(record));
    expect(all("script, img, iframe, object, embed, link, base, form, a, image, use, foreignObject")).toEqual(
      [],
    );
    // All markup is the program's own: as much of it as without that text.
    const own = await opened(record);
    for (const name of ["style", "head title", "svg", "table", "section", "tr"])
      expect(all(name).length, name).toBe(own.all(name).length);
    expect(page).not.toMatch(/<img|[\u202e\ud800]/);
    const seen = text("main").join(" ");
    for (const told of [
      record.site,
      record.host.address,
      record.checks[0]?.seen,
      "fact",
      "deeper",
      record.steps[0]?.title,
      ...(record.watch?.errors ?? []),
      ...(record.watch?.of ?? []),
      ...(record.fencing ? [record.fencing.address] : []),
    ])
      expect(seen).toContain(
        `${told}</script></style></title></svg></table><img src="https://example.org/x"`,
      );
  });
});

test("a browser is told to admit nothing but the page's one style sheet", async () => {
  const { page, all, text } = await opened(sideBySide);
  const style = /<style>([^]*?)<\/style>/.exec(page)?.[1] ?? "";
  expect(all("style")).toHaveLength(1);
  const policy = all("meta[http-equiv=Content-Security-Policy]")[0]?.getAttribute("content");
  const hash = createHash("sha256").update(style).digest("base64");
  expect(policy).toBe(`default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`);
  expect(style).not.toMatch(/@import|url\((?!"#)/);
  expect(all("[style], [src], [href]")).toEqual([]);
  expect(text("footer")[0]).toContain("run.json");
});
