import fc from "fast-check";
import { expect, test } from "vitest";
import type { Step } from "../../../runbook/step.ts";
import { effectiveTriggers } from "../../../runbook/triggers.ts";

function step(id: string, triggers: string[], after: string[]): Step {
  return {
    id,
    title: id,
    runbook: "1.1",
    script: id,
    inputs: {},
    secrets: [],
    triggers,
    after,
    budgetSeconds: 1,
    timeoutSeconds: 2,
  };
}

/** Plans of up to 8 steps, each after some of those before it, sharing some triggers. */
const plans = fc
  .array(
    fc.record({
      triggers: fc.array(fc.constantFrom("a", "b", "c", "d", "e"), { maxLength: 3 }),
      after: fc.array(fc.nat(7), { maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((drafts) =>
    drafts.map(({ triggers, after }, index) =>
      step(
        `s${index}`,
        triggers,
        after.filter((one) => one < index).map((one) => `s${one}`),
      ),
    ),
  );

test("a step has its own triggers and those of all that it waits for, sorted, each once", () => {
  const steps = [
    step("first", ["z", "a"], []),
    step("aside", ["b"], []),
    step("second", [], ["first"]),
    step("third", ["m", "a"], ["second", "aside"]),
  ];
  expect([...effectiveTriggers(steps)]).toEqual([
    ["first", ["a", "z"]],
    ["aside", ["b"]],
    ["second", ["a", "z"]],
    ["third", ["a", "b", "m", "z"]],
  ]);
});

test("in every plan a step's triggers are exactly those of the steps that lead to it", () => {
  fc.assert(
    fc.property(plans, (steps) => {
      const effective = effectiveTriggers(steps);
      for (const { id } of steps) {
        const leading = new Set([id]);
        // A step waits only for earlier ones, so that once through from the last is enough.
        for (const one of steps.toReversed()) {
          if (leading.has(one.id)) for (const prior of one.after) leading.add(prior);
        }
        const expected = steps.filter((one) => leading.has(one.id)).flatMap((one) => one.triggers);
        expect(effective.get(id)).toEqual([...new Set(expected)].sort());
      }
    }),
  );
});

test("what triggers a step triggers every step after it", () => {
  fc.assert(
    fc.property(plans, (steps) => {
      const effective = effectiveTriggers(steps);
      for (const { id, after } of steps) {
        for (const prior of after) {
          expect(effective.get(id)).toEqual(expect.arrayContaining(effective.get(prior) ?? []));
        }
      }
    }),
  );
});

test("the order of the steps, of their triggers and of what they wait for is of no weight", () => {
  const shuffled = plans.chain((steps) =>
    fc.tuple(fc.constant(steps), fc.shuffledSubarray(steps, { minLength: steps.length })),
  );
  fc.assert(
    fc.property(shuffled, ([steps, others]) => {
      const turned = others.map((one) => ({
        ...one,
        triggers: [...one.triggers].reverse(),
        after: [...one.after].reverse(),
      }));
      const byId = (all: Map<string, string[]>) => Object.fromEntries(all);
      expect(byId(effectiveTriggers(turned))).toEqual(byId(effectiveTriggers(steps)));
    }),
  );
});

test("a step after one that is not in the plan is an error", () => {
  expect(() => effectiveTriggers([step("second", [], ["first"])])).toThrow(
    'a step comes after "first", which is not in the plan',
  );
});

test("steps that wait for each other are an error that names them in their order", () => {
  const steps = [step("start", [], ["a"]), step("a", [], ["b"]), step("b", [], ["c"]), step("c", [], ["a"])];
  expect(() => effectiveTriggers(steps)).toThrow(
    new Error("steps wait for each other: start -> a -> b -> c -> a"),
  );
  expect(() => effectiveTriggers([step("own", [], ["own"])])).toThrow(
    new Error("steps wait for each other: own -> own"),
  );
});
