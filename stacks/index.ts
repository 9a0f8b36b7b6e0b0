import { hostname, userInfo } from "node:os";
import { resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { parsePin } from "../backups/pin.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { prepareRecovery } from "./prepare.ts";
import { declareRecovery, hostSession, type RecoveryOutputs } from "./recovery.ts";
import type { RecoverySettings } from "./settings.ts";

/**
 * What plain `pulumi up` runs. The stack's name says its role: `recovery`, `staging`, or with a site's name in front,
 * `chatbot.recovery`. Everything else stands in stack config, in clear and without secrets.
 */
const roles = new Map([
  ["recovery", { isolated: false }],
  ["staging", { isolated: true }],
]);

export default async function program(): Promise<RecoveryOutputs> {
  try {
    return await declareRole();
  } catch (error) {
    if (error instanceof OperatorError) throw forTheOperator(error);
    throw error;
  }
}

/** The vendor's language host shows any other error as a crash. One with a stack costs it 10 s, in which it formats that for a trace. */
function forTheOperator({ message }: OperatorError): pulumi.RunError {
  return Object.assign(new pulumi.RunError(message), { stack: "" });
}

async function declareRole(): Promise<RecoveryOutputs> {
  const stack = pulumi.getStack();
  const role = roles.get(stack.split(".").at(-1) ?? "");
  if (!role) {
    throw new OperatorError(
      exitCodes.usage,
      `the stack ${stack} has no role`,
      `a stack is named after what it does: ${[...roles.keys()].join(", ")}, or with the site's name in front: chatbot.recovery`,
      "pulumi stack init chatbot.recovery",
    );
  }
  const say = (line: string) => void pulumi.log.info(line);
  const prepared = await prepareRecovery(settingsFromConfig(new pulumi.Config(), stack), { ...role, say });
  return declareRecovery(prepared, hostSession(prepared, say));
}

function settingsFromConfig(config: pulumi.Config, stack: string): RecoverySettings {
  const point = config.get("point");
  const pin = point === undefined ? undefined : parsePin(point);
  if (point !== undefined && !pin) {
    throw new OperatorError(
      exitCodes.usage,
      "the pin in stack config is not a pin",
      `point is '${point}', and should be an id with both of its hashes`,
      "npx recovery points list prints the command that pins a point",
    );
  }
  return {
    siteFile: resolve(config.require("site")),
    host: {
      address: config.require("host"),
      port: config.getNumber("port") ?? 22,
      user: config.get("user") ?? "root",
      hostKey: config.require("hostKey"),
    },
    ...(pin ? { pin } : {}),
    attempt: config.getNumber("attempt") ?? 1,
    // The same for each `up` of this operator, so that the next one goes on with what the last began.
    run: {
      id: `${stack}-${userInfo().username}-${hostname()}`,
      who: `${userInfo().username}@${hostname()}`,
      why: "pulumi up",
    },
  };
}
