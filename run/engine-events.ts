import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";

/** What an engine event says about a step. */
export interface StepEvent {
  id: string;
  state: "started" | "done" | "failed";
}

const commandType = "command:remote:Command";

/** Steps are remote commands named after their id; an unchanged one has no event that matters. */
export function stepEvent(event: EngineEvent): StepEvent | undefined {
  const begun = event.resourcePreEvent?.metadata;
  const done = event.resOutputsEvent?.metadata;
  const failed = event.resOpFailedEvent?.metadata;
  const metadata = begun ?? done ?? failed;
  if (metadata?.type !== commandType || !["create", "create-replacement"].includes(metadata.op))
    return undefined;
  return { id: metadata.urn.split("::").at(-1) ?? "", state: begun ? "started" : done ? "done" : "failed" };
}
