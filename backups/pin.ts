import type { Pin } from "./restore-point.ts";

/** A pin as stack config keeps it, in clear: the point's id and both of its hashes. */
export function pinText({ id, manifestSha256, archiveSha256 }: Pin): string {
  return [id, manifestSha256, archiveSha256].join("@");
}

/** The pin in a text that `pinText` made; undefined for any other text. */
export function parsePin(text: string): Pin | undefined {
  const match = /^([A-Za-z0-9_.-]+)@([0-9a-f]{64})@([0-9a-f]{64})$/.exec(text);
  if (!match) return undefined;
  const [, id = "", manifestSha256 = "", archiveSha256 = ""] = match;
  return { id, manifestSha256, archiveSha256 };
}
