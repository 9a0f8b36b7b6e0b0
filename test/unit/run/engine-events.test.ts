import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { expect, test } from "vitest";
import { stepEvent } from "../../../run/engine-events.ts";

const urn =
  "urn:pulumi:club.recovery::recovery-stack::recovery-stack:index:RecoveredSite$command:remote:Command::stage-files";

function event(kind: string, changes: Record<string, unknown> = {}): EngineEvent {
  const metadata = { op: "create", urn, type: "command:remote:Command", ...changes };
  return { sequence: 1, timestamp: 0, [kind]: { metadata } };
}

test.each([
  ["resourcePreEvent", "started"],
  ["resOutputsEvent", "done"],
  ["resOpFailedEvent", "failed"],
])("%s of a command says that its step has %s, when it is made and when it is made anew", (kind, state) => {
  expect(stepEvent(event(kind))).toEqual({ id: "stage-files", state });
  expect(stepEvent(event(kind, { op: "create-replacement" }))).toEqual({ id: "stage-files", state });
});

test.each(["same", "update", "delete", "delete-replaced", "replace", "refresh", "read"])(
  "a command that is not run, only to %s, says nothing of a step",
  (op) => {
    for (const kind of ["resourcePreEvent", "resOutputsEvent", "resOpFailedEvent"]) {
      expect(stepEvent(event(kind, { op }))).toBeUndefined();
    }
  },
);

test("components, the stack itself and events that are of no resource say nothing of a step", () => {
  expect(
    stepEvent(event("resourcePreEvent", { type: "recovery-stack:index:RecoveredSite" })),
  ).toBeUndefined();
  expect(stepEvent(event("resOutputsEvent", { type: "pulumi:pulumi:Stack" }))).toBeUndefined();
  expect(stepEvent(event("resOutputsEvent", { type: "command:local:Command" }))).toBeUndefined();
  expect(stepEvent({ sequence: 1, timestamp: 0, cancelEvent: {} })).toBeUndefined();
  expect(
    stepEvent({
      sequence: 1,
      timestamp: 0,
      diagnosticEvent: { message: "m", color: "never", severity: "info" },
    }),
  ).toBeUndefined();
});
