import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { pathText } from "../../../site/configuration-errors.ts";
import { contradictions } from "../../../site/contradictions.ts";
import { parseSite } from "../../../site/load.ts";
import type { Site } from "../../../site/schema.ts";

function goodSite(): Site {
  const site = parseSite(readFileSync(new URL("../../../site/example.yaml", import.meta.url)));
  if (Array.isArray(site)) throw new Error("the example is wrong");
  return site;
}

function issuesWhen(change: (site: Site) => void): string[] {
  const site = goodSite();
  change(site);
  return contradictions(site).map(({ path, message }) => `${pathText(path)}: ${message}`);
}

const http: Extract<Site["checks"][number], { kind: "http" }> = {
  kind: "http",
  path: "/",
  method: "GET",
  status: 200,
  json: {},
  jsonPresent: [],
  text: "hello",
};

const postgresql: Extract<Site["databases"][number], { kind: "postgresql" }> = {
  kind: "postgresql",
  name: "club",
  database: "club",
  role: "club",
  connection: { url: "MAIL_PASSWORD" },
  roles: [],
  extensions: [],
  member: "database/admin_postgres.sql.gz",
};

const backups: NonNullable<Site["backups"]> = {
  path: "/var/backups/site",
  at: "02:00",
  hourly: { every: 3600, keep: 172_800 },
  daily: { keep: 604_800 },
  weekly: { keep: 2_592_000 },
  monthly: { keep: 31_536_000 },
};

const bucket: Extract<Site["stores"][number], { kind: "s3" }> = {
  ...{ kind: "s3", name: "bucket", bucket: "kept", path: "club", region: "eu-central-1", versions: true },
  timezone: "UTC",
};
const evidence = { bucket: "club-evidence", path: "club", region: "eu-central-1" };
const keeper = (changes: object = {}): Extract<Site["stores"][number], { kind: "ssh" }> => ({
  ...{ kind: "ssh", name: "offsite", host: "192.0.2.20", port: 22, user: "keeper", path: "/srv/kept" },
  ...{ hostKey: "ssh-ed25519 AAAA", timezone: "UTC" },
  server: { writers: ["ssh-ed25519 AAAB server"], readers: ["ssh-ed25519 AAAC you"], limit: 1024 ** 3 },
  ...changes,
});
const mail = { to: ["owner@example.org"], from: "club@example.org" };

const cases: [what: string, change: (site: Site) => void, issue: string][] = [
  ["no source", (site) => delete site.application.git, "application: says neither `git` nor `bundle`"],
  [
    "a user in the URL",
    (site) => (site.application.git = "https://token@h/x"),
    "application.git: a credential",
  ],
  [
    "a token in the URL",
    (site) => (site.application.git = "https://h/x?private_token=a"),
    "application.git: a credential",
  ],
  [
    "a password for ssh",
    (site) => (site.application.git = "ssh://a:b@h/x"),
    "application.git: a new host has no key",
  ],
  [
    "ssh",
    (site) => (site.application.git = "ssh://git@host.example:2222/x.git"),
    "application.git: a new host has no key",
  ],
  [
    "ssh in scp's form",
    (site) => (site.application.git = "git@host.example:club/site.git"),
    "application.git: a new host has no key",
  ],
  [
    "a program to fetch",
    (site) => (site.application.git = "ext::sh -c id"),
    "application.git: this form runs a program",
  ],
  ["an option as URL", (site) => (site.application.git = "--upload-pack=id"), "application.git: not a URL"],
  ["a local path", (site) => (site.application.git = "/srv/git/x"), "application.git: not a URL"],
  [
    "a file URL",
    (site) => (site.application.git = "file:///srv/git/x"),
    "application.git: file: is no protocol",
  ],
  ["a tag over http", (site) => (site.application.git = "http://h/x"), "application.git: anybody on the way"],
  ["a branch", (site) => (site.application.revision = "main"), "application.revision: main is a branch"],
  [
    "a short commit",
    (site) => (site.application.revision = "1a2b3c4"),
    "application.revision: an abbreviated commit id",
  ],
  [
    "a PHP that Debian lacks",
    (site) => (site.php.version = "8.4"),
    "php.version: Debian 12 has PHP 8.2, not 8.4",
  ],
  [
    "a package of another PHP",
    (site) => site.packages.push("php8.4-gd"),
    "packages[2]: php8.4-gd belongs to another PHP",
  ],
  [
    "an extension twice",
    (site) => site.php.extensions.push("gd"),
    "php.extensions[5]: gd is already given by php.extensions[1]",
  ],
  [
    "the domain as alias",
    (site) => (site.aliases = [site.domain]),
    "aliases[0]: photos.example.org is the domain itself",
  ],
  [
    "an alias twice",
    (site) => site.aliases.push("www.photos.example.org"),
    "aliases[1]: www.photos.example.org is already given",
  ],
  [
    "a path for the backup's nginx site",
    (site) => (site.nginx.from = "backup"),
    "nginx.site: with `from: backup`",
  ],
  [
    "a path for the backup's pool",
    (site) => (site.php.pool = { file: "deploy/pool.conf", from: "backup" }),
    "php.pool.file: with `from: backup` this is the name of a file in the backup's config/, such as pool.conf",
  ],
  [
    "the pool among the application's files",
    (site) => {
      site.php.pool = { file: "pool.conf", from: "backup" };
      site.configuration.files.push("pool.conf");
    },
    "configuration.files[2]: pool.conf is the server's configuration (php.pool.file)",
  ],
  [
    "the nginx site among the application's files",
    (site) => {
      site.nginx = { from: "backup", site: "nginx.conf" };
      site.configuration.files.push("nginx.conf");
    },
    "configuration.files[2]: nginx.conf is the server's configuration (nginx.site)",
  ],
  [
    "a template as worker",
    (site) => (site.workers = [{ unit: "w@.service", file: "w" }]),
    "workers[0].unit: w@.service is a template",
  ],
  [
    "nginx as worker",
    (site) => (site.workers = [{ unit: "nginx.service", file: "w" }]),
    "workers[0].unit: nginx.service is not a worker",
  ],
  [
    "a unit twice",
    (site) => site.workers.push({ unit: "thumbnails.service", file: "w" }),
    "workers[1].unit: unit thumbnails.service is already given",
  ],
  [
    "two databases from one member",
    (site) =>
      site.databases.push({
        name: "two",
        kind: "sqlite",
        path: "data/two.db",
        member: "database/admin.db.gz",
      }),
    "databases[1].member: member database/admin.db.gz is already given by databases[0].member",
  ],
  [
    "two databases in one file",
    (site) =>
      site.databases.push({
        name: "two",
        kind: "sqlite",
        path: "/var/www/photo-club/data/admin.db",
        member: "b",
      }),
    "databases[1].path: path /var/www/photo-club/data/admin.db is already given by databases[0].path",
  ],
  [
    "a database's name twice",
    (site) => site.databases.push({ name: "club", kind: "sqlite", path: "data/two.db", member: "b" }),
    "databases[1].name: name club is already given",
  ],
  [
    "no way to a database server",
    (site) => (site.databases = [{ ...postgresql, connection: {} }]),
    "databases[0].connection: give exactly one of `url` and `password`",
  ],
  [
    "two ways to a database server",
    (site) =>
      (site.databases = [{ ...postgresql, connection: { url: "MAIL_PASSWORD", password: "ADMIN_TOKEN" } }]),
    "databases[0].connection: give exactly one of `url` and `password`",
  ],
  [
    "a port beside a URL",
    (site) =>
      (site.databases = [{ ...postgresql, connection: { url: "MAIL_PASSWORD", port: "ADMIN_TOKEN" } }]),
    "databases[0].connection.port: the URL in MAIL_PASSWORD says it already",
  ],
  [
    "a password that may be missing",
    (site) => (site.databases = [{ ...postgresql, connection: { password: "DB_PASSWORD" } }]),
    "databases[0].connection.password: DB_PASSWORD is not among configuration.requiredVariables",
  ],
  [
    "a database on a server of its own, and another on the site's",
    (site) => {
      const sqlite = site.databases;
      site.databases = [...sqlite, { ...postgresql, name: "two", server: "own" }];
    },
    "databases[0]: is on the site's host, and another database on a server of its own: `server: own` goes for all of them, or for none",
  ],
  [
    "a database on a server of its own that no variable leads to",
    (site) => (site.databases = [{ ...postgresql, server: "own", connection: { password: "ADMIN_TOKEN" } }]),
    "databases[0].connection: does not say which variable leads to the database's own server: give `host`, or `url`",
  ],
  [
    "two databases under one name in the server",
    (site) => (site.databases = [postgresql, { ...postgresql, name: "two", member: "b.dump" }]),
    "databases[1].database: database club is already given by databases[0].database",
  ],
  [
    "the role among the further ones",
    (site) => (site.databases = [{ ...postgresql, roles: ["club"] }]),
    "databases[0].roles[0]: club is already given by databases[0].role",
  ],
  [
    "an extension twice",
    (site) => (site.databases = [{ ...postgresql, extensions: ["dblink", "dblink"] }]),
    "databases[0].extensions[1]: dblink is already given",
  ],
  [
    "the system as application",
    (site) => (site.application.path = "/usr/share/x"),
    "application.path: /usr belongs to the system",
  ],
  [
    "a folder of many as application",
    (site) => (site.application.path = "/var/www"),
    "application.path: /var/www holds more than this site",
  ],
  [
    "the root as data",
    (site) => (site.data = [{ path: "/", member: "d" }]),
    "data[0].path: / holds more than this site",
  ],
  [
    "uploads in /tmp",
    (site) => (site.uploads = [{ path: "/tmp/up", member: "u" }]),
    "uploads[0].path: what lies in /tmp is gone",
  ],
  [
    "data that holds the application",
    (site) => {
      site.data = [{ path: "/var/www/photo-club-all", member: "d" }];
      site.application.path = "/var/www/photo-club-all/app";
    },
    "data[0].path: /var/www/photo-club-all holds the application itself",
  ],
  [
    "a database among uploads",
    (site) => site.databases.push({ name: "two", kind: "sqlite", path: "data/uploads/two.db", member: "b" }),
    "databases[1].path: /var/www/photo-club/data/uploads/two.db lies inside uploads[0].path",
  ],
  [
    "data inside data",
    (site) => site.data.push({ path: "data/more", member: "m" }),
    "data[1].path: /var/www/photo-club/data/more lies inside data[0].path",
  ],
  [
    "a webroot over the data",
    (site) => (site.tls.webroot = "/var/www/photo-club"),
    "tls.webroot: path /var/www/photo-club is already given",
  ],
  [
    "no environment file",
    (site) => (site.configuration.files = ["config.php"]),
    "configuration.environmentFile: .env is not among",
  ],
  [
    "files for everybody to write",
    (site) => (site.permissions.files = "666"),
    "permissions.files: 666 lets every account",
  ],
  [
    "secrets for everybody to read",
    (site) => (site.permissions.configuration = "644"),
    "permissions.configuration: 644 shows",
  ],
  [
    "root as owner",
    (site) => (site.permissions.owner = "root"),
    "permissions.owner: root is the system's own",
  ],
  [
    "a group of administrators",
    (site) => (site.permissions.group = "sudo"),
    "permissions.group: sudo is the system's own",
  ],
  [
    "an account of its own without a pool that runs as it",
    (site) => (site.permissions.owner = "club"),
    "permissions.owner: Debian's PHP-FPM pool runs as www-data: name one that runs as club in php.pool",
  ],
  [
    "no time to recover",
    (site) => (site.objectives.rto.compromise = 0),
    "objectives.rto.compromise: nothing can be recovered in no time",
  ],
  [
    "no loss at all",
    (site) => (site.objectives.rpo.uploads = 0),
    "objectives.rpo.uploads: nothing can be recovered in no time",
  ],
  [
    "rows of no database",
    (site) => (site.databases = []),
    "checks[3].database: no entry of databases is named club",
  ],
  [
    "a token of nowhere",
    (site) => (site.secrets = []),
    "checks[2].bearer.secret: no entry of secrets is named MONITORING_TOKEN",
  ],
  [
    "a token that may be missing",
    (site) => (site.checks = [{ ...http, bearer: { variable: "TOKEN" } }]),
    "checks[0].bearer.variable: TOKEN is not among",
  ],
  [
    "a token from two places",
    (site) => (site.checks = [{ ...http, bearer: { variable: "A", secret: "B" } }]),
    "checks[0].bearer: give exactly one",
  ],
  [
    "a token from none",
    (site) => (site.checks = [{ ...http, bearer: {} }]),
    "checks[0].bearer: give exactly one",
  ],
  [
    "a GET with a body",
    (site) => (site.checks = [{ ...http, body: {} }]),
    "checks[0].body: a GET request has no body",
  ],
  [
    "a check that sees nothing",
    (site) => (site.checks = [{ ...http, text: "" }]),
    "checks[0]: would accept an empty page",
  ],
  [
    "a store's folder twice",
    (site) =>
      site.stores.push({ kind: "directory", name: "b", path: "/mnt/backup/photo-club", timezone: "UTC" }),
    "stores[1].path: path /mnt/backup/photo-club is already given",
  ],
  [
    "recipients whose key nobody names",
    (site) => (site.restorePoints.recipients = [`age1${"q".repeat(58)}`]),
    "restorePoints: has recipients and no `identity`",
  ],
  [
    "an identity that is no secret",
    (site) => (site.restorePoints.identity = "BACKUP_KEY"),
    "restorePoints.identity: no entry of secrets is named BACKUP_KEY",
  ],
  [
    "the server's key as recipient",
    (site) => {
      site.restorePoints = {
        signers: ["ssh-ed25519 AAAA root@club"],
        recipients: [`age1${"q".repeat(58)}`, "ssh-ed25519 AAAA"],
        identity: site.secrets[0]?.name,
      };
    },
    "restorePoints.recipients[1]: is a signer's key",
  ],
  [
    "a signer twice",
    (site) => (site.restorePoints.signers = ["ssh-ed25519 AAAA", "ssh-ed25519 AAAA"]),
    "restorePoints.signers[1]: ssh-ed25519 AAAA is already given by restorePoints.signers[0]",
  ],
  [
    "a verifier's key that is no secret",
    (site) => (site.verification = { signers: ["ssh-ed25519 AAAA"], key: "VERIFIER", folder: "verdicts" }),
    "verification.key: no entry of secrets is named VERIFIER",
  ],
  [
    "a server that vouches for its own backups",
    (site) => {
      site.restorePoints.signers = ["ssh-ed25519 AAAA root@club"];
      site.verification = { signers: ["ssh-ed25519 BBBB", "ssh-ed25519 AAAA"], folder: "verdicts" };
    },
    "verification.signers[1]: is the key of a server that makes the backups",
  ],
  [
    "backups that go to the operator's computer",
    (site) => (site.backups = { ...backups, daily: { ...backups.daily, stores: ["usb-disk"] } }),
    "backups.daily.stores[0]: usb-disk is a folder of your computer, which the server cannot reach",
  ],
  [
    "backups that go to a bucket without anything to write there with",
    (site) => {
      site.stores.push(bucket);
      site.backups = { ...backups, daily: { ...backups.daily, stores: ["bucket"] } };
    },
    "backups.daily.stores[0]: bucket has no `writer`: the server has nothing to write there with",
  ],
  [
    "a bucket whose writer's secret is none",
    (site) => site.stores.push({ ...bucket, writer: { accessKeyId: "AKIA", secretAccessKey: "WRITER" } }),
    "stores[1].writer.secretAccessKey: no entry of secrets is named WRITER",
  ],
  [
    "a bucket that the server writes to with the key that opens backups",
    (site) => {
      site.secrets.push({ name: "KEY", from: "env:KEY" });
      site.restorePoints.identity = "KEY";
      site.stores.push({ ...bucket, writer: { accessKeyId: "AKIA", secretAccessKey: "KEY" } });
    },
    "stores[1].writer.secretAccessKey: KEY is yours: it opens or vouches for backups, and would lie on the server",
  ],
  [
    "a bucket of verdicts whose secret is none",
    (site) =>
      (site.evidence = { ...evidence, operator: { accessKeyId: "AKIA", secretAccessKey: "OPERATOR" } }),
    "evidence.operator.secretAccessKey: no entry of secrets is named OPERATOR",
  ],
  [
    "a bucket of verdicts that the site's server can write to",
    (site) => {
      site.secrets.push({ name: "WRITER", from: "env:WRITER" });
      const writer = { accessKeyId: "AKIA", secretAccessKey: "WRITER" };
      site.stores.push({ ...bucket, writer });
      site.evidence = { ...evidence, operator: writer };
    },
    "evidence.operator.secretAccessKey: WRITER lies on the site's server, which is not to write what vouches for its backups",
  ],
  [
    "verdicts among the backups",
    (site) => {
      site.stores.push(bucket);
      site.evidence = { ...evidence, bucket: bucket.bucket };
    },
    `evidence.bucket: ${bucket.bucket} is the bucket of the store bucket: what vouches for backups lies elsewhere than they`,
  ],
  [
    "a declared bucket of verdicts, and a store of its name",
    (site) => {
      site.stores.push({ ...bucket, name: "evidence" });
      site.evidence = { ...evidence, declared: { lock: "governance", accepted: [], keep: 86_400 } };
    },
    "evidence.declared: the stack offsite calls this bucket evidence, and a store has that name",
  ],
  [
    "a server for backups that nobody makes",
    (site) => {
      delete site.backups;
      site.stores.push(keeper());
    },
    "stores[1].server: there is no section backups: nobody makes any, and nothing says how long they are kept",
  ],
  [
    "a server for backups whose folder a command would take for two",
    (site) => site.stores.push(keeper({ path: "/srv/photo club" })),
    "stores[1].path: it stands in a command there: an absolute path of letters, digits, dots, dashes and underscores",
  ],
  [
    "a server for backups whose folder is the system's",
    (site) => site.stores.push(keeper({ path: "/etc" })),
    "stores[1].path: /etc",
  ],
  [
    "a server for backups that root would take",
    (site) => site.stores.push(keeper({ user: "root" })),
    "stores[1].user: root is the system's own: name an account for these backups alone",
  ],
  [
    "a server for backups with an account that cannot be made",
    (site) => site.stores.push(keeper({ user: "Photo.Club" })),
    "stores[1].user: Debian makes no account of this name",
  ],
  [
    "a server for backups that lets the site's server read",
    (site) => {
      const server = { writers: ["ssh-ed25519 AAAB b"], readers: ["ssh-ed25519 AAAB a"], limit: 1024 ** 3 };
      site.stores.push(keeper({ server }));
    },
    "stores[1].server.writers[0]: is among the readers too: whoever breaks into the site's server would read its backups",
  ],
  [
    "a container whose reader's token is none",
    (site) =>
      site.stores.push({
        ...{ kind: "azure-blob", name: "container", path: "club", timezone: "UTC", reader: "TOKEN" },
        container: "https://club.blob.core.windows.net/kept",
      }),
    "stores[1].reader: no entry of secrets is named TOKEN",
  ],
  [
    "backups that go nowhere that is known",
    (site) => (site.backups = { ...backups, hourly: { ...backups.hourly, stores: ["moon"] } }),
    "backups.hourly.stores[0]: no entry of stores is named moon",
  ],
  [
    "backups in clear",
    (site) => (site.backups = backups),
    "backups: would lie on other servers in clear: name who can read them in restorePoints.recipients",
  ],
  [
    "backups in the application",
    (site) => (site.backups = { ...backups, path: `${site.application.path}/backups` }),
    "backups.path: ",
  ],
  [
    "backups in the data that is backed up",
    (site) => {
      site.data = [{ path: "/srv/data", member: "data.tar.gz" }];
      site.backups = { ...backups, path: "/srv/data/backups" };
    },
    "backups.path: /srv/data/backups lies inside data[0].path (/srv/data)",
  ],
  [
    "backups in a folder of the system",
    (site) => (site.backups = { ...backups, path: "/etc/backups" }),
    "backups.path: /etc belongs to the system",
  ],
  [
    "a webhook whose secret is none",
    (site) => (site.alerts = { webhook: "HOOK" }),
    "alerts.webhook: no entry of secrets is named HOOK",
  ],
  [
    "a password of mail that is none",
    (site) => (site.alerts = { mail: { ...mail, smtp: "smtps://m", user: "u", password: "PASSWORD" } }),
    "alerts.mail.password: no entry of secrets is named PASSWORD",
  ],
  [
    "a user of mail without a password",
    (site) => (site.alerts = { mail: { ...mail, smtp: "smtps://m", user: "u" } }),
    "alerts.mail: give both of `user` and `password`, or neither",
  ],
  [
    "a user of no server of mail",
    (site) => (site.alerts = { mail: { ...mail, user: "u", password: "MONITORING_TOKEN" } }),
    "alerts.mail.user: is of no use without `smtp`",
  ],
  ["alerts to nobody", (site) => (site.alerts = {}), "alerts: tells nobody"],
  [
    "alerts about no backups",
    (site) => (site.alerts = { mail }),
    "alerts: is about backups that the server makes, and there is no `backups`",
  ],
];

test.each(cases)("%s", (_what, change, issue) => {
  expect(issuesWhen(change)).toEqual(expect.arrayContaining([expect.stringContaining(issue)]));
});

test("the good site contradicts itself nowhere: uploads and a database lie inside its data", () => {
  expect(issuesWhen(() => undefined)).toEqual([]);
});

test("a site may have an account and a group of its own, when it has a pool", () => {
  expect(
    issuesWhen((site) => {
      site.php.pool = { file: "deploy/pool.conf", from: "application" };
      site.permissions.owner = site.permissions.group = "club";
    }),
  ).toEqual([]);
});

test("a site may have its data in PostgreSQL", () => {
  expect(issuesWhen((site) => (site.databases = [postgresql]))).toEqual([]);
  expect(issuesWhen((site) => (site.databases = [{ ...postgresql, server: "own" }]))).toEqual([]);
});

test("what git clones in these forms is allowed", () => {
  const sources = ["https://host.example/x.git", "https://host.example:8443/club/site"];
  for (const source of sources)
    expect(
      issuesWhen((site) => (site.application.git = source)),
      source,
    ).toEqual([]);
  expect(
    issuesWhen((site) => {
      site.application.git = "http://127.0.0.1:8080/x.git";
      site.application.revision = "0123456789abcdef0123456789abcdef01234567";
    }),
  ).toEqual([]);
});

test("sections and entries that could not be read are not judged, nor what depends on them", () => {
  const { databases, configuration, application, ...rest } = goodSite();
  expect(databases.length + configuration.files.length + application.build.length).toBeGreaterThan(0);
  expect(contradictions(rest)).toEqual([]);
  expect(contradictions({ ...goodSite(), databases: [undefined] })).toEqual([]);
});
