import { hostname, userInfo } from "node:os";
import { resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { parsePin } from "../backups/pin.ts";
import type { Pin } from "../backups/restore-point.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { type BackupServerOutputs, declareBackupServer, prepareBackupServer } from "./backup-server.ts";
import { prepareRecovery } from "./prepare.ts";
import { declareProtection, prepareProtection, type ProtectionOutputs } from "./protection.ts";
import type { OffsiteOutputs } from "./offsite.ts";
import type { DnsOutputs } from "./dns.ts";
import type { ServerOutputs } from "./server.ts";
import { declareRecovery, hostSession, type RecoveryOutputs } from "./recovery.ts";
import type { RecoverySettings } from "./settings.ts";

type Outputs =
  RecoveryOutputs | ProtectionOutputs | BackupServerOutputs | OffsiteOutputs | ServerOutputs | DnsOutputs;

interface Declaring {
  config: pulumi.Config;
  stack: string;
  say: (line: string) => void;
}

/**
 * What plain `pulumi up` runs. The stack's name says its role, alone or with a site's name in front: `chatbot.recovery`. Everything else stands
 * in stack config, in clear and without secrets.
 */
const roles = new Map<string, (declaring: Declaring) => Promise<Outputs>>(
  Object.entries({
    recovery: ({ config, ...declaring }: Declaring) => {
      requireOldHostOff(config);
      return recovery({ config, ...declaring }, { isolated: false });
    },
    staging: (declaring: Declaring) => recovery(declaring, { isolated: true }),
    backup: async ({ config, stack, say }: Declaring) =>
      declareProtection(await prepareProtection({ ...hostFromConfig(config, stack), say })),
    "backup-server": async ({ config, stack, say }: Declaring) => {
      const store = config.get("store");
      const prepared = await prepareBackupServer({
        siteFile: resolve(config.require("site")),
        ...(store === undefined ? {} : { store }),
        login: config.get("user") ?? "root",
        run: runOf(stack),
        say,
      });
      return declareBackupServer(prepared);
    },
    offsite: async ({ config, say }: Declaring) => {
      // The cloud's SDK is loaded here alone.
      const { declareOffsite, prepareOffsite } = await import("./offsite.ts");
      const prepared = await prepareOffsite(resolve(config.require("site")), say);
      return declareOffsite(prepared, { adopt: config.getBoolean("adopt") === true });
    },
    server: (declaring: Declaring) => server(declaring, { staging: false }),
    "staging-server": (declaring: Declaring) => server(declaring, { staging: true }),
    dns: async ({ config }: Declaring) => {
      const { declareDns } = await import("./dns.ts");
      return declareDns(resolve(config.require("site")), config.require("address"));
    },
  }),
);

export default async function program(): Promise<Outputs> {
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

async function declareRole(): Promise<Outputs> {
  const stack = pulumi.getStack();
  const declare = roles.get(stack.split(".").at(-1) ?? "");
  if (!declare) {
    throw new OperatorError(
      exitCodes.usage,
      `the stack ${stack} has no role`,
      `a stack is named after what it does: ${[...roles.keys()].join(", ")}, or with the site's name in front: chatbot.recovery`,
      "pulumi stack init chatbot.recovery",
    );
  }
  return declare({ config: new pulumi.Config(), stack, say: (line) => void pulumi.log.info(line) });
}

async function server({ config, say }: Declaring, { staging }: { staging: boolean }): Promise<ServerOutputs> {
  const { declareServer, prepareServer } = await import("./server.ts");
  const run = config.get("run") ?? "1";
  if (!/^[A-Za-z0-9-]{1,40}$/.test(run)) {
    throw new OperatorError(
      exitCodes.usage,
      "run in stack config is no name",
      `it is '${run}', and another name makes another server`,
      'pulumi config set run "$(date +%Y%m%d)"',
    );
  }
  return declareServer(await prepareServer({ siteFile: resolve(config.require("site")), run, staging }, say));
}

async function recovery(
  { config, stack, say }: Declaring,
  options: { isolated: boolean },
): Promise<RecoveryOutputs> {
  const prepared = await prepareRecovery(settingsFromConfig(config, stack), { ...options, say });
  return declareRecovery(prepared, hostSession(prepared, say));
}

/** Nothing here can reach the old server, so the operator says what became of it. */
function requireOldHostOff(config: pulumi.Config): void {
  if (config.getBoolean("oldHostIsOff") === true) return;
  throw new OperatorError(
    exitCodes.refused,
    "it is not said whether the old server is off",
    "an old worker beside a new one sends everything twice, and what users write there is lost",
    "switch it off at its provider, then: pulumi config set oldHostIsOff true",
  );
}

/** `ADDRESS@TIME`: the host, named once more, and the restore on it that another may replace. */
function overFromConfig(config: pulumi.Config, address: string): string | undefined {
  const again = config.get("again");
  if (again === undefined) return undefined;
  const separator = again.lastIndexOf("@");
  if (separator > 0 && again.slice(0, separator) === address) return again.slice(separator + 1);
  throw new OperatorError(
    exitCodes.refused,
    `again in stack config does not name the host ${address} and a restore on it`,
    `it is '${again}', and what is on a host is replaced only when that host and that restore are named`,
    "pulumi config rm again; the refusal of `pulumi up` then prints the line that names both",
  );
}

function settingsFromConfig(config: pulumi.Config, stack: string): RecoverySettings {
  const pin = pinFromConfig(config, "point");
  const databases = pinFromConfig(config, "databases");
  const over = overFromConfig(config, config.require("host"));
  return {
    ...hostFromConfig(config, stack),
    ...(pin ? { pin } : {}),
    ...(databases ? { databases } : {}),
    attempt: config.getNumber("attempt") ?? 1,
    ...(over === undefined ? {} : { over }),
  };
}

function pinFromConfig(config: pulumi.Config, key: "point" | "databases"): Pin | undefined {
  const text = config.get(key);
  const pin = text === undefined ? undefined : parsePin(text);
  if (text === undefined || pin) return pin;
  throw new OperatorError(
    exitCodes.usage,
    "the pin in stack config is not a pin",
    `${key} is '${text}', and should be an id with its hashes`,
    "npx recovery points list prints the command that pins a point",
  );
}

function hostFromConfig(
  config: pulumi.Config,
  stack: string,
): Pick<RecoverySettings, "siteFile" | "host" | "run"> {
  return {
    siteFile: resolve(config.require("site")),
    host: {
      address: config.require("host"),
      port: config.getNumber("port") ?? 22,
      user: config.get("user") ?? "root",
      hostKey: config.require("hostKey"),
    },
    run: runOf(stack),
  };
}

/** The same for each `up` of this operator, so that the next one goes on with what the last began. */
function runOf(stack: string): RecoverySettings["run"] {
  return {
    id: `${stack}-${userInfo().username}-${hostname()}`,
    who: `${userInfo().username}@${hostname()}`,
    why: "pulumi up",
  };
}
