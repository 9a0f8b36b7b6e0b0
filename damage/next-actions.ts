import type { Facts } from "./facts.ts";
import type { Verdict } from "./verdict.ts";

/** One thing to do: what for, with the runbook's number where it has one; and the line to paste, where there is one. */
export interface NextAction {
  what: string;
  command: string | null;
}

/** How commands name this site and its host; each ready for a shell. */
export interface CommandWords {
  /** `--site FILE`. */
  site: string;
  /** `--host … --host-key …`; null when the host was not given. */
  host: string | null;
  /** `ssh root@…`; null when the host was not given. */
  ssh: string | null;
}

/**
 * What to do now. Only commands that are there: where recovery does not yet do a scenario, the runbook's own first steps stand,
 * and that it does not is said. Pure; never throws.
 */
export function nextActions(facts: Facts, verdict: Verdict, words: CommandWords): NextAction[] {
  const { site } = facts;
  const recovery = (command: string) => `npx recovery ${command} ${words.site}`;
  const onHost = (what: string, command: string): NextAction => ({
    what,
    command: words.ssh === null ? command : `${words.ssh} ${quoted(command)}`,
  });
  const check: NextAction = {
    what: "when it is mended, ask all of the site's checks",
    command: words.host === null ? null : `${recovery("check")} ${words.host}`,
  };
  const rebuild = (what: string, more = ""): NextAction => ({
    what: `${what}: rent a blank one, read its host key on its console (docs/rebuild.md), then`,
    command: `${recovery("rebuild")} --host root@NEW-SERVER --host-key "ssh-ed25519 …"${more}`,
  });
  const only = (part: "application" | "database", what: string, more = ""): NextAction => ({
    what,
    command:
      words.host === null || facts.server.address === null
        ? null
        : `${recovery("rebuild")} ${words.host} --again ${facts.server.address} --only ${part}${more}`,
  });
  // On a server of its own the database comes back on another one; the host that was looked at is the site's.
  const elsewhere = site.databases.some((one) => one.kind === "postgresql" && one.server === "own");
  const database = (what: string, more = ""): NextAction =>
    elsewhere && words.host !== null
      ? {
          what: `${what}; on a blank server`,
          command: `${recovery("rebuild")} --host root@NEW-DATABASE-SERVER --host-key "ssh-ed25519 …" --only database${more} ${words.host.replaceAll("--host", "--application-host")}`,
        }
      : only("database", what, more);
  const points: NextAction = { what: "see which restore points there are", command: recovery("points list") };
  const workers = site.workers.map(({ unit }) => unit);
  const stop = (what: string) => onHost(what, `systemctl stop nginx.service ${workers.join(" ")}`.trim());
  const copies = site.databases.map((database) => {
    if (database.kind === "sqlite") {
      return `cp -a ${shellWord(absolute(site.application.path, database.path))}* /root/damaged/`;
    }
    const dump = shellWord(`/root/damaged/${database.name}.dump`);
    return `runuser -u postgres -- pg_dump --format=custom ${shellWord(database.database)} >${dump}`;
  });
  const keep = ["umask 077", "mkdir -p /root/damaged", ...copies].join(" && ");
  // Beside its site it would come back from the backup, and what its own server has would be used no more.
  const stays = elsewhere ? " --only application" : "";
  const alone = "if it cannot be mended in its time, bring back that part alone (docs/rebuild.md)";

  switch (verdict.scenario) {
    case "complete-failure":
      return [
        {
          what: "1.1: look at the provider's console; a server that only hangs is restarted there, and looked at again",
          command: null,
        },
        rebuild("1.2: if it does not come back, it needs another server", stays),
      ];
    case "database-corruption":
      return [
        stop("2.1: stop what writes"),
        elsewhere
          ? { what: "2.2: keep what is there, on the database's own server", command: keep }
          : onHost("2.2: keep what is there, with its journal", keep),
        { ...points, what: "2.3: choose the newest point of before the damage" },
        database("2.4: bring back the database alone; what is there is kept", " --point ID"),
      ];
    case "data-deletion":
      return [
        stop("3.2: stop further changes"),
        { ...points, what: "3.4: choose the newest point of before the deletion" },
        {
          what: "3.5: recovery does not put back single rows or files yet: fetch the point, and do it by hand as the runbook says",
          command: `${recovery("points fetch ID")} --to FOLDER`,
        },
      ];
    case "configuration-error":
      return [
        onHost(
          "4.1: see what was changed last, and what the logs say",
          `ls -lat ${shellWord(site.application.path)}; journalctl -n 50 -u nginx -u ${shellWord(`php${site.php.version}-fpm`)}`,
        ),
        {
          what: "4.2: correct it on the host; the files as they were are in config/ of a restore point",
          command: `${recovery("points fetch ID")} --to FOLDER`,
        },
        onHost(
          "4.4: restart",
          `systemctl restart ${shellWord(`php${site.php.version}-fpm.service`)} nginx.service`,
        ),
        check,
      ];
    case "compromise":
      return [
        {
          what: "5.1: cut the server off at its provider's firewall and keep an image of its disk; what it says of itself proves nothing any more",
          command: null,
        },
        rebuild("5.4: it is never cleaned", " --before TIME-OF-THE-BREAK-IN"),
        {
          what: "5.3: change every password, token and key that was on it: they are in the restored files too",
          command: null,
        },
      ];
    case "database-server-failure":
    case "application-server-failure":
      return serverFailure(facts, onHost, check, [
        verdict.scenario === "database-server-failure" ? database(alone) : only("application", alone),
        rebuild("if the site's server itself is lost, it needs another", stays),
      ]);
    case null:
      return withoutScenario(facts, verdict, words, recovery, check, onHost);
  }
}

function serverFailure(
  { login }: Facts,
  onHost: (what: string, command: string) => NextAction,
  check: NextAction,
  otherwise: NextAction[],
): NextAction[] {
  const report = login.state === "seen" ? login.report : undefined;
  const dead = (report?.units ?? [])
    .filter(({ active }) => active !== "active" && active !== "unknown")
    .map(({ unit }) => shellWord(unit));
  const isFull = (report?.disks ?? []).filter(
    ({ bytes, freeBytes, inodes, freeInodes }) =>
      freeBytes / bytes < 0.02 || (inodes > 0 && freeInodes / inodes < 0.02),
  );
  return [
    ...isFull.map(({ mount }) =>
      onHost("make room: what is large", `du -xh --max-depth=3 ${shellWord(mount)} | sort -h | tail -n 20`),
    ),
    ...(dead.length > 0
      ? [
          onHost(
            "1.10: start what does not run, and read what it says",
            `systemctl restart ${dead.join(" ")}; journalctl -n 30 ${dead.map((unit) => `-u ${unit}`).join(" ")}`,
          ),
        ]
      : []),
    ...(dead.length === 0 && isFull.length === 0
      ? [
          onHost(
            "read the logs",
            "systemctl --failed; journalctl -p err -n 50; tail -n 30 /var/log/nginx/error.log",
          ),
        ]
      : []),
    check,
    ...otherwise,
  ];
}

function withoutScenario(
  { site, server }: Facts,
  { outcome }: Verdict,
  words: CommandWords,
  recovery: (command: string) => string,
  check: NextAction,
  onHost: (what: string, command: string) => NextAction,
): NextAction[] {
  if (words.host === null)
    return [
      {
        what: "look at the host itself, by its address and its host key (docs/assess.md)",
        command: `${recovery("assess")} --host root@${server.address ?? "ADDRESS"} --host-key "ssh-ed25519 …"`,
      },
    ];
  if (outcome === "unclear")
    return [{ what: "mend that, and look again", command: `${recovery("assess")} ${words.host}` }];
  if (outcome === "wrong")
    return [onHost("if it is the certificate: see what certbot says", "certbot renew --dry-run"), check];
  return [
    { ...check, what: `ask all of the site's checks, as a user of ${site.domain} would` },
    { what: "prove that it could be recovered today", command: recovery("drill") },
  ];
}

function absolute(folder: string, path: string): string {
  return path.startsWith("/") ? path : `${folder}/${path}`;
}

/** A text as one word of a shell: as it is, or in single quotes. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : quoted(text);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
