import type { DebianNeed } from "../machines/debian-packages.ts";

/** What host/resident/pack is made of, where it runs on this computer. SQLite and PostgreSQL have their own. */
export const packerNeeds: readonly DebianNeed[] = [
  ...["age", "git", "jq", "openssl", "tar", "zstd"].map((name) => ({ command: name, package: name })),
  { command: "ssh-keygen", package: "openssh-client" },
  // It brings no command, so it is known by a file of its own.
  { command: "/usr/share/doc/libnet-ssleay-perl/copyright", package: "libnet-ssleay-perl" },
];
