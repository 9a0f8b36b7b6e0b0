import { expect, test } from "vitest";
import { stepCommand } from "../../../runbook/command.ts";
import { planCompleteFailure } from "../../../runbook/complete-failure.ts";
import type { Step } from "../../../runbook/step.ts";
import { request } from "./small-site.ts";

const step: Step = {
  id: "fetch-application",
  title: "Application's bundle fetched",
  runbook: "1.4",
  script: "fetch",
  inputs: { files: [{ name: "application.bundle", bytes: 70 }], path: 'a "quoted" ü\nline' },
  secrets: ["rclone.conf"],
  triggers: ["its own"],
  after: ["provision"],
  budgetSeconds: 120,
  timeoutSeconds: 300,
};

test("a step reaches the host as these bytes: what it says of itself and its effective triggers, on one line", () => {
  expect(stepCommand(step, ["attempt 1", "its own"])).toEqual({
    command: "/usr/local/lib/recovery/run-step fetch-application",
    stdin:
      '{"title":"Application\'s bundle fetched","script":"fetch","inputs":{"files":[{"name":"application.bundle","bytes":70}],' +
      '"path":"a \\"quoted\\" ü\\nline"},"secrets":["rclone.conf"],"triggers":["attempt 1","its own"],"timeoutSeconds":300}\n',
  });
});

test("the bytes are the same whenever they are made, whatever the order in which the step was written down", () => {
  const turned = Object.fromEntries(Object.entries(step).reverse()) as unknown as Step;
  expect(stepCommand(turned, ["attempt 1"])).toEqual(stepCommand(step, ["attempt 1"]));
});

test("no command of a plan says where a secret comes from: they are known on the host by their names", () => {
  const steps = planCompleteFailure(request({ isolated: true, bundle: true }));
  const texts = steps.map((one) => Object.values(stepCommand(one, [])).join("\n"));
  expect(texts.join("\n")).not.toContain("pass show");
  expect(texts.filter((text) => text.includes("MONITORING"))).toHaveLength(1);
});
