import { createHash } from "node:crypto";
import { exitCodes, OperatorError } from "../site/operator-error.ts";

export interface HostKey {
  /** Such as "ssh-ed25519". */
  type: string;
  /** The key as it travels on the wire. */
  blob: Buffer;
}

/**
 * Signature algorithms by which a server proves each type of key. ssh-rsa with SHA-1 is left out: OpenSSH has refused
 * it since 8.8.
 */
const algorithmsByType = {
  "ssh-ed25519": ["ssh-ed25519"],
  "ecdsa-sha2-nistp256": ["ecdsa-sha2-nistp256"],
  "ecdsa-sha2-nistp384": ["ecdsa-sha2-nistp384"],
  "ecdsa-sha2-nistp521": ["ecdsa-sha2-nistp521"],
  "ssh-rsa": ["rsa-sha2-512", "rsa-sha2-256"],
} as const;

type HostKeyAlgorithm = (typeof algorithmsByType)[keyof typeof algorithmsByType][number];

/**
 * Reads a host key as it stands in a .pub file or, without the names, in known_hosts: type, base64, perhaps a comment.
 * Throws OperatorError (usage) when it is none.
 */
export function parseHostKey(hostKey: string): HostKey {
  const [type = "", base64 = ""] = hostKey.trim().split(/\s+/);
  const blob = Buffer.from(base64, "base64");
  const isBase64 = base64 !== "" && blob.toString("base64") === base64;
  // The blob repeats the type behind its length (RFC 4253, section 6.6).
  const inside = blob.length >= 4 ? blob.subarray(4, 4 + blob.readUInt32BE(0)).toString("latin1") : undefined;
  if (!isBase64 || inside !== type || !Object.hasOwn(algorithmsByType, type))
    throw new OperatorError(
      exitCodes.usage,
      `This is no host key: "${hostKey.slice(0, 60)}".`,
      `A host key is its type and its base64 text; the types known here are ${Object.keys(algorithmsByType).join(", ")}.`,
      "Take it from the host's console: cat /etc/ssh/ssh_host_ed25519_key.pub",
    );
  return { type, blob };
}

/** What to ask a server for, so that it shows the key that is pinned and not another that it has. */
export function algorithmsFor(hostKey: HostKey): HostKeyAlgorithm[] {
  return [...algorithmsByType[hostKey.type as keyof typeof algorithmsByType]];
}

/** What to ask a server for whose key is not known yet: the type that its console is asked for first. */
export function hostKeyTypes(): HostKeyAlgorithm[] {
  return Object.values(algorithmsByType).flat();
}

/** `SHA256:…` as `ssh-keygen -l` prints it. */
export function fingerprint(hostKey: string | Buffer): string {
  const blob = typeof hostKey === "string" ? parseHostKey(hostKey).blob : hostKey;
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}
