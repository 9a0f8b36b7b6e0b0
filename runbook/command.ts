import type { Step } from "./step.ts";

/** What reaches the host for one step, byte for byte the same whoever carries it there. */
export interface StepCommand {
  command: string;
  stdin: string;
}

/** The link that host/ is reached by; the opening session switches it to the delivered release. */
export const runStepPath = "/usr/local/lib/recovery/run-step";

/** The one place where a step becomes a command line and its standard input. Holds no secret: those lie on the host. */
export function stepCommand(step: Step, effectiveTriggers: readonly string[]): StepCommand {
  return {
    command: `${runStepPath} ${step.id}`,
    stdin: `${JSON.stringify({
      title: step.title,
      script: step.script,
      inputs: step.inputs,
      secrets: step.secrets,
      triggers: effectiveTriggers,
      timeoutSeconds: step.timeoutSeconds,
    })}\n`,
  };
}
