import type { Pin } from "./restore-point.ts";

/** A pin as stack config keeps it, in clear: the point's id and its hashes. */
export function pinText({ id, manifestSha256, archiveSha256 }: Pin): string {
  return [id, manifestSha256, ...(archiveSha256 === null ? [] : [archiveSha256])].join("@");
}

/** The pin in a text that `pinText` made; undefined for any other text. */
export function parsePin(text: string): Pin | undefined {
  const match =
    /^(?<id>[A-Za-z0-9_.-]+)@(?<manifest>[0-9a-f]{64})@(?<archive>[0-9a-f]{64})$/.exec(text) ??
    /^(?<id>[a-z]+\/\d{8}T\d{6}Z)@(?<manifest>[0-9a-f]{64})$/.exec(text);
  if (!match) return undefined;
  const { id = "", manifest = "", archive = null } = match.groups ?? {};
  return { id, manifestSha256: manifest, archiveSha256: archive };
}
