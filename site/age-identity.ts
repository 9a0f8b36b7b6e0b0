/** Why age could not use this as the file of a private key while nobody is there to ask; undefined when it could. Pure. */
export function identityProblem(text: string): string | undefined {
  if (/^-----BEGIN [A-Z ]*PRIVATE KEY-----/m.test(text)) {
    return isLocked(text) ? "it is an ssh key that is locked with a passphrase" : undefined;
  }
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "" && !line.startsWith("#"));
  if (lines.some((line) => line.startsWith("AGE-PLUGIN-"))) {
    return "it is a key of a plugin of age, which the host does not have";
  }
  return lines.length > 0 && lines.every((line) => /^AGE-SECRET-KEY-1[A-Z0-9]{58}$/.test(line))
    ? undefined
    : "it is neither a private key of age (AGE-SECRET-KEY-1…) nor one of ssh";
}

/** https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key: the name of the cipher comes first. */
function isLocked(pem: string): boolean {
  if (/^(Proc-Type: 4,ENCRYPTED|-----BEGIN ENCRYPTED PRIVATE KEY-----)/m.test(pem)) return true;
  const body = /^-----BEGIN OPENSSH PRIVATE KEY-----([\sA-Za-z0-9+/=]+)/m.exec(pem)?.[1];
  if (body === undefined) return false;
  const bytes = Buffer.from(body, "base64");
  const start = "openssh-key-v1\0".length;
  const length = bytes.length >= start + 4 ? bytes.readUInt32BE(start) : 0;
  return bytes.subarray(start + 4, start + 4 + length).toString("latin1") !== "none";
}
