import { exitCodes, OperatorError } from "../site/operator-error.ts";

/** How far a dial got; what is said of a host that stops answering depends on it. */
export type Phase = "connect" | "greeting" | "key exchange" | "authentication" | "ready";

/** A public key that the ssh agent offered. */
export interface OfferedKey {
  type: string;
  fingerprint: string;
  comment: string;
}

const addAKey = 'Load the key that the host knows: eval "$(ssh-agent)" && ssh-add PATH-OF-KEY';

export function hostKeyDiffers(host: string, expected: string, seen: string | undefined): OperatorError {
  return new OperatorError(
    exitCodes.refused,
    `${host} is not the host it should be: its host key differs.`,
    seen === undefined
      ? `Expected ${expected}; the host has no key of that type.`
      : `Expected ${expected}, the host shows ${seen}.`,
    "If the host was reinstalled, read its key on its console (cat /etc/ssh/ssh_host_ed25519_key.pub) and give the new key with --host-key; otherwise do not go on: somebody may stand in between.",
  );
}

export function noAgent(host: string): OperatorError {
  return new OperatorError(
    exitCodes.missingHere,
    `Cannot log in to ${host}: there is no ssh agent.`,
    "SSH_AUTH_SOCK is not set, and no other agent was named.",
    addAKey,
  );
}

export function agentFailed(host: string, agent: string, cause: Error): OperatorError {
  return new OperatorError(
    exitCodes.missingHere,
    `Cannot log in to ${host}: the ssh agent does not answer.`,
    `Agent ${agent}: ${cause.message}.`,
    addAKey,
    { cause },
  );
}

export function authenticationRefused(
  host: string,
  user: string,
  agent: string,
  offered: OfferedKey[],
  serverSaid?: string,
): OperatorError {
  const keys = offered.map((key) => `${key.fingerprint} (${[key.type, key.comment].join(" ").trim()})`);
  const said = serverSaid === undefined ? "" : ` The host said: ${serverSaid}.`;
  return new OperatorError(
    exitCodes.missingHere,
    `${host} refused to let ${user} in.`,
    (keys.length === 0
      ? `The ssh agent ${agent} holds no key.`
      : `The ssh agent ${agent} offered ${keys.join(", ")}.`) + said,
    `${addAKey}; or add a public key of yours to ${user}'s authorized_keys on the host's console.`,
  );
}

const unreachableReasons: Record<string, string> = {
  ECONNREFUSED: "Nothing listens on that port",
  EHOSTUNREACH: "No route leads to the host, or it is switched off",
  ENETUNREACH: "No route leads to the host's network",
  ENOTFOUND: "The name is not known to DNS",
  EAI_AGAIN: "DNS does not answer",
  ETIMEDOUT: "Nothing answers there",
};

export function unreachable(host: string, cause: NodeJS.ErrnoException): OperatorError {
  const reason = unreachableReasons[cause.code ?? ""];
  return new OperatorError(
    exitCodes.failed,
    `${host} cannot be reached.`,
    reason === undefined ? `${cause.message}.` : `${reason} (${cause.message}).`,
    "Check the address and port, that the host runs, and that its firewall lets this computer in.",
    { cause },
  );
}

export function noAnswer(host: string, phase: Phase, timeoutSeconds: number): OperatorError {
  if (phase === "connect")
    return new OperatorError(
      exitCodes.failed,
      `${host} cannot be reached.`,
      `Nothing answered within ${timeoutSeconds} s: it is switched off, or a firewall drops the packets.`,
      "Check the address and port, that the host runs, and that its firewall lets this computer in.",
    );
  return new OperatorError(
    exitCodes.failed,
    `${host} is silent.`,
    phase === "greeting"
      ? `It took the connection and then said nothing for ${timeoutSeconds} s: sshd hangs, or something else listens there.`
      : `It stopped answering during ${phase} (limit ${timeoutSeconds} s).`,
    "Look at the host's console: load, memory, full disk; restart sshd there or the host.",
  );
}

export function endedEarly(host: string, phase: Phase, cause?: Error): OperatorError {
  return new OperatorError(
    exitCodes.failed,
    `${host} ended the connection before we were logged in.`,
    `It did so during ${phase}${cause === undefined ? "" : `: ${cause.message}`}.`,
    "sshd may be starting, have too many connections (MaxStartups), or have banned this address (fail2ban): try again in a minute, then look at its log on the console.",
    cause === undefined ? undefined : { cause },
  );
}

/** `during` reads on from "The connection to HOST was lost", such as "while 'run-step restore' ran". */
export function connectionLost(host: string, during: string, why: string): OperatorError {
  return new OperatorError(
    exitCodes.failed,
    `The connection to ${host} was lost ${during}.`,
    why,
    "Run the same command again: what is done is not done twice.",
  );
}

export function ranTooLong(host: string, command: string, timeoutSeconds: number): OperatorError {
  return new OperatorError(
    exitCodes.failed,
    `'${command}' on ${host} took too long.`,
    `It had not ended after ${timeoutSeconds} s; it may still run there.`,
    "Look at the host: is it overloaded, or does the command wait for something?",
  );
}

export function tooMuchOutput(host: string, command: string, limitBytes: number): OperatorError {
  return new OperatorError(
    exitCodes.failed,
    `'${command}' on ${host} printed too much.`,
    `Its output exceeds ${limitBytes / 1024 ** 2} MiB; it was cut off.`,
    "Have it write to a file on the host.",
  );
}

export function interrupted(host: string, during: string): OperatorError {
  return new OperatorError(
    exitCodes.interrupted,
    `Interrupted ${during} on ${host}.`,
    "It was cancelled here.",
    "Run the same command again to go on.",
  );
}
