import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { fingerprint, type SshTarget } from "../ssh/connection.ts";
import { presentedKey } from "../ssh/presented-key.ts";
import {
  confirmsKey,
  firstContact,
  leastTyped,
  readKnownHosts,
  rememberHost,
  type FirstContact,
} from "./known-hosts.ts";
import { operator } from "./operator.ts";

/** A host as the command line names it. */
export interface NamedHost {
  user: string;
  address: string;
  port: number;
  hostKey?: string;
}

export interface MeetOptions {
  /** The site's folder in the operator's state. */
  stateFolder: string;
  /** The option that gives the host's key. */
  flag: string;
  /** Asks the operator and gives the answer; undefined when there is nobody to ask. */
  ask: ((question: string) => Promise<string>) | undefined;
  signal?: AbortSignal;
}

export interface MetHost {
  target: SshTarget;
  from: FirstContact["from"];
  /** Keeps the key that was given, once the host has proved that it has it. */
  remember(): Promise<void>;
}

/** Gives the host its key: from the flag, from memory, or as the operator reads it off the host's console. */
export async function meetHost(host: NamedHost, options: MeetOptions): Promise<MetHost> {
  const { stateFolder, flag, ask, signal } = options;
  const { user, address, port } = host;
  const contact = firstContact(await readKnownHosts(stateFolder), host, {
    ...(host.hostKey === undefined ? {} : { hostKey: host.hostKey }),
    flag,
    terminal: ask !== undefined,
  });
  const remember = (hostKey: string, how: "flag" | "console") =>
    rememberHost(stateFolder, host, { hostKey, how, who: operator(), at: new Date().toISOString() });
  if (contact.from !== "question") {
    const { hostKey, from } = contact;
    return {
      target: { user, address, port, hostKey },
      from,
      remember: async () => {
        if (from === "flag") await remember(hostKey, "flag");
      },
    };
  }
  const hostKey = await presentedKey(host, signal);
  const typed = (await ask?.(consoleQuestion(address, hostKey))) ?? "";
  if (!confirmsKey(typed, hostKey)) throw notConfirmed(address, hostKey, typed);
  await remember(hostKey, "console");
  return { target: { user, address, port, hostKey }, from: "question", remember: () => Promise.resolve() };
}

/** What the operator is asked at first contact. Pure. */
export function consoleQuestion(address: string, hostKey: string): string {
  const type = (hostKey.split(" ")[0] ?? "").replace(/^ssh-|-sha2-.*$/g, "");
  return `\
${address} is not known yet. What answers there presents this key:
  ${type} ${fingerprint(hostKey)}
Whoever stands in between would present one too. Open the host's console at its provider, and there, not by ssh:
  ssh-keygen -lf /etc/ssh/ssh_host_${type}_key.pub
type or paste the fingerprint that the CONSOLE shows, all of it or ${leastTyped} characters: `;
}

function notConfirmed(address: string, hostKey: string, typed: string): OperatorError {
  return new OperatorError(
    exitCodes.refused,
    `${address} is not confirmed: that is not the fingerprint of the key that it presents`,
    `it presents ${fingerprint(hostKey)}, and '${typed.slice(0, 80)}' was typed`,
    "if the console shows another fingerprint, do not go on: the address is another server's, or somebody stands in between",
  );
}
