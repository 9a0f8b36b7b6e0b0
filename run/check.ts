import { randomBytes } from "node:crypto";
import { z } from "zod";
import {
  checkNeeds,
  checkRequest,
  databaseServerRequest,
  type CheckOptions,
  type CheckResult,
} from "../runbook/checks.ts";
import { checkSecrets } from "../runbook/complete-failure.ts";
import type { Facts } from "../runbook/step.ts";
import { readSecrets } from "../site/secrets.ts";
import type { LoadedSite } from "../site/load.ts";
import type { Site } from "../site/schema.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { connect, type SshTarget } from "../ssh/connection.ts";
import { inMemory, packHostFolder } from "../ssh/host-folder.ts";

export interface CheckRun {
  loaded: LoadedSite;
  target: SshTarget;
  /** Compare with the restore point that the host was restored from. */
  restored: boolean;
  isolated: boolean;
  /** Leave out what writes: nothing of the site changes then. */
  readOnly: boolean;
  /** How databases are asked; by default as the site has them. */
  databases?: CheckOptions["databases"];
  /** Install what the checks need and the host lacks; without, they are refused. */
  install: boolean;
  say: (line: string) => void;
  /** Ends the checks; they then fail as interrupted. */
  signal?: AbortSignal;
}

const resultsSchema = z.array(
  z.object({ title: z.string(), ok: z.boolean(), expected: z.string(), seen: z.string() }),
);
/** Integrity of every database is checked: that reads all of it. */
const limitSeconds = 3600;
/** An installation asks the package mirror, and may have to wait for another one. */
const installSeconds = 420;

/**
 * Asks of the site what its users would see, now, whatever any engine or ledger believes. Needs nothing of a recovery on the
 * host and takes no lock: what it is made of lies in memory while it runs, in a folder of its own that it removes.
 */
export async function runChecks(options: CheckRun): Promise<CheckResult[]> {
  const { loaded, restored, isolated, readOnly, databases, signal } = options;
  const { site } = loaded;
  return askHost(options, {
    secrets: await readSecrets(loaded, checkSecrets(site), signal ? { signal } : {}),
    needs: checkNeeds(site),
    request: checkRequest(site, {
      transport: "verified",
      restored,
      isolated,
      readOnly,
      ...(databases ? { databases } : {}),
      mark: mark(),
    }),
  });
}

/** The same of a database server that is the site's own. */
export function checkDatabaseServer(
  options: Omit<AskOptions, "install"> & { site: Site },
): Promise<CheckResult[]> {
  return askHost(
    { ...options, install: false },
    { secrets: {}, needs: ["jq"], request: databaseServerRequest(options.site, { mark: mark() }) },
  );
}

/** What a check writes can be told from what users wrote, and from what another run wrote. */
function mark(): string {
  return `recovery-check-${randomBytes(4).toString("hex")}`;
}

type AskOptions = Pick<CheckRun, "target" | "install" | "say" | "signal">;

async function askHost(
  { target, install, say, signal }: AskOptions,
  asked: { secrets: Record<string, string>; needs: string[]; request: Facts },
): Promise<CheckResult[]> {
  const cancel = signal ? { signal } : {};
  const connection = await connect(target, cancel);
  try {
    const secrets = Object.entries(asked.secrets).map(([name, value]) => [`secrets/${name}`, value] as const);
    const { tar } = await packHostFolder({
      "request.json": JSON.stringify(asked.request),
      ...Object.fromEntries(secrets),
    });
    const needs = asked.needs.join(" ");
    if (install) {
      const seeded = await connection.run(inMemory(`bash "$folder/seed" ${needs}`), {
        stdin: tar,
        timeoutSeconds: installSeconds,
        ...cancel,
      });
      if (seeded.exitCode !== 0) throw notInstalled(seeded.stderr);
      if (seeded.stdout.trim() !== "") say(`${target.address}: ${seeded.stdout.trim()}`);
    }
    const { exitCode, stdout, stderr } = await connection.run(inMemory(`bash "$folder/ask" ${needs}`), {
      stdin: tar,
      timeoutSeconds: limitSeconds,
      ...cancel,
    });
    if (exitCode === exitCodes.missingHere) throw missing(stdout.trim());
    if (exitCode !== 0) {
      throw new OperatorError(
        exitCodes.failed,
        "the checks could not be run",
        stderr.trim().split("\n").at(-1) ?? `exit code ${exitCode}`,
        "whether the site works is not known; look at it yourself, then run: npx recovery check --host HOST --host-key KEY",
      );
    }
    const busy = stderr.split("\n").find((line) => line.startsWith("a recovery is under way"));
    if (busy !== undefined) say(`${target.address}: ${busy}`);
    return resultsSchema.parse(JSON.parse(stdout));
  } finally {
    await connection.close();
  }
}

function missing(commands: string): OperatorError {
  return new OperatorError(
    exitCodes.missingHere,
    `the checks need on the host what it lacks: ${commands}`,
    "a check installs nothing on a living host unless it is told to",
    `run the same with --install, or on the host: apt-get install ${commands}`,
  );
}

function notInstalled(stderr: string): OperatorError {
  return new OperatorError(
    exitCodes.failed,
    "what the checks need could not be installed on the host",
    stderr.trim().split("\n").at(-1) ?? "apt-get said nothing",
    "mend that on the host, or run the same without --install",
  );
}
