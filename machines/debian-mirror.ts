import { execa } from "execa";
import type { DebianRelease } from "../site/debian-versions.ts";

/** Where Debian's packages come from; both without a trailing slash. */
export interface DebianMirror {
  archive: string;
  security: string;
}

export const codenames: Record<DebianRelease, string> = { "12": "bookworm", "13": "trixie" };

const defaultMirror: DebianMirror = {
  archive: "http://deb.debian.org/debian",
  security: "http://deb.debian.org/debian-security",
};

const indexFormat = "$(REPO_URI)|$(ORIGIN)|$(LABEL)";

/** The mirror named in the answer of `apt-get indextargets`, a line `URI|origin|label` for each list that apt has. */
export function mirrorFromIndexTargets(output: string): Partial<DebianMirror> {
  const mirror: Partial<DebianMirror> = {};
  for (const line of output.split("\n")) {
    const [uri = "", origin, label] = line.trim().split("|");
    // `mirror+file:` and the like name a list of mirrors: mmdebstrap and the proxy need one host.
    if (origin !== "Debian" || !/^https?:\/\//.test(uri)) continue;
    const address = uri.replace(/\/+$/, "");
    if (label === "Debian") mirror.archive ??= address;
    if (label === "Debian-Security") mirror.security ??= address;
  }
  return mirror;
}

/** The addresses of Release files in the answer of `apt-get update --print-uris`, without `/dists/…`. */
export function repositoriesFromUris(output: string): string[] {
  const found = [...output.matchAll(/^'(https?:\/\/[^']+?)\/+dists\/[^']*\/InRelease'/gm)];
  return [...new Set(found.map((match) => match[1] ?? ""))];
}

/** sources.list of a release: the archive, its updates, its security updates. */
export function sourcesOf(release: DebianRelease, mirror: DebianMirror): string[] {
  const codename = codenames[release];
  return [
    `deb ${mirror.archive} ${codename} main`,
    `deb ${mirror.archive} ${codename}-updates main`,
    `deb ${mirror.security} ${codename}-security main`,
  ];
}

/**
 * The mirror of this computer when it is a Debian itself, else Debian's own.
 * Asks apt for the lists it has; where they were deleted (container images), for what it would fetch.
 */
export async function findDebianMirror(): Promise<DebianMirror> {
  const targets = await execa("apt-get", ["indextargets", "--format", indexFormat], { reject: false });
  const mirror = mirrorFromIndexTargets(targets.stdout);
  if (!mirror.archive) {
    const uris = await execa("apt-get", ["update", "--print-uris"], { reject: false });
    const lines = [...uris.stdout.matchAll(/^'(https?:\/\/[^']+\/InRelease)'/gm)];
    for (const [, address = ""] of lines) {
      const release = await firstBytesOf(address);
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(release)?.[1]?.trim() ?? "";
      const [repository = ""] = repositoriesFromUris(`'${address}'`);
      const found = mirrorFromIndexTargets(`${repository}|${field("Origin")}|${field("Label")}`);
      mirror.archive ??= found.archive ?? "";
      mirror.security ??= found.security ?? "";
      if (!mirror.archive) delete mirror.archive;
      if (!mirror.security) delete mirror.security;
    }
  }
  return { ...defaultMirror, ...mirror };
}

async function firstBytesOf(address: string): Promise<string> {
  try {
    const response = await fetch(address, {
      headers: { range: "bytes=0-2047" },
      signal: AbortSignal.timeout(5000),
    });
    return response.ok ? (await response.text()).slice(0, 2048) : "";
  } catch {
    return "";
  }
}
