import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runPage } from "../../evidence/page/page.ts";
import type { RunRecord } from "../../evidence/record.ts";
import { timeline } from "../../evidence/timeline.ts";
import { ensureDebianPackages } from "../../machines/debian-packages.ts";
import { failed, hostile, sideBySide, watched } from "../unit/evidence/records.ts";

/** Debian's own browser, and letters for it: without a font it draws none. */
const needs = [
  { command: "chromium", package: "chromium" },
  { command: "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", package: "fonts-dejavu-core" },
];

const widths = [360, 768, 1280];
const schemes = ["light", "dark"] as const;
const records: Record<string, RunRecord> = {
  sideBySide,
  failed,
  hostile: hostile(failed),
  watched: hostile(watched),
};

let directory: string;
let browser: Browser;

beforeAll(async () => {
  await ensureDebianPackages(needs, (line) => {
    console.log(line);
  });
  directory = await mkdtemp(join(tmpdir(), "page-test-"));
  for (const [name, record] of Object.entries(records))
    await writeFile(join(directory, `${name}.html`), await runPage(record));
  browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
});

afterAll(async () => {
  await browser.close();
  await rm(directory, { recursive: true });
});

/** Opens a page, lets it be looked at, and requires that it asked for nothing but itself and complained of nothing. */
async function looked<Seen>(
  name: string,
  { width = 1280, scheme = "light" as (typeof schemes)[number] },
  look: (page: Page) => Promise<Seen>,
): Promise<Seen> {
  const context = await browser.newContext({ viewport: { width, height: 800 }, colorScheme: scheme });
  const page = await context.newPage();
  const requests: string[] = [];
  const complaints: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  const address = pathToFileURL(join(directory, `${name}.html`)).href;
  await page.goto(address);
  const seen = await look(page);
  expect(requests).toEqual([address]);
  expect(complaints).toEqual([]);
  await context.close();
  return seen;
}

/** Code for the page is given as text: here is no type of a browser. */
const ask = <Answer>(page: Page, code: string) => page.evaluate<Answer>(code);

describe.each(Object.keys(records))("the page of the run %s", (name) => {
  test.each(widths.flatMap((width) => schemes.map((scheme) => ({ width, scheme }))))(
    "at $width px, $scheme: asks nobody, complains of nothing, is no wider than its window, and can be read",
    async (shape) => {
      const { overflow, title, faint, texts } = await looked(name, shape, async (page) => ({
        overflow: await ask<number>(page, "document.documentElement.scrollWidth - innerWidth"),
        title: await page.title(),
        ...(await ask<{ faint: string[]; texts: number }>(page, contrasts)),
      }));
      expect(overflow).toBeLessThanOrEqual(0);
      expect(title).not.toBe("taken");
      expect(texts).toBeGreaterThan(40);
      expect(faint).toEqual([]);
    },
  );
});

/** Every text that is shown, with the contrast to what is behind it (WCAG 2.1, 1.4.3), where that is below 4.5. */
const contrasts = `(() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = parse(colour).map((part) => part / 255).map((part) =>
      part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const { backgroundColor } = getComputedStyle(one);
      if (parse(backgroundColor)[3] !== 0) return backgroundColor;
    }
    return "rgb(255, 255, 255)";
  };
  const faint = [];
  let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.getClientRects().length || element.closest("title, desc")) continue;
    texts++;
    const style = getComputedStyle(element);
    const [one, other] = [luminance(element.closest("svg") ? style.fill : style.color), luminance(behind(element))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < 4.5) faint.push(walker.currentNode.data.trim() + ": " + contrast.toFixed(2));
  }
  return { faint, texts };
})()`;

interface Box {
  title: string;
  left: number;
  width: number;
}

test.each([
  ["wide", 1280],
  ["narrow", 360],
])(
  "the %s timeline is to scale: where a bar begins and how long it is goes with the time",
  async (shape, width) => {
    const boxes = await looked("sideBySide", { width }, (page) =>
      ask<Box[]>(
        page,
        `[...document.querySelectorAll(".${shape} .bar rect")].map((bar) => {
        const { left, width } = bar.getBoundingClientRect();
        return { title: bar.querySelector("title").textContent, left, width };
      })`,
      ),
    );
    const { steps, parts, seconds } = timeline(sideBySide);
    const bar = (title: string) => {
      const box = boxes.find((one) => one.title.startsWith(title));
      if (!box) throw new Error(`no bar ${title} is shown`);
      return box;
    };
    const machine = bar("Machine made");
    const last = bar("Checks asked once more");
    const pixelsPerSecond = (last.left + last.width - machine.left) / seconds;
    expect(pixelsPerSecond).toBeGreaterThan(width === 360 ? 4 : 5);
    const expected = [
      ...steps.map(({ step, from, to }) => ({ title: `${step.runbook} ${step.title}:`, from, to })),
      ...parts.flatMap(({ kind, from, to }) =>
        kind === "opening" ? [{ title: "Made ready", from, to }] : [],
      ),
    ];
    expect(expected).toHaveLength(6);
    for (const { title, from, to } of expected) {
      const { left, width } = bar(title);
      expect(Math.abs(left - machine.left - from * pixelsPerSecond), title).toBeLessThan(1);
      expect(Math.abs(width - (to - from) * pixelsPerSecond), title).toBeLessThan(1);
    }
  },
);

test("one timeline is shown at a time, and on paper it is dark on white with all details open", async () => {
  const shown = `[...document.querySelectorAll(".timeline")].filter((one) => one.getClientRects().length).map((one) => one.classList[1])`;
  expect(await looked("failed", { width: 1280 }, (page) => ask(page, shown))).toEqual(["wide"]);
  expect(await looked("failed", { width: 360 }, (page) => ask(page, shown))).toEqual(["narrow"]);
  const printed = await looked("hostile", { scheme: "dark" }, async (page) => {
    await page.emulateMedia({ media: "print" });
    return ask<object>(
      page,
      `({
        ground: getComputedStyle(document.body).backgroundColor,
        closed: [...document.querySelectorAll("details:not([open]) dt")].filter((one) => !one.checkVisibility({ contentVisibilityAuto: true })).length,
        details: document.querySelectorAll("details:not([open])").length,
      })`,
    );
  });
  expect(printed).toEqual({ ground: "rgb(255, 255, 255)", closed: 0, details: 2 });
});
