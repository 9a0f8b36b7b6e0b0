import * as pulumi from "@pulumi/pulumi";
import { age } from "../backups/age.ts";
import { RecoveredSite } from "../components/recovered-site.ts";
import { ReplacementServer } from "../components/replacement-server.ts";
import type { StepCommandsArgs } from "../components/step-commands.ts";
import { HostSession } from "../ssh/host-session.ts";
import type { PreparedRecovery } from "./prepare.ts";

/** What the stack tells: all of it the same at each `up` that changes nothing. */
export interface RecoveryOutputs {
  url: string;
  address: pulumi.Output<string>;
  restorePoint: string;
  /** UTC, ISO 8601: everything that happened on the site after it is not restored. */
  dataTime: string;
  /** That of the databases, and the time after which nothing in them is restored, where they are of a newer point. */
  databases?: { restorePoint: string; dataTime: string };
}

/** The session that opens the prepared recovery's host; nothing is dialled before it is asked to. `more`: secrets beside those of site.yaml. */
export function hostSession(
  prepared: PreparedRecovery,
  say: (line: string) => void,
  agentSocketPath?: string,
  more: Record<string, string> = {},
): HostSession {
  const { host, run } = prepared.settings;
  return new HostSession({
    target: { ...host, ...(agentSocketPath === undefined ? {} : { agentSocketPath }) },
    run,
    secrets: async () => ({ ...(await prepared.secrets()), ...more }),
    relayedFolders: prepared.relayedFolders,
    say,
  });
}

/** Declares the replacement server and the site recovered on it. Both stacks, recovery and staging, are this. */
export function declareRecovery(
  prepared: PreparedRecovery,
  session: StepCommandsArgs["session"],
): RecoveryOutputs {
  const { settings, point, databases, loaded, steps } = prepared;
  const server = new ReplacementServer("server", { ...settings.host });
  const recovered = new RecoveredSite("site", { server, steps, session });
  const dataTime = point.timeOfData ?? "unknown";
  const databaseTime = databases?.timeOfData ?? "unknown";
  if (pulumi.runtime.isDryRun()) {
    // Said, not declared: an age differs at each look.
    void pulumi.log.info(
      [
        `the restore point is ${point.id} in ${point.store}, with data of ${dataTime} (${age(dataTime, new Date())} old)`,
        ...(databases
          ? [
              `that of its databases is ${databases.id} in ${databases.store}, with data of ${databaseTime} (${age(databaseTime, new Date())} old)`,
            ]
          : []),
      ].join("; "),
      recovered,
    );
  }
  return {
    url: `https://${loaded.site.domain}/`,
    address: server.address,
    restorePoint: point.id,
    dataTime,
    ...(databases ? { databases: { restorePoint: databases.id, dataTime: databaseTime } } : {}),
  };
}
