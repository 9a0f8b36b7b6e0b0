import { exitCodes, OperatorError } from "../site/operator-error.ts";
import type { NamedHost } from "../run/meet-host.ts";
import { parseHostKey } from "../ssh/host-key.ts";

/**
 * The host as the command line names it: `[USER@]ADDRESS[:PORT]`, with its public key where that is given. What a host
 * presents itself is believed only when it was compared with the host's console. Throws OperatorError (usage) when either is none.
 */
export function target(host: string, hostKey: string): NamedHost & { hostKey: string };
export function target(host: string, hostKey: string | undefined): NamedHost;
export function target(host: string, hostKey: string | undefined): NamedHost {
  const match = /^(?:([a-z_][a-z0-9_-]*)@)?(\[[0-9a-f:]+\]|[^:@\s]+)(?::(\d{1,5}))?$/i.exec(host);
  const port = Number(match?.[3] ?? 22);
  if (!match || port < 1 || port > 65_535) {
    throw new OperatorError(
      exitCodes.usage,
      `'${host}' does not name a host`,
      "a host is written as ADDRESS, USER@ADDRESS or USER@ADDRESS:PORT",
      "for example: --host root@192.0.2.10",
    );
  }
  if (match[1] !== undefined && match[1] !== "root") {
    throw new OperatorError(
      exitCodes.usage,
      `recovery cannot log in as ${match[1]}`,
      "it installs packages and starts services, and does not use sudo yet",
      "let root log in with your key on the new server, and name it: --host root@ADDRESS",
    );
  }
  if (hostKey !== undefined) parseHostKey(hostKey);
  return {
    user: match[1] ?? "root",
    address: (match[2] ?? "").replace(/^\[|\]$/g, ""),
    port,
    ...(hostKey === undefined ? {} : { hostKey }),
  };
}
