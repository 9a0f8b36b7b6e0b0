import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { duration } from "../report.ts";
import type { StepRecord } from "../record.ts";
import type { Part, PartKind, Span, StepSpan, Timeline } from "../timeline.ts";
import { html, printable, trusted, type Html } from "./html.ts";

/** What a bar shows; also the class that gives it its look, so that none is told by its colour alone. */
export type BarKind = "critical" | "beside" | "own" | "failed";

interface Row {
  /** Of this row alone, and of no meaning. */
  key: string;
  label: string;
  /** What stands at its end: how long it took, or that it did not run. */
  note: string;
  bar: (Span & { kind: BarKind; title: string }) | null;
  /** The way to it from the step that it waited for. */
  way: Span | null;
  /** When its budget was used up, if it was. */
  budgetAt: number | null;
}

/** What the run itself does, beside its steps. */
export const ownWork: Record<Exclude<PartKind, "step" | "between">, string> = {
  machine: "Machine made",
  earlier: "Before this attempt",
  opening: "Made ready for the first step",
  ending: "After the last step",
  checks: "Checks asked once more",
};

interface Shape {
  id: string;
  width: number;
  rowHeight: number;
  /** Labels stand beside the bars, else above them. */
  labelsBeside: boolean;
  margin: { right: number; bottom: number; left: number };
}

const wide: Shape = {
  id: "wide",
  width: 900,
  rowHeight: 25,
  labelsBeside: true,
  margin: { right: 84, bottom: 6, left: 380 },
};
const narrow: Shape = {
  id: "narrow",
  width: 344,
  rowHeight: 38,
  labelsBeside: false,
  margin: { right: 2, bottom: 6, left: 2 },
};

/** The timeline to scale, as inline SVG: once for a desk and once for a telephone; the style sheet shows one of them. */
export function timelineFigure(timeline: Timeline): Html[] {
  return [wide, narrow].map((shape) => drawing(timeline, shape));
}

/** What is used of the element that is drawn. */
interface Drawn {
  innerHTML: string;
  querySelector: (name: string) => { remove: () => void } | null;
}

function drawing(timeline: Timeline, shape: Shape): Html {
  // The types of both libraries are those of a browser, which this project does not have.
  const { document } = parseHTML("<!doctype html><html><body></body></html>") as unknown as {
    document: object;
  };
  const rows = rowsOf(timeline);
  const { margin, labelsBeside, width, rowHeight } = shape;
  const serving = timeline.servingAt;
  // Above the ticks stands since when it serves.
  const top = serving === null ? 26 : 44;
  const height = top + rows.length * rowHeight + margin.bottom;
  const end = timeline.seconds || 1;
  const ticks = ticksOf(end, shape);
  const bars = rows.flatMap(({ key, bar }) => (bar ? [{ key, ...bar }] : []));
  const ways = rows.flatMap(({ key, way }) => (way ? [{ key, ...way }] : []));
  // Above its bar a label takes the upper half of the row.
  const insetTop = labelsBeside ? 5 : 20;
  const inset = { insetTop, insetBottom: labelsBeside ? 5 : 4 };
  const middleOfBar = labelsBeside ? 0 : (insetTop - 4) / 2;
  const text = labelsBeside ? { dy: 0 } : { dy: -9 };
  const kinds: BarKind[] = ["own", "beside", "critical", "failed"];
  const svg = Plot.plot({
    document,
    width,
    height,
    marginTop: top,
    marginRight: margin.right,
    marginBottom: margin.bottom,
    marginLeft: margin.left,
    x: { domain: [0, end], axis: null },
    y: { type: "band", domain: rows.map(({ key }) => key), axis: null, padding: 0 },
    marks: [
      Plot.gridX(ticks, { className: "grid", strokeOpacity: 1 }),
      Plot.text(ticks, {
        className: "ticks",
        x: (at: number) => at,
        text: (at: number) => (at === 0 ? "0 s" : duration(at)),
        frameAnchor: "top",
        textAnchor: "start",
        dy: -14,
      }),
      Plot.ruleY(ways, { className: "way", y: "key", x1: "from", x2: "to", dy: middleOfBar }),
      ...kinds.flatMap((kind) => {
        const own = bars.filter((bar) => bar.kind === kind);
        return [
          Plot.barX(own, {
            className: `bar ${kind}`,
            y: "key",
            x1: "from",
            x2: "to",
            title: "title",
            rx: 1.5,
            ...inset,
          }),
          // What is shorter than a pixel is seen too.
          Plot.tickX(own, { className: `begin ${kind}`, y: "key", x: "from", ...inset }),
        ];
      }),
      Plot.tickX(
        rows.filter(({ budgetAt }) => budgetAt !== null),
        { className: "budget", y: "key", x: "budgetAt", insetTop: insetTop - 3, insetBottom: 1 },
      ),
      ...(serving !== null && serving >= 0 && serving <= end
        ? [
            Plot.ruleX([serving], { className: "serving", insetTop: -8 }),
            Plot.text([serving], {
              className: "serving",
              x: [serving],
              text: [`serving after ${duration(serving)}`],
              frameAnchor: "top",
              textAnchor: serving > end / 2 ? "end" : "start",
              dx: serving > end / 2 ? 4 : -4,
              dy: -32,
            }),
          ]
        : []),
      Plot.text(rows, {
        className: "label",
        y: "key",
        text: "label",
        frameAnchor: "left",
        textAnchor: "start",
        dx: labelsBeside ? -margin.left : 0,
        lineWidth: labelsBeside ? 29 : 21,
        textOverflow: "ellipsis",
        ...text,
      }),
      ...[true, false].map((failed) =>
        Plot.text(
          rows.filter(({ bar }) => (bar?.kind === "failed") === failed),
          {
            className: failed ? "note failed" : "note",
            y: "key",
            text: "note",
            frameAnchor: "right",
            textAnchor: "end",
            dx: labelsBeside ? margin.right : 0,
            ...text,
          },
        ),
      ),
    ],
  }) as unknown as Drawn;
  // The page has one style sheet, and admits no other.
  svg.querySelector("style")?.remove();
  const ids = { title: `timeline-${shape.id}-title`, description: `timeline-${shape.id}-description` };
  return html`<svg
    class="timeline ${shape.id}"
    viewBox="0 0 ${width} ${height}"
    role="img"
    aria-labelledby="${ids.title} ${ids.description}"
  >
    <title id="${ids.title}">Timeline of the run, to scale</title>
    <desc id="${ids.description}">${description(timeline)}</desc>
    <defs>
      <pattern id="stripes-${shape.id}" class="stripes" width="6" height="6" patternUnits="userSpaceOnUse">
        <rect width="6" height="6" />
        <path d="M-1,1l2,-2M0,6l6,-6M5,7l2,-2" />
      </pattern>
      <pattern id="crosses-${shape.id}" class="crosses" width="6" height="6" patternUnits="userSpaceOnUse">
        <rect width="6" height="6" />
        <path d="M0,0l6,6M0,6l6,-6" />
      </pattern>
    </defs>
    ${trusted(svg.innerHTML)}
  </svg>`;
}

function rowsOf({ parts, steps, notRun, seconds }: Timeline): Row[] {
  const within = (at: number) => Math.min(Math.max(at, 0), seconds);
  const ways = new Map<string, Span>();
  parts.forEach(({ kind, from, to }, index) => {
    const next = parts[index + 1]?.step;
    if (kind === "between" && next !== undefined) ways.set(next, { from, to });
  });
  const timed = [
    ...parts.flatMap((part) => (isOwnWork(part) ? [ownRow(part)] : [])),
    ...steps.map((span) => stepRow(span, ways.get(span.step.id) ?? null, seconds, within)),
  ].sort((one, other) => one.from - other.from);
  return [
    ...timed.map(({ row }) => row),
    ...notRun.map((step) => ({
      label: labelOf(step),
      note: "not run",
      bar: null,
      way: null,
      budgetAt: null,
    })),
  ].map((row, index) => ({ ...row, key: String(index), label: printable(row.label) }));
}

type OwnPart = Part & { kind: keyof typeof ownWork };

function isOwnWork(part: Part): part is OwnPart {
  return part.kind in ownWork;
}

function ownRow({ kind, from, to }: OwnPart) {
  const label = ownWork[kind];
  const note = duration(to - from);
  const title = `${label}: ${note}`;
  return {
    from,
    row: { label, note, bar: { from, to, kind: "own" as const, title }, way: null, budgetAt: null },
  };
}

export function barKindOf({ step, critical }: StepSpan): BarKind {
  if (step.outcome === "failed" || step.outcome === "timed-out") return "failed";
  return critical ? "critical" : "beside";
}

function stepRow(span: StepSpan, way: Span | null, end: number, within: (at: number) => number) {
  const { step, from, to, critical } = span;
  const kind = barKindOf(span);
  const failed = kind === "failed";
  const took = duration(to - from);
  const budgetAt = from + step.budgetSeconds;
  const over = to > budgetAt;
  const label = labelOf(step);
  const title = printable(
    `${label}: ${took} of ${duration(step.budgetSeconds)}${critical ? ", on the critical path" : ""}${failed ? `, ${step.outcome}` : ""}`,
  );
  const seen = to >= 0 && from <= end;
  return {
    from,
    row: {
      label,
      note: failed ? `✘ ${took}` : over ? `! ${took}` : took,
      bar: seen ? { from: within(from), to: within(to), kind, title } : null,
      way,
      budgetAt: over && seen ? within(budgetAt) : null,
    },
  };
}

function labelOf({ runbook, title }: StepRecord): string {
  return `${runbook} ${title}`;
}

function description({ seconds, steps, notRun }: Timeline): string {
  const critical = steps.filter((step) => step.critical).map(({ step }) => step.title);
  return [
    `${duration(seconds)} from left to right; a bar for each step, from its start to its end.`,
    `The end was waited for along: ${critical.join(", ") || "no step"}.`,
    ...(notRun.length > 0 ? [`Not run: ${notRun.map(({ title }) => title).join(", ")}.`] : []),
    "The table of steps holds the same.",
  ].join(" ");
}

/** What the text beside a tick takes of the drawing's width. */
const tickTextWidth = 64;

/** Round moments, no more of them than there is room for. */
function ticksOf(end: number, { width, margin }: Shape): number[] {
  const day = 86_400;
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, day];
  const room = end * (tickTextWidth / (width - margin.left - margin.right));
  const step = steps.find((one) => one >= room * 1.2) ?? Math.ceil(room / day) * day;
  return Array.from({ length: Math.floor(end / step) + 1 }, (_, index) => index * step).filter(
    (at) => at <= end - room,
  );
}
