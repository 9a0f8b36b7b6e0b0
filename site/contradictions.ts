import { posix } from "node:path";
import type { Issue } from "./issue-messages.ts";
import { pathText } from "./configuration-errors.ts";
import { debianVersions } from "./debian-versions.ts";
import { unsafePlace } from "./places.ts";
import type { Site, Store } from "./schema.ts";
import { serverFiles } from "./server-files.ts";
import { sourceProblem } from "./git-source.ts";
import { isWritable } from "./writable-stores.ts";

/**
 * A site of which some sections or entries could not be read: those are undefined, entries keep their place. So what
 * contradicts itself elsewhere is found in the same go.
 */
export type ReadableSite = {
  [Key in keyof Site]?: Site[Key] extends (infer Entry)[] ? (Entry | undefined)[] : Site[Key];
};

/** Accounts and groups that every Debian has for purposes of its own (base-passwd), and that of the database server. */
const systemAccounts = [
  ...[
    "root",
    "daemon",
    "bin",
    "sys",
    "sync",
    "games",
    "man",
    "lp",
    "mail",
    "news",
    "uucp",
    "proxy",
    "backup",
  ],
  ...["list", "irc", "nobody", "nogroup", "adm", "disk", "kmem", "shadow", "staff", "sudo", "postgres"],
];

/** What each field allows and the fields together do not. Pure; sections that are undefined are not judged. */
export function contradictions(site: ReadableSite): Issue[] {
  return [
    ...application(site),
    ...versions(site),
    ...domains(site),
    ...fromBackup(site),
    ...workers(site),
    ...duplicates(site),
    ...places(site),
    ...nesting(site),
    ...configuration(site),
    ...connections(site),
    ...databaseServers(site),
    ...accounts(site),
    ...modes(site),
    ...objectives(site),
    ...checks(site),
    ...restorePoints(site),
    ...verification(site),
    ...stores(site),
    ...evidence(site),
    ...backupServers(site),
    ...backups(site),
    ...alerts(site),
  ];
}

function application({ application: section }: ReadableSite): Issue[] {
  if (section === undefined) return [];
  const { git, bundle, revision } = section;
  const issues: Issue[] = [];
  if (git === undefined && bundle === undefined) {
    issues.push(
      issue(["application"], "says neither `git` nor `bundle`: where does the application come from?"),
    );
  }
  if (git !== undefined) {
    const problem = sourceProblem(git, revision);
    if (problem !== undefined) issues.push(issue(["application", "git"], problem));
  }
  if (/^(HEAD|main|master|trunk|develop|latest|stable)$|^(refs|origin)\//.test(revision)) {
    issues.push(
      issue(
        ["application", "revision"],
        `${revision} is a branch, and a branch moves: name a tag or a full commit id`,
      ),
    );
  } else if (/^(?=.*[0-9])(?=.*[a-f])[0-9a-f]{7,39}$/.test(revision)) {
    issues.push(
      issue(["application", "revision"], "an abbreviated commit id: write all 40 digits (git rev-parse)"),
    );
  }
  return issues;
}

function versions({ php, server, packages }: ReadableSite): Issue[] {
  if (php === undefined || server === undefined) return [];
  const issues: Issue[] = [];
  const packaged = debianVersions[server.release].php;
  if (php.version !== packaged) {
    issues.push(
      issue(
        ["php", "version"],
        `Debian ${server.release} has PHP ${packaged}, not ${php.version}: change this or server.release`,
      ),
    );
  }
  for (const [index, name] of entries(packages)) {
    const version = /^php(\d+\.\d+)(-|$)/.exec(name)?.[1];
    if (version !== undefined && version !== php.version) {
      issues.push(
        issue(
          ["packages", index],
          `${name} belongs to another PHP than php.version ${php.version}: an extension goes into php.extensions, without a version`,
        ),
      );
    }
  }
  return issues;
}

function domains({ domain, aliases }: ReadableSite): Issue[] {
  return entries(aliases)
    .filter(([, alias]) => alias === domain)
    .map(([index, alias]) =>
      issue(["aliases", index], `${alias} is the domain itself: leave it out of the aliases`),
    );
}

function fromBackup(site: ReadableSite): Issue[] {
  const { configuration: section } = site;
  return serverFiles(site).flatMap(({ field, file, from }) => {
    if (from !== "backup") return [];
    if (file.includes("/")) {
      return [
        issue(
          field,
          `with \`from: backup\` this is the name of a file in the backup's config/, such as ${posix.basename(file)}`,
        ),
      ];
    }
    const index = section?.files.indexOf(file) ?? -1;
    if (index < 0) return [];
    return [
      issue(
        ["configuration", "files", index],
        `${file} is the server's configuration (${pathText(field)}): in the application's folder it could be read by visitors`,
      ),
    ];
  });
}

function workers({ workers: section }: ReadableSite): Issue[] {
  return entries(section).flatMap(([index, { unit }]) => {
    if (unit.endsWith("@.service")) {
      return [
        issue(
          ["workers", index, "unit"],
          `${unit} is a template: name the instance, such as worker@1.service`,
        ),
      ];
    }
    if (/^(nginx|php[\d.]*-fpm|ssh|cron|postgresql(@.*)?|recovery-.*)\.service$/.test(unit)) {
      return [
        issue(
          ["workers", index, "unit"],
          `${unit} is not a worker of the site: it is taken care of without this`,
        ),
      ];
    }
    return [];
  });
}

function duplicates(site: ReadableSite): Issue[] {
  const within = (key: keyof Site, list: Listed[]) =>
    repeated(list.map(({ path, value }) => ({ path: [key, ...path], value })));
  const field = <Entry>(
    list: (Entry | undefined)[] | undefined,
    ...names: (keyof Entry & string)[]
  ): Listed[] =>
    names.flatMap((name) =>
      entries(list).map(([index, entry]) => ({
        path: [index, name],
        value: `${name} ${String(entry[name])}`,
      })),
    );
  const plain = (list: (string | undefined)[] | undefined): Listed[] =>
    entries(list).map(([index, value]) => ({ path: [index], value }));
  const nested = (name: string, list: string[] | undefined): Listed[] =>
    entries(list).map(([index, value]) => ({ path: [name, index], value }));
  const postgresql = site.databases?.map((entry) => (entry?.kind === "postgresql" ? entry : undefined));
  return [
    ...within("aliases", plain(site.aliases)),
    ...within("packages", plain(site.packages)),
    ...within("php", nested("extensions", site.php?.extensions)),
    ...within("workers", field(site.workers, "unit", "file")),
    ...within("databases", field(site.databases, "name")),
    ...within("databases", field(postgresql, "database")),
    ...entries(postgresql).flatMap(([index, { role, roles, extensions }]) => [
      ...repeated([
        { path: ["databases", index, "role"], value: role },
        ...roles.map((value, at) => ({ path: ["databases", index, "roles", at], value })),
      ]),
      ...repeated(extensions.map((value, at) => ({ path: ["databases", index, "extensions", at], value }))),
    ]),
    ...within("configuration", nested("files", site.configuration?.files)),
    ...within("configuration", nested("requiredVariables", site.configuration?.requiredVariables)),
    ...within("secrets", field(site.secrets, "name")),
    ...within("stores", field(site.stores, "name")),
    ...within("stores", storePaths(site)),
    ...within("restorePoints", nested("signers", site.restorePoints?.signers)),
    ...within("restorePoints", nested("recipients", site.restorePoints?.recipients)),
    ...repeatedMembers(site),
    ...repeatedPaths(site),
  ];
}

function storePaths(site: ReadableSite): Listed[] {
  return entries(site.stores).map(([index, store]) => ({
    path: [index, "path"],
    value: `path ${store.path}${whereOf(store)}`,
  }));
}

function whereOf(store: Store): string {
  switch (store.kind) {
    case "directory":
      return "";
    case "ssh":
      return ` on ${store.host}`;
    case "s3":
      return ` in ${store.bucket}`;
    case "azure-blob":
      return ` in ${store.container}`;
  }
}

interface Listed {
  path: PropertyKey[];
  value: string;
}

function repeated(list: Listed[]): Issue[] {
  const first = new Map<string, PropertyKey[]>();
  return list.flatMap(({ path, value }) => {
    const earlier = first.get(value);
    if (earlier === undefined) {
      first.set(value, path);
      return [];
    }
    return [issue(path, `${value} is already given by ${pathText(earlier)}`)];
  });
}

const parts = ["databases", "uploads", "data"] as const;

function repeatedMembers(site: ReadableSite): Issue[] {
  return repeated(
    parts.flatMap((key) =>
      entries<{ member: string }>(site[key]).map(([index, { member }]) => ({
        path: [key, index, "member"],
        value: `member ${member}`,
      })),
    ),
  );
}

/** Where things lie on the host, absolute. */
interface Place {
  kind: "application" | "databases" | "uploads" | "data" | "logs" | "webroot" | "backups";
  path: PropertyKey[];
  place: string;
}

function placesOf(site: ReadableSite): Place[] {
  const root = site.application?.path;
  const places: Place[] = [];
  const add = (kind: Place["kind"], path: PropertyKey[], written: string) => {
    if (root === undefined && !written.startsWith("/")) return;
    places.push({ kind, path, place: posix.resolve(root ?? "/", written) });
  };
  if (root !== undefined) add("application", ["application", "path"], root);
  for (const key of [...parts, "logs"] as const) {
    for (const [index, entry] of entries<{ path?: string; member?: string }>(site[key]))
      if (entry.path !== undefined) add(key, [key, index, "path"], entry.path);
  }
  if (site.tls !== undefined) add("webroot", ["tls", "webroot"], site.tls.webroot);
  if (site.backups !== undefined) add("backups", ["backups", "path"], site.backups.path);
  return places;
}

function repeatedPaths(site: ReadableSite): Issue[] {
  return repeated(placesOf(site).map(({ path, place }) => ({ path, value: `path ${place}` })));
}

function places(site: ReadableSite): Issue[] {
  return placesOf(site).flatMap(({ path, place }) => {
    const problem = unsafePlace(place);
    return problem === undefined ? [] : [issue(path, problem)];
  });
}

/** Uploads and databases inside a data folder are common; every other nesting restores one thing over another. */
function nesting(site: ReadableSite): Issue[] {
  const all = placesOf(site);
  const folders = all.filter(({ kind }) => kind === "uploads" || kind === "data");
  const issues = folders.flatMap((outer) =>
    all
      .filter((inner) => inner.place.startsWith(`${outer.place}/`))
      .filter((inner) => !(outer.kind === "data" && ["uploads", "databases", "logs"].includes(inner.kind)))
      .map((inner) =>
        inner.kind === "application"
          ? issue(
              outer.path,
              `${outer.place} holds the application itself, which the restored data would replace`,
            )
          : issue(inner.path, `${inner.place} lies inside ${pathText(outer.path)} (${outer.place})`),
      ),
  );
  const webroot = all.find(({ kind }) => kind === "webroot");
  const exposed = all.filter(
    ({ kind, place }) => kind !== "webroot" && webroot !== undefined && place.startsWith(`${webroot.place}/`),
  );
  return [
    ...issues,
    ...exposed.map(({ path, place }) =>
      issue(path, `${place} lies inside tls.webroot, which everybody can read`),
    ),
  ];
}

function configuration({ configuration: section }: ReadableSite): Issue[] {
  if (section === undefined || section.files.includes(section.environmentFile)) return [];
  return [
    issue(
      ["configuration", "environmentFile"],
      `${section.environmentFile} is not among configuration.files: it would not be restored`,
    ),
  ];
}

/** How the site reaches its databases must stand in the restored environment file. */
function connections({ databases, configuration: section }: ReadableSite): Issue[] {
  return entries(databases).flatMap(([index, database]) => {
    if (database.kind !== "postgresql") return [];
    const at = ["databases", index, "connection"];
    const { url, password, ...others } = database.connection;
    const named = Object.entries(database.connection).flatMap(([name, variable]) =>
      variable === undefined ? [] : [[name, variable] as const],
    );
    return [
      ...((url === undefined) === (password === undefined)
        ? [issue(at, "give exactly one of `url` and `password`")]
        : []),
      ...(url === undefined
        ? []
        : Object.keys(others).map((name) =>
            issue([...at, name], `the URL in ${url} says it already: leave it out`),
          )),
      ...named
        .filter(([, variable]) => section?.requiredVariables.includes(variable) === false)
        .map(([name, variable]) =>
          issue([...at, name], `${variable} is not among configuration.requiredVariables`),
        ),
    ];
  });
}

/** A database on a server of its own is found by a variable, and no other is left on the site's. */
function databaseServers({ databases }: ReadableSite): Issue[] {
  const given = entries(databases);
  if (!given.some(([, database]) => isElsewhere(database))) return [];
  return given.flatMap(([index, database]) => {
    if (!isElsewhere(database)) {
      return [
        issue(
          ["databases", index],
          "is on the site's host, and another database on a server of its own: `server: own` goes for all of them, or for none",
        ),
      ];
    }
    const { url, host } = database.connection;
    return url === undefined && host === undefined
      ? [
          issue(
            ["databases", index, "connection"],
            "does not say which variable leads to the database's own server: give `host`, or `url`",
          ),
        ]
      : [];
  });
}

function isElsewhere(
  database: Site["databases"][number],
): database is Extract<typeof database, { kind: "postgresql" }> {
  return database.kind === "postgresql" && database.server === "own";
}

function accounts({ permissions, php }: ReadableSite): Issue[] {
  if (permissions === undefined) return [];
  const issues = (["owner", "group"] as const)
    .filter((name) => systemAccounts.includes(permissions[name]))
    .map((name) =>
      issue(["permissions", name], `${permissions[name]} is the system's own: name an account of the site`),
    );
  if (permissions.owner !== "www-data" && php !== undefined && php.pool === undefined) {
    issues.push(
      issue(
        ["permissions", "owner"],
        `Debian's PHP-FPM pool runs as www-data: name one that runs as ${permissions.owner} in php.pool`,
      ),
    );
  }
  return issues;
}

function modes({ permissions }: ReadableSite): Issue[] {
  if (permissions === undefined) return [];
  const issues: Issue[] = [];
  for (const name of ["directories", "files", "dataDirectories", "dataFiles"] as const) {
    if ((Number.parseInt(permissions[name], 8) & 0o002) !== 0) {
      issues.push(issue(["permissions", name], `${permissions[name]} lets every account on the host write`));
    }
  }
  if (!permissions.configuration.endsWith("0")) {
    issues.push(
      issue(
        ["permissions", "configuration"],
        `${permissions.configuration} shows the site's secrets to every account`,
      ),
    );
  }
  return issues;
}

function objectives({ objectives: section }: ReadableSite): Issue[] {
  if (section === undefined) return [];
  return (["rpo", "rto"] as const).flatMap((kind) =>
    Object.entries(section[kind])
      .filter(([, seconds]) => seconds === 0)
      .map(([name]) => issue(["objectives", kind, name], "nothing can be recovered in no time: at least 1s")),
  );
}

function checks(site: ReadableSite): Issue[] {
  return entries(site.checks).flatMap(([index, check]) => {
    const at = ["checks", index];
    switch (check.kind) {
      case "rows":
        return unknownName(
          site.databases?.map((database) => database?.name),
          check.database,
        )
          ? [issue([...at, "database"], `no entry of databases is named ${check.database}`)]
          : [];
      case "upload":
        return bearer(site, [...at, "bearer"], check.bearer);
      case "http": {
        const issues = bearer(site, [...at, "bearer"], check.bearer);
        if (check.method === "GET" && check.body !== undefined) {
          issues.push(issue([...at, "body"], "a GET request has no body: say `method: POST`"));
        }
        if (
          check.status >= 200 &&
          check.status < 300 &&
          Object.keys(check.json).length === 0 &&
          check.jsonPresent.length === 0 &&
          (check.text ?? "") === ""
        ) {
          issues.push(
            issue(
              at,
              "would accept an empty page: say what the answer must hold (`json`, `jsonPresent` or `text`)",
            ),
          );
        }
        return issues;
      }
    }
  });
}

function bearer(
  { configuration: section, secrets }: ReadableSite,
  path: PropertyKey[],
  given: { variable?: string | undefined; secret?: string | undefined } | undefined,
): Issue[] {
  if (given === undefined) return [];
  const { variable, secret } = given;
  if ((variable === undefined) === (secret === undefined)) {
    return [issue(path, "give exactly one of `variable` and `secret`")];
  }
  if (
    secret !== undefined &&
    unknownName(
      secrets?.map((entry) => entry?.name),
      secret,
    )
  ) {
    return [issue([...path, "secret"], `no entry of secrets is named ${secret}`)];
  }
  if (variable !== undefined && section?.requiredVariables.includes(variable) === false) {
    return [
      issue(
        [...path, "variable"],
        `${variable} is not among configuration.requiredVariables: the check could run without a token`,
      ),
    ];
  }
  return [];
}

function restorePoints({ restorePoints: section, secrets }: ReadableSite): Issue[] {
  if (section === undefined) return [];
  const { signers, recipients, identity } = section;
  const issues: Issue[] = [];
  if (recipients.length > 0 && identity === undefined) {
    issues.push(
      issue(
        ["restorePoints"],
        "has recipients and no `identity`: nothing could read the backups when they are needed",
      ),
    );
  }
  if (
    identity !== undefined &&
    unknownName(
      secrets?.map((entry) => entry?.name),
      identity,
    )
  ) {
    issues.push(issue(["restorePoints", "identity"], `no entry of secrets is named ${identity}`));
  }
  const withoutComment = (key: string) => key.split(" ").slice(0, 2).join(" ");
  for (const [index, recipient] of recipients.entries()) {
    if (signers.some((signer) => withoutComment(signer) === withoutComment(recipient))) {
      issues.push(
        issue(
          ["restorePoints", "recipients", index],
          "is a signer's key, which lies on the server: whoever breaks in could read every backup",
        ),
      );
    }
  }
  return issues;
}

function verification({ verification: section, secrets, restorePoints: points }: ReadableSite): Issue[] {
  if (section === undefined) return [];
  const names = secrets?.map((entry) => entry?.name);
  const unknown = (["key", "identity"] as const).flatMap((field) => {
    const name = section[field];
    return name !== undefined && unknownName(names, name)
      ? [issue(["verification", field], `no entry of secrets is named ${name}`)]
      : [];
  });
  const withoutComment = (key: string) => key.split(" ").slice(0, 2).join(" ");
  const own = section.signers.flatMap((key, index) =>
    points?.signers.some((signer) => withoutComment(signer) === withoutComment(key)) === true
      ? [
          issue(
            ["verification", "signers", index],
            "is the key of a server that makes the backups: it would vouch for itself",
          ),
        ]
      : [],
  );
  return [...unknown, ...own];
}

/** What the account on a server that keeps backups must not be, or do. */
function backupServers({ stores: list, backups: made }: ReadableSite): Issue[] {
  return entries(list).flatMap(([index, store]) => {
    if (store.kind !== "ssh" || store.server === undefined) return [];
    const at = ["stores", index];
    const { readers, writers } = store.server;
    const key = (written: string) => written.split(" ").slice(0, 2).join(" ");
    const read = new Set(readers.map(key));
    return [
      ...(/^\/[A-Za-z0-9._/-]+$/.test(store.path)
        ? []
        : [
            issue(
              [...at, "path"],
              "it stands in a command there: an absolute path of letters, digits, dots, dashes and underscores",
            ),
          ]),
      ...[unsafePlace(store.path)].flatMap((problem) =>
        problem === undefined ? [] : [issue([...at, "path"], problem)],
      ),
      ...(systemAccounts.includes(store.user)
        ? [
            issue(
              [...at, "user"],
              `${store.user} is the system's own: name an account for these backups alone`,
            ),
          ]
        : []),
      ...(/^[a-z_][a-z0-9_-]{0,31}$/.test(store.user)
        ? []
        : [
            issue(
              [...at, "user"],
              "Debian makes no account of this name: small letters, digits, dashes and underscores",
            ),
          ]),
      ...(made === undefined
        ? [
            issue(
              [...at, "server"],
              "there is no section backups: nobody makes any, and nothing says how long they are kept",
            ),
          ]
        : []),
      ...writers.flatMap((written, writer) =>
        read.has(key(written))
          ? [
              issue(
                [...at, "server", "writers", writer],
                "is among the readers too: whoever breaks into the site's server would read its backups",
              ),
            ]
          : [],
      ),
    ];
  });
}

function stores({
  stores: list,
  secrets,
  restorePoints: points,
  verification: verifier,
}: ReadableSite): Issue[] {
  const names = secrets?.map((entry) => entry?.name);
  const accesses = entries(list).flatMap(([index, store]) => {
    if (store.kind !== "s3" && store.kind !== "azure-blob") return [];
    return (["reader", "writer"] as const).flatMap((role) => {
      const access = store[role];
      if (access === undefined) return [];
      const path = ["stores", index, role];
      return typeof access === "object"
        ? [{ role, name: access.secretAccessKey, path: [...path, "secretAccessKey"] }]
        : [{ role, name: access, path }];
    });
  });
  const operators = new Set([
    ...[points?.identity, verifier?.identity, verifier?.key],
    ...accesses.flatMap(({ role, name }) => (role === "reader" ? [name] : [])),
  ]);
  return accesses.flatMap(({ role, name, path }) => {
    if (unknownName(names, name)) return [issue(path, `no entry of secrets is named ${name}`)];
    return role === "writer" && operators.has(name)
      ? [issue(path, `${name} is yours: it opens or vouches for backups, and would lie on the server`)]
      : [];
  });
}

function evidence({ evidence: section, stores: list, secrets }: ReadableSite): Issue[] {
  if (section === undefined) return [];
  const { operator, bucket, endpoint, declared } = section;
  const names = secrets?.map((entry) => entry?.name);
  const buckets = entries(list).flatMap(([, store]) => (store.kind === "s3" ? [store] : []));
  const same = buckets.find((store) => store.bucket === bucket && store.endpoint === endpoint);
  const namesake = declared && list?.find((store) => store?.name === "evidence");
  return [
    ...(operator && unknownName(names, operator.secretAccessKey)
      ? [
          issue(
            ["evidence", "operator", "secretAccessKey"],
            `no entry of secrets is named ${operator.secretAccessKey}`,
          ),
        ]
      : []),
    ...(operator && buckets.some(({ writer }) => writer?.secretAccessKey === operator.secretAccessKey)
      ? [
          issue(
            ["evidence", "operator", "secretAccessKey"],
            `${operator.secretAccessKey} lies on the site's server, which is not to write what vouches for its backups`,
          ),
        ]
      : []),
    ...(same
      ? [
          issue(
            ["evidence", "bucket"],
            `${bucket} is the bucket of the store ${same.name}: what vouches for backups lies elsewhere than they`,
          ),
        ]
      : []),
    ...(namesake
      ? [
          issue(
            ["evidence", "declared"],
            "the stack offsite calls this bucket evidence, and a store has that name",
          ),
        ]
      : []),
  ];
}

function backups({ backups: section, application, stores, restorePoints: points }: ReadableSite): Issue[] {
  if (section === undefined) return [];
  const issues: Issue[] = [];
  if (application !== undefined && section.path.startsWith(`${application.path}/`)) {
    issues.push(
      issue(["backups", "path"], `${section.path} lies inside the application, which a recovery replaces`),
    );
  }
  for (const tier of ["hourly", "daily", "weekly", "monthly"] as const) {
    for (const [index, wanted] of (section[tier].stores ?? []).entries()) {
      const named = stores?.find((store) => store?.name === wanted);
      if (named !== undefined && !isWritable(named)) {
        issues.push(
          issue(
            ["backups", tier, "stores", index],
            named.kind === "directory"
              ? `${wanted} is a folder of your computer, which the server cannot reach`
              : `${wanted} has no \`writer\`: the server has nothing to write there with`,
          ),
        );
      } else if (
        unknownName(
          stores?.map((store) => store?.name),
          wanted,
        )
      ) {
        issues.push(issue(["backups", tier, "stores", index], `no entry of stores is named ${wanted}`));
      }
    }
  }
  if (points?.recipients.length === 0) {
    issues.push(
      issue(
        ["backups"],
        "would lie on other servers in clear: name who can read them in restorePoints.recipients",
      ),
    );
  }
  return issues;
}

function alerts({ alerts: section, backups: watched, secrets }: ReadableSite): Issue[] {
  if (section === undefined) return [];
  const { mail, webhook, deadMan, textfile } = section;
  const issues: Issue[] = [];
  const named = { webhook, deadMan, "mail.password": mail?.password };
  for (const [name, secret] of Object.entries(named)) {
    if (
      secret !== undefined &&
      unknownName(
        secrets?.map((entry) => entry?.name),
        secret,
      )
    ) {
      issues.push(issue(["alerts", ...name.split(".")], `no entry of secrets is named ${secret}`));
    }
  }
  if ((mail?.user === undefined) !== (mail?.password === undefined)) {
    issues.push(issue(["alerts", "mail"], "give both of `user` and `password`, or neither"));
  } else if (mail?.user !== undefined && mail.smtp === undefined) {
    issues.push(issue(["alerts", "mail", "user"], "is of no use without `smtp`: which server knows it?"));
  }
  if ([mail, webhook, deadMan, textfile].every((place) => place === undefined)) {
    issues.push(issue(["alerts"], "tells nobody: give `mail`, `webhook` or `deadMan`"));
  }
  if (watched === undefined) {
    issues.push(issue(["alerts"], "is about backups that the server makes, and there is no `backups`"));
  }
  return issues;
}

/** Whether no entry has the name; an entry that could not be read may be the one. */
function unknownName(names: (string | undefined)[] | undefined, wanted: string): boolean {
  return names !== undefined && !names.includes(undefined) && !names.includes(wanted);
}

function entries<Entry>(list: readonly (Entry | undefined)[] | undefined): [number, Entry][] {
  return (list ?? []).flatMap((entry, index) =>
    entry === undefined ? [] : [[index, entry] as [number, Entry]],
  );
}

function issue(path: PropertyKey[], message: string): Issue {
  return { path, message };
}
