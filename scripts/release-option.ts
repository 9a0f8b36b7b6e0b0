import { Option } from "commander";
import { debianVersions } from "../site/debian-versions.ts";

/** `--release`, the same for a drill and for what is baked for one. */
export function releaseOption(): Option {
  return new Option(
    "--release <number>",
    "onto this Debian with its own PHP and PostgreSQL, whatever site.yaml says",
  ).choices(Object.keys(debianVersions));
}
