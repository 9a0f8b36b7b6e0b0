import type { Step } from "./step.ts";

/**
 * The triggers of each step together with those of all its `after`, transitively, sorted and without repeats, by step id.
 *
 * Cumulative, because a step whose own triggers did not change must still run again when something before it did: with
 * plain triggers a failed step was never made up for after the one before it had been repeated.
 */
export function effectiveTriggers(steps: readonly Step[]): Map<string, string[]> {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const effective = new Map<string, string[]>();
  const collect = (id: string, path: readonly string[]): string[] => {
    const known = effective.get(id);
    if (known) return known;
    const step = byId.get(id);
    if (!step) throw new Error(`a step comes after "${id}", which is not in the plan`);
    if (path.includes(id)) throw new Error(`steps wait for each other: ${[...path, id].join(" -> ")}`);
    const all = new Set([
      ...step.triggers,
      ...step.after.flatMap((before) => collect(before, [...path, id])),
    ]);
    const sorted = [...all].sort();
    effective.set(id, sorted);
    return sorted;
  };
  for (const step of steps) collect(step.id, []);
  return effective;
}
