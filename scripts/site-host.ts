import { type Command } from "commander";
import { meetHost, type MetHost } from "../run/meet-host.ts";
import { stateDirectory } from "../run/state-directory.ts";
import { loadSite, type LoadedSite } from "../site/load.ts";
import { ask, atTerminal } from "./ask.ts";
import { target } from "./target.ts";

/** The options of a command about a site's host, a living one. */
export interface SiteHostOptions {
  site: string;
  host: string;
  hostKey?: string;
}

export function aboutSiteHost(command: Command, host: string): Command {
  return command
    .requiredOption("--host <host>", `${host}: [USER@]ADDRESS[:PORT]`)
    .option("--host-key <key>", "its public host key: 'ssh-ed25519 AAAA…'; without, the one that is known")
    .option("--site <file>", "the site's configuration", "site.yaml");
}

/** The site, and its host with the key that it must show. */
export async function siteHost(
  { site: file, host, hostKey }: SiteHostOptions,
  signal: AbortSignal,
): Promise<{ loaded: LoadedSite; met: MetHost }> {
  const loaded = await loadSite(file);
  const met = await meetHost(target(host, hostKey), {
    stateFolder: stateDirectory(loaded.site.name),
    flag: "--host-key",
    ask: atTerminal() ? ask : undefined,
    signal,
  });
  return { loaded, met };
}
