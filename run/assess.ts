import { listPoints } from "../backups/catalogue.ts";
import { assess, type Assessment } from "../damage/assessment.ts";
import type { Facts } from "../damage/facts.ts";
import { shellWord, type CommandWords } from "../damage/next-actions.ts";
import type { LoadedSite } from "../site/load.ts";
import { OperatorError } from "../site/operator-error.ts";
import type { SshTarget } from "../ssh/connection.ts";
import { lookAtHost } from "./look-at-host.ts";
import { lookAtFrontPage, lookAtName, lookAtPort, ping } from "./look-from-outside.ts";

/** The first listing reads every backup from end to end. Somebody waits for this one. */
const storeSeconds = 60;

export interface AssessOptions {
  loaded: LoadedSite;
  /** site.yaml as the operator named it: for the commands that are proposed. */
  siteFile: string;
  target: SshTarget | undefined;
  /** Told what has been looked at, as each ends. */
  looked: (what: string) => void;
  signal: AbortSignal;
}

/** Looks at a site from all sides at once, each bounded in time, and says what it means. Changes nothing anywhere. */
export async function assessSite(options: AssessOptions): Promise<Assessment> {
  const { loaded, target, looked, signal } = options;
  const { site } = loaded;
  const told = async <Result>(what: string, looking: Promise<Result>): Promise<Result> => {
    const result = await looking;
    looked(what);
    return result;
  };
  const names = told("DNS", Promise.all([site.domain, ...site.aliases].map(lookAtName)));
  const address =
    target === undefined
      ? names.then(([domain]) => domain?.addresses[0] ?? null)
      : Promise.resolve(target.address);
  const fromOutside = address.then(async (server) => {
    if (server === null) return { server: { address: null, ping: "not-tried" as const, ports: [] } };
    const [answer, states, seen] = await Promise.all([
      told("ping", ping(server)),
      told("ports", Promise.all([target?.port ?? 22, 80, 443].map((port) => lookAtPort(server, port)))),
      told("front page", lookAtFrontPage(site, server)),
    ]);
    return { server: { address: server, ping: answer, ports: states }, ...seen };
  });
  const [resolved, outside, login, stores, instance] = await Promise.all([
    names,
    fromOutside,
    target === undefined
      ? ({ state: "not-asked" } as const)
      : told("the host", lookAtHost(site, target, signal)),
    told("backups", Promise.all(site.stores.map((store) => lookAtStore(store, loaded, signal)))),
    atItsCloud(site),
  ]);
  return assess(
    {
      site,
      at: new Date().toISOString(),
      names: resolved,
      ...outside,
      login,
      stores,
      ...(instance ? { instance } : {}),
    },
    words(options),
  );
}

async function atItsCloud({ replacement }: LoadedSite["site"]): Promise<Facts["instance"]> {
  if (replacement?.living === undefined) return undefined;
  // The cloud's library takes a second to load: for those who have one there.
  const { lookAtInstance } = await import("./ec2.ts");
  return lookAtInstance(replacement.region, replacement.living);
}

async function lookAtStore(
  store: LoadedSite["site"]["stores"][number],
  loaded: LoadedSite,
  signal: AbortSignal,
): Promise<Facts["stores"][number]> {
  const { name } = store;
  const late = AbortSignal.timeout(storeSeconds * 1000);
  try {
    const { site } = loaded;
    const expected = { site: site.name, signers: site.restorePoints.signers };
    const points = await listPoints(store, loaded, expected, {
      signal: AbortSignal.any([signal, late]),
    });
    return { name, error: null, points };
  } catch (error) {
    signal.throwIfAborted();
    const why = late.aborted
      ? `${storeSeconds} s were not enough to read it; npx recovery points list takes its time`
      : error instanceof OperatorError
        ? error.why
        : undefined;
    if (why === undefined) throw error;
    return { name, error: why, points: [] };
  }
}

function words({ siteFile, target }: AssessOptions): CommandWords {
  const site = `--site ${shellWord(siteFile)}`;
  if (target === undefined) return { site, host: null, ssh: null };
  const { user, address, port, hostKey } = target;
  const shown = address.includes(":") ? `[${address}]` : address;
  return {
    site,
    host: `--host ${user}@${shown}${port === 22 ? "" : `:${port}`} --host-key ${shellWord(hostKey)}`,
    ssh: `ssh ${port === 22 ? "" : `-p ${port} `}${user}@${address}`,
  };
}
