import * as pulumi from "@pulumi/pulumi";
import { BackupSchedule } from "../components/backup-schedule.ts";
import { ReplacementServer } from "../components/replacement-server.ts";
import { requireObjectives } from "../offsite/require-objectives.ts";
import { serverSecrets, planProtection, planUnprotection } from "../runbook/protection.ts";
import type { Step } from "../runbook/step.ts";
import { loadSite } from "../site/load.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import type { Site } from "../site/schema.ts";
import { readSecrets } from "../site/secrets.ts";
import type { SshTarget } from "../ssh/connection.ts";
import { packHostFolder } from "../ssh/host-folder.ts";
import { HostSession, type RunIdentity } from "../ssh/host-session.ts";
import type { RecoverySettings } from "./settings.ts";

export interface ProtectionOptions {
  siteFile: string;
  /** The server that makes its own backups from now on. */
  host: RecoverySettings["host"];
  run: RunIdentity;
  agentSocketPath?: string;
  /** It makes none any more, and those that are there stay. */
  remove?: boolean;
  say: (line: string) => void;
}

/** What is put on a living server so that it makes its own backups, looked at from all sides that need no host. */
export interface PreparedProtection {
  site: Site;
  host: RecoverySettings["host"];
  steps: Step[];
  /** Names of the secrets that the server keeps. */
  secrets: string[];
  session: HostSession;
}

/** What the stack tells. */
export interface ProtectionOutputs {
  address: pulumi.Output<string>;
}

/** Dials nobody. Throws OperatorError (2) when site.yaml says nothing of backups, or they could not meet the site's objectives. */
export async function prepareProtection(options: ProtectionOptions): Promise<PreparedProtection> {
  const { host, run, say, agentSocketPath } = options;
  const loaded = await loadSite(options.siteFile);
  const { site } = loaded;
  const { backups } = site;
  if (backups === undefined) {
    throw new OperatorError(
      exitCodes.usage,
      "site.yaml does not say that the server makes its own backups",
      "it has no section backups",
      "add one, such as `backups: {}`: docs/backups.md",
    );
  }
  if (options.remove !== true) requireObjectives(site);
  const target: SshTarget = { ...host, ...(agentSocketPath === undefined ? {} : { agentSocketPath }) };
  const secrets = options.remove === true ? [] : serverSecrets(site);
  return {
    site,
    host,
    secrets,
    steps:
      options.remove === true
        ? planUnprotection(backups)
        : planProtection(site, backups, (await packHostFolder()).digest),
    session: new HostSession({
      target,
      run,
      secrets: () => readSecrets(loaded, secrets),
      relayedFolders: {},
      say,
    }),
  };
}

/** Declares a living server and the backups that it makes. */
export function declareProtection({
  host,
  steps,
  session,
}: Pick<PreparedProtection, "host" | "steps" | "session">): ProtectionOutputs {
  const server = new ReplacementServer("server", host);
  new BackupSchedule("backups", { server, steps, session });
  return { address: server.address };
}
