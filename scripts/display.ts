import { createLogUpdate } from "log-update";
import { styleText } from "node:util";
import { duration } from "../evidence/report.ts";
import type { Reporter, StepEnd } from "../run/reporter.ts";
import type { Step } from "../runbook/step.ts";

type State = "waiting" | "running" | StepEnd;

interface Shown {
  step: Step;
  state: State;
  startedAt: number;
  seconds: number;
}

/** The output that progress goes to, as far as a display must know it. */
export interface ProgressOutput {
  stream: NodeJS.WriteStream;
  /** A person looks at it as it changes. */
  live: boolean;
  colours: boolean;
}

/** Progress goes to stderr: stdout is for the result. NO_COLOR and a missing terminal turn colours off. */
export function progressOutput(stream: NodeJS.WriteStream = process.stderr): ProgressOutput {
  const live = stream.isTTY && process.env["TERM"] !== "dumb" && process.env["CI"] === undefined;
  return { stream, live, colours: live && !process.env["NO_COLOR"] };
}

export function display(output: ProgressOutput): Reporter {
  return output.live ? liveDisplay(output) : plainDisplay(output);
}

/** A line when something happens; nothing moves. */
function plainDisplay({ stream }: ProgressOutput): Reporter {
  const began = performance.now();
  const running = new Map<string, number>();
  let steps: readonly Step[] = [];
  const line = (text: string) => {
    stream.write(`${duration((performance.now() - began) / 1000).padStart(7)}  ${text}\n`);
  };
  const title = (id: string) => {
    const step = steps.find((one) => one.id === id);
    return step ? `${step.runbook} ${step.title}` : id;
  };
  return {
    say: line,
    plan: (planned) => {
      steps = planned;
    },
    started: (id) => {
      running.set(id, performance.now());
      line(`begin ${title(id)}`);
    },
    ended: (id, end) => {
      const seconds = (performance.now() - (running.get(id) ?? performance.now())) / 1000;
      const took = end === "already-done" ? "before this run" : duration(seconds);
      line(`${end === "failed" ? "FAILED" : "done "} ${title(id)} (${took})`);
    },
    close: () => undefined,
  };
}

/** The list of all steps, with the time of each against its budget, drawn anew twice a second. */
function liveDisplay({ stream, colours }: ProgressOutput): Reporter {
  const update = createLogUpdate(stream);
  const began = performance.now();
  let shown: Shown[] = [];
  // Left to itself, styleText asks stdout whether it is a terminal: that is where the result goes, not this list.
  const paint = (style: Parameters<typeof styleText>[0], text: string) =>
    colours ? styleText(style, text, { validateStream: false }) : text;
  const draw = () => {
    if (shown.length === 0) return;
    const width = Math.max(...shown.map(({ step }) => step.title.length));
    const rows = shown.map(({ step, state, startedAt, seconds }) => {
      const name = `${step.runbook.padEnd(5)} ${step.title.padEnd(width)}`;
      const allowed = duration(step.budgetSeconds);
      switch (state) {
        case "waiting":
          return paint("dim", `  ${name}`);
        case "running":
          return `${paint("cyan", ">")} ${name}  ${duration((performance.now() - startedAt) / 1000)} of ${allowed}`;
        case "done":
          return `${paint("green", "✔")} ${name}  ${duration(seconds)} of ${allowed}`;
        case "already-done":
          return `${paint("green", "✔")} ${name}  done before this run`;
        case "failed":
          return paint("red", `✘ ${name}  failed after ${duration(seconds)}`);
      }
    });
    update([...rows, `elapsed ${duration((performance.now() - began) / 1000)}`].join("\n"));
  };
  const timer = setInterval(draw, 500);
  timer.unref();
  const change = (id: string, alter: (one: Shown) => void) => {
    const one = shown.find(({ step }) => step.id === id);
    if (one) alter(one);
    draw();
  };
  return {
    say: (text) => {
      update.clear();
      stream.write(`${text}\n`);
      draw();
    },
    plan: (steps) => {
      shown = steps.map((step) => ({ step, state: "waiting", startedAt: 0, seconds: 0 }));
      draw();
    },
    started: (id) => {
      change(id, (one) => {
        one.state = "running";
        one.startedAt = performance.now();
      });
    },
    ended: (id, end) => {
      change(id, (one) => {
        one.state = end;
        one.seconds = (performance.now() - one.startedAt) / 1000;
      });
    },
    close: () => {
      clearInterval(timer);
      draw();
      update.done();
      shown = [];
    },
  };
}
