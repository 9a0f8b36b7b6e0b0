import { readFile } from "node:fs/promises";
import type { RunRecord } from "../evidence/record.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import type { Site } from "../site/schema.ts";
import { connect, type SshTarget } from "../ssh/connection.ts";

/** How it is seen to that the old server does nothing any more. */
export type FencingPlan =
  | { how: "stop"; address: string }
  | { how: "said-to-be-off" }
  /** A recovery came to its end on this host: since then it is the one that serves. */
  | { how: "decided-before" }
  /** It is this host: a part of its site is mended there. */
  | { how: "this-host" }
  /** Nobody has said anything yet. */
  | { how: "ask" };

/**
 * What becomes of the old server, before anything is done. Pure.
 *
 * @throws OperatorError (refused) when nobody says it, and there is nobody to ask
 */
export function planFencing(said: {
  oldHost?: string;
  isOff: boolean;
  finished: boolean;
  /** A part of the site is mended where the rest stands. */
  mends: boolean;
  terminal: boolean;
}): FencingPlan {
  if (said.oldHost !== undefined) return { how: "stop", address: said.oldHost };
  if (said.mends) return { how: "this-host" };
  if (said.isOff) return { how: "said-to-be-off" };
  if (said.finished) return { how: "decided-before" };
  if (said.terminal) return { how: "ask" };
  throw notSaid("there is no terminal to ask on");
}

/** @returns the refusal of a rebuild whose old server may still work. */
export function notSaid(why: string): OperatorError {
  return new OperatorError(
    exitCodes.refused,
    "it is not said whether the old server is off",
    `${why}; an old worker beside a new one sends everything twice, and what users write there is lost`,
    "switch it off at its provider and say --old-host-is-off, or have it stopped: --old-host root@ADDRESS --old-host-key 'ssh-ed25519 AAAA…'",
  );
}

type Fenced = NonNullable<RunRecord["fencing"]>["units"];
const limitSeconds = 300;

/**
 * Stops the site on its old server, workers first, disables it at boot, and proves that nothing of it is left running.
 *
 * @throws OperatorError: it cannot be reached, it is the new host, it is none of the site's, or something still runs
 */
export async function fence(
  target: SshTarget,
  options: { site: Site; newMachine: string; signal: AbortSignal },
): Promise<Fenced> {
  const { site, newMachine, signal } = options;
  const connection = await connect(target, { signal });
  try {
    const script = await readFile(new URL("../host/fence", import.meta.url), "utf8");
    // Names of units are checked by the schema: no quotes among them.
    const units = [...site.workers.map(({ unit }) => unit), "nginx.service"].map((unit) => `'${unit}'`);
    const { stdout, stderr } = await connection.run(
      `bash -c "$(cat)" fence '${newMachine}' ${units.join(" ")}`,
      { stdin: script, timeoutSeconds: limitSeconds, signal },
    );
    return provenStopped(target.address, newMachine, stdout, stderr);
  } finally {
    await connection.close();
  }
}

/** What host/fence printed, as proof; pure. */
export function provenStopped(address: string, newMachine: string, printed: string, said: string): Fenced {
  const lines = printed.split("\n").map((line) => line.split("\t"));
  const machine = lines.find(([name]) => name === "machine")?.[1];
  const units = lines
    .filter(([name]) => name === "unit")
    .map(([, unit = "", before = "", after = ""]) => ({ unit, before, after }));
  const listening = lines.filter(([name]) => name === "listening").map(([, place = ""]) => place);
  const refuse = (what: string, why: string, next: string) =>
    new OperatorError(exitCodes.refused, what, why, next);
  if (machine === newMachine) {
    throw refuse(
      `${address} is not the old server: it is the host that is being rebuilt`,
      "both have the same machine-id",
      "give the old server's address; a copy of it as new host needs an id of its own: systemd-machine-id-setup",
    );
  }
  if (units.length === 0) {
    throw refuse(
      `${address} is not the old server, or cannot be stopped`,
      said
        .trim()
        .split("\n")
        .findLast((line) => line !== "") ?? "it has neither nginx nor a worker of this site",
      "give the old server's address, or switch it off at its provider and say --old-host-is-off",
    );
  }
  const running = units.filter(({ after }) => !/^(inactive|failed), (?!enabled)/.test(after));
  if (running.length > 0 || listening.length > 0) {
    const left = [
      ...running.map(({ unit, after }) => `${unit} is ${after}`),
      ...listening.map((place) => `something still listens on ${place}`),
    ];
    throw refuse(
      `the old server ${address} still works`,
      left.join("; "),
      "stop it there or switch it off at its provider, then say --old-host-is-off",
    );
  }
  return units;
}
