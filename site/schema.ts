import { z } from "zod";
import { duration, size } from "./units.ts";

/**
 * What site.yaml may say. This schema is validation, the parsed type, the JSON Schema and docs/site.md at once;
 * every field's description is the documentation that an owner reads.
 */

const name = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{0,62}$/,
    "a name is lower-case letters, digits and dashes, and starts with a letter",
  );
const plainPath = "a path has no // or /./ in it, no slash at its end, and no control characters";
const absolutePath = z
  .string()
  .regex(/^\//, "an absolute path starts with /")
  .refine(isPlainPath, plainPath)
  .refine(hasNoDotDot, "a path must not contain ..");
const relativePath = z
  .string()
  .regex(/^[^/]/, "a relative path is not empty and does not start with /")
  .refine(isPlainPath, plainPath)
  .refine(hasNoDotDot, "a path must not contain ..");
const anyPath = z
  .string()
  .min(1, "a path must not be empty")
  .refine(isPlainPath, plainPath)
  .refine(hasNoDotDot, "a path must not contain ..");
const urlPath = z.string().regex(/^\/[^\s#]*$/, "a path of a URL starts with / and has no spaces");
const mode = z.string().regex(/^[0-7]{3}$/, 'a mode is three octal digits in quotes, such as "770"');
const account = z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/, "not the name of a system account");
const packageName = z.string().regex(/^[a-z0-9][a-z0-9.+-]+$/, "not the name of a Debian package");
const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "not the name of a variable");
const domain = z
  .string()
  .regex(
    /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/,
    "not a domain name in lower case",
  );

const applicationSchema = z.strictObject({
  git: z
    .string()
    .optional()
    .describe("URL that the application is cloned from. Give this, `bundle`, or both."),
  bundle: z
    .string()
    .optional()
    .describe(
      "A git bundle on the operator's computer, relative to site.yaml. Beside `git` it is taken when that does not answer.",
    ),
  revision: z
    .string()
    .regex(/^([0-9a-f]{40}|[A-Za-z0-9][A-Za-z0-9._/-]*)$/, "neither a full commit id nor a tag")
    .describe(
      "What is checked out: a full commit id, or a tag, which is resolved to its commit before a host is touched.",
    ),
  path: absolutePath.describe("Where the application lives on the host."),
  build: z
    .array(z.string().min(1))
    .default([])
    .describe("Commands run in the application's folder, as its owner, after the checkout."),
});

/** A file of the server's own configuration may come from either. */
const origin = z
  .enum(["application", "backup"])
  .default("application")
  .describe("Where that file comes from. The repository's wins unless `backup` is said.");

const phpSchema = z.strictObject({
  version: z
    .string()
    .regex(/^\d+\.\d+$/, 'a PHP version in quotes, such as "8.2"')
    .describe('Version of the Debian packages, in quotes: Debian 12 has "8.2", Debian 13 "8.4".'),
  extensions: z
    .array(z.string().regex(/^[a-z0-9]+$/, "not the name of a PHP extension, such as curl"))
    .default([])
    .describe("Extensions; `curl` stands for php8.2-curl."),
  pool: z
    .strictObject({
      file: relativePath.describe(
        "The pool's file: a path in the application's repository, or a name in the backup's config/ when `from` says so.",
      ),
      from: origin,
    })
    .optional()
    .describe(
      "A PHP-FPM pool of the site's own, which runs as `permissions.owner`. It stands in the place of Debian's, which runs as www-data and is used without this.",
    ),
});

const nginxSchema = z.strictObject({
  site: relativePath.describe(
    "The site's nginx configuration: a path in the application's repository, or a name in the backup's config/ when `from` says so.",
  ),
  from: origin,
});

const tlsSchema = z.strictObject({
  email: z.email().describe("Where the certificate authority writes to."),
  directory: z
    .url({ protocol: /^https$/ })
    .optional()
    .describe("The ACME directory of another authority than Let's Encrypt. The host must trust it."),
  webroot: absolutePath
    .default("/var/www/letsencrypt")
    .describe("The folder that nginx serves /.well-known/acme-challenge/ from."),
  member: relativePath
    .optional()
    .describe(
      "A tar file in the archive that holds the folder `letsencrypt` of /etc. The restored certificate serves at once, and certbot renews it. Its hooks, which root would run, are not restored. Without it, or when it has expired, the authority gives a new one.",
    ),
});

const workerSchema = z.strictObject({
  unit: z
    .string()
    .regex(/^[A-Za-z0-9@_.-]+\.service$/, "not the name of a systemd service")
    .describe("The systemd unit."),
  file: relativePath.describe("The unit's file in the application's repository."),
});

const sqliteSchema = z.strictObject({
  kind: z.literal("sqlite").describe("A database file."),
  name: name.describe("Name of the database: in checks and messages."),
  path: anyPath.describe("The database file, relative to the application or absolute."),
  member: relativePath
    .default("database/admin.db.gz")
    .describe("Its file in the archive that the runbook's scripts make."),
});

const sqlName = z
  .string()
  .regex(/^[a-z_][a-z0-9_-]{0,36}$/, "lower-case letters, digits, dashes and _ are expected, 37 at most");
const role = sqlName.refine(
  (text) => text !== "postgres" && !text.startsWith("pg_"),
  "this role is the server's own: name the one that the site logs in as",
);

const connectionSchema = z
  .strictObject({
    url: variable
      .optional()
      .describe(
        "The variable with all of it, such as `postgres://user:password@localhost:5432/database`. Give this or `password`.",
      ),
    password: variable.optional().describe("The variable with the password. Give this or `url`."),
    user: variable.optional().describe("The variable with the role's name, if there is one."),
    host: variable.optional().describe("The variable with the host, if there is one: else localhost."),
    port: variable.optional().describe("The variable with the port, if there is one: else 5432."),
    database: variable.optional().describe("The variable with the database's name, if there is one."),
  })
  .describe(
    "The variables of the restored environment file that say how the site reaches the database. The role gets the password that stands there.",
  );

const postgresqlSchema = z.strictObject({
  kind: z
    .literal("postgresql")
    .describe(
      "A database in a PostgreSQL server, of the version that its Debian packages: that of the same host, unless `server` says otherwise.",
    ),
  name: name.describe("Name of the database: in checks and messages."),
  server: z
    .literal("own")
    .optional()
    .describe(
      "`own`: its PostgreSQL is on another server than the site. `connection` then names the variable that says where, `host` or `url`: it is changed when the database comes back elsewhere (docs/rebuild.md). It goes for all databases of a site, or for none.",
    ),
  database: sqlName
    .refine(
      (text) => !["postgres", "template0", "template1"].includes(text),
      "this database is the server's own: name the site's",
    )
    .describe("Its name in the server."),
  role: role.describe("The role that the site logs in as. All that is restored belongs to it."),
  connection: connectionSchema,
  roles: z
    .array(role)
    .default([])
    .describe(
      "Further roles that are granted something in the dump. Where they are missing they are made, without a login: no dump holds their passwords.",
    ),
  extensions: z
    .array(z.string().regex(/^[a-z][a-z0-9_-]*$/, "not the name of an extension"))
    .default([])
    .describe(
      "Extensions that a superuser must create. Those that PostgreSQL trusts need not be named: the dump creates them itself.",
    ),
  member: relativePath
    .regex(
      /\.(sql\.gz|sql|dump|tar)$/,
      "it ends in .sql.gz or .sql (plain), .dump (pg_dump -Fc) or .tar (a tar of what pg_dump -Fd made)",
    )
    .default("database/admin_postgres.sql.gz")
    .describe(
      "Its file in the archive. The ending says what it is: `.sql.gz` or `.sql` plain SQL, `.dump` pg_dump's custom format, `.tar` a tar of its directory format.",
    ),
});

const databaseSchema = z.discriminatedUnion("kind", [sqliteSchema, postgresqlSchema]);

const uploadsSchema = z.strictObject({
  path: anyPath.describe("The folder of uploaded files, relative to the application or absolute."),
  member: relativePath
    .default("files/uploads.tar.gz")
    .describe("Its tar file in the archive; the tar holds the folder under its own name."),
});

const dataSchema = z.strictObject({
  path: anyPath.describe(
    "A folder of application data. Databases and uploads named above are left out of it: they have members of their own.",
  ),
  member: relativePath
    .default("data/app_data.tar.gz")
    .describe("Its tar file in the archive; the tar holds the folder under its own name."),
});

const configurationSchema = z.strictObject({
  files: z
    .array(relativePath)
    .min(1)
    .describe(
      "Files restored from the backup's config/ into the application's folder. No other file of config/ is restored.",
    ),
  environmentFile: relativePath.default(".env").describe("The file that holds `requiredVariables`."),
  requiredVariables: z
    .array(variable)
    .default([])
    .describe("Variables that must be there and not empty before the site is started."),
  load: relativePath.optional().describe("A PHP file that must load without an error, such as config.php."),
});

const permissionsSchema = z.strictObject({
  owner: account
    .default("www-data")
    .describe(
      "Account that owns the application and that PHP and the build run as. Where there is none of that name it is made, without a login; any other than www-data needs `php.pool`.",
    ),
  group: account
    .default("www-data")
    .describe("Group of the application's files. Where there is none of that name it is made."),
  directories: mode.default("755").describe("Mode of folders."),
  files: mode.default("644").describe("Mode of files; git's executable bit is kept."),
  dataDirectories: mode.default("770").describe("Mode of folders under data, uploads and around databases."),
  dataFiles: mode.default("660").describe("Mode of files there."),
  configuration: mode.default("600").describe("Mode of the restored configuration files."),
});

const secretSchema = z.strictObject({
  name: variable.describe("Name of the secret, as the rest of site.yaml calls it."),
  from: z
    .string()
    .regex(
      /^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|command:.+)$/,
      "a secret comes from env:NAME, file:PATH or command:…",
    )
    .describe(
      "`env:NAME`, `file:PATH` (relative to site.yaml; closed to other accounts, mode 600) or `command:…` (run by /bin/sh in the folder of site.yaml, such as `command:pass show chatbot/token`). Read when a run needs it, never stored.",
    ),
});

const sshPublicKey = /^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+=*( [ -~]*)?$/;

const restorePointsSchema = z.strictObject({
  signers: z
    .array(z.string().regex(sshPublicKey, "not a public key of ssh, such as ssh-ed25519 AAAA…"))
    .default([])
    .describe(
      "ssh public keys of the hosts whose backups are genuine. With any, a restore point that none of them signed is refused; so is every archive of the runbook's scripts, which nobody signs.",
    ),
  recipients: z
    .array(
      z
        .string()
        .regex(
          new RegExp(`^age1[a-z0-9]{58}$|${sshPublicKey.source}`),
          "not a public key of age, such as age1…, or of ssh; a private key never stands here",
        ),
    )
    .default([])
    .describe(
      "Public keys that backups are encrypted to. Whoever has the private key of one of them can read every backup: keep those off the server.",
    ),
  identity: variable
    .optional()
    .describe(
      "Name of the entry of `secrets` that holds the private key of one recipient: what `age-keygen` writes, or an ssh key. It must not be locked with a passphrase: nobody is there to type it.",
    ),
});

const verificationSchema = z.strictObject({
  signers: z
    .array(z.string().regex(sshPublicKey, "not a public key of ssh, such as ssh-ed25519 AAAA…"))
    .min(1)
    .describe("ssh public keys of those whose verdicts count. A verdict that none of them signed is none."),
  key: variable
    .optional()
    .describe(
      "Name of the entry of `secrets` that holds the private key which verdicts are signed with (`--sign`). Only who verifies needs to have it.",
    ),
  identity: variable
    .optional()
    .describe(
      "Name of the entry of `secrets` that holds the private key which a verifier opens backups with: of a recipient of its own, which can be revoked alone. By default that of `restorePoints.identity`.",
    ),
  folder: z
    .string()
    .min(1)
    .default("verdicts")
    .describe(
      "Where verdicts lie, relative to site.yaml: a folder that who verifies and who recovers share, such as one in the same repository.",
    ),
});

const logSchema = z.strictObject({
  path: absolutePath.describe("A log file that must exist and be writable by the application's owner."),
});

const metricsSchema = z.strictObject({
  path: urlPath.describe("The path that answers in Prometheus text format."),
});

const objectivesSchema = z.strictObject({
  rpo: z
    .strictObject({
      database: duration.default(6 * 3600).describe("Rows of databases."),
      configuration: duration.default(24 * 3600).describe("Restored configuration files."),
      uploads: duration.default(24 * 3600).describe("Uploaded files."),
      logs: duration.default(7 * 86400).describe("Logs of the application."),
      metrics: duration.default(7 * 86400).describe("Metrics and analytics."),
    })
    .prefault({})
    .describe("Recovery point objectives: how old restored data may be, by class of data."),
  rto: z
    .strictObject({
      completeFailure: duration.default(4 * 3600).describe("The server is lost: all of it on a new one."),
      databaseCorruption: duration.default(2 * 3600).describe("The database is damaged, the server is not."),
      databaseServerFailure: duration.default(3600).describe("The database's own server is lost."),
      applicationServerFailure: duration
        .default(30 * 60)
        .describe("The application's server is lost, the database's is not."),
      dataDeletion: duration
        .default(4 * 3600)
        .describe("Rows or files were deleted: the runbook's partial data loss."),
      configurationError: duration.default(3600).describe("A configuration change broke the site."),
      compromise: duration.default(8 * 3600).describe("Somebody broke in. The runbook names no time for it."),
    })
    .prefault({})
    .describe("Recovery time objectives: how long a recovery may take, by scenario."),
});

const bearer = z
  .strictObject({
    variable: variable
      .optional()
      .describe("Take the token from this variable of the restored environment file."),
    secret: variable.optional().describe("Take the token from this entry of `secrets`."),
  })
  .describe("Send `Authorization: Bearer …`. Give `variable` or `secret`.");

const checkTitle = z
  .string()
  .optional()
  .describe("What the operator reads; by default it is made from the fields below.");

const jsonScalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);

const httpCheckSchema = z.strictObject({
  kind: z.literal("http").describe("A request and what its answer must say."),
  title: checkTitle,
  path: urlPath.describe(
    "Path and query. Asked of the domain, on the host itself, over HTTPS when nginx serves it.",
  ),
  method: z.enum(["GET", "POST"]).default("GET").describe("The request's method."),
  body: z
    .record(z.string(), jsonScalar)
    .optional()
    .describe(
      "JSON body to send. `{mark}` in a text becomes `recovery-check-<run>`: what a check writes can be told from what users wrote.",
    ),
  bearer: bearer.optional(),
  status: z.int().min(100).max(599).default(200).describe("The expected status."),
  json: z
    .record(z.string(), jsonScalar)
    .default({})
    .describe(
      "Fields of the JSON answer and the values expected; the name is a path such as `data.status`. `{mark}` is filled in as in `body`.",
    ),
  jsonPresent: z
    .array(z.string())
    .default([])
    .describe("Fields of the JSON answer that must be there and not empty."),
  text: z.string().optional().describe("Text that the answer must contain."),
});

const rowsCheckSchema = z.strictObject({
  kind: z.literal("rows").describe("Rows that a table must at least have."),
  title: checkTitle,
  database: name.describe("Name of an entry of `databases`."),
  table: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "not the name of a table")
    .describe("Name of the table."),
  minimum: z.int().min(0).default(1).describe("The least number of rows."),
});

const uploadCheckSchema = z.strictObject({
  kind: z.literal("upload").describe("A file that is uploaded and read back."),
  title: checkTitle,
  path: urlPath.describe("Path that a multipart form is posted to."),
  field: z.string().default("file").describe("Name of the form's file field."),
  bearer: bearer.optional(),
  urlField: z
    .string()
    .default("url")
    .describe("Field of the JSON answer that holds the path at which the file can be read back."),
});

const checkSchema = z.discriminatedUnion("kind", [httpCheckSchema, rowsCheckSchema, uploadCheckSchema]);

const timezone = z
  .string()
  .default("UTC")
  .refine(isTimeZone, "not the name of a time zone, such as Europe/Madrid")
  .describe("Time zone of the server that made the backups: file names carry its local time.");

const accessKey = z.strictObject({
  accessKeyId: z
    .string()
    .regex(/^[\x21-\x7e]+$/, "not the id of an access key")
    .describe("The id of the access key, which is no secret."),
  secretAccessKey: variable.describe("Name of the entry of `secrets` that holds its secret half."),
});

const backupServer = z.strictObject({
  writers: z
    .array(z.string().regex(sshPublicKey, "not a public key of ssh, such as ssh-ed25519 AAAA…"))
    .default([])
    .describe(
      "ssh public keys that add backups, and do nothing else there: that of the site's server, which `recovery protect` prints.",
    ),
  readers: z
    .array(z.string().regex(sshPublicKey, "not a public key of ssh, such as ssh-ed25519 AAAA…"))
    .min(1, "without a reader nobody could restore what is there")
    .describe("ssh public keys that read backups, and change nothing: yours, and a verifier's."),
  limit: size
    .refine((bytes) => bytes % 1024 ** 3 === 0, "a number of GiB, such as 100GiB, or of TiB")
    .describe("How much all backups there may be. What would be more is refused."),
});

/** What an owner may accept of a server that cannot do all that S3 can, by name. */
export const weakeningNames = [
  "no-versioning",
  "no-object-lock",
  "no-encryption",
  "no-ownership",
  "no-public-access-block",
  "no-policy",
  "no-lifecycle-transitions",
  "no-expiry-of-old-versions",
  "no-removal-of-unfinished-uploads",
  "no-lifecycle",
] as const;

const declaredContainerSchema = z.strictObject({
  resourceGroup: z
    .string()
    .regex(/^[A-Za-z0-9_().-]{0,89}[A-Za-z0-9_()-]$/, "not the name of a resource group")
    .describe("The resource group that the account is made in. It is there already."),
  location: z
    .string()
    .regex(/^[a-z0-9]+$/, "a region as Azure's programs call it, such as westeurope")
    .describe("Where: the region, such as `westeurope`. Not the one that the site's server is in."),
  redundancy: z
    .enum(["LRS", "ZRS", "GRS"])
    .default("ZRS")
    .describe(
      "Where copies are: `LRS` in one data centre, `ZRS` in several of the region (not every region has them), `GRS` in another region too.",
    ),
  lock: z
    .enum(["unlocked", "locked"])
    .default("unlocked")
    .describe(
      "Whether the policy that keeps a backup for as long as its tier can be changed. `unlocked`: whoever administers the account can shorten it. `locked`: nobody can, you neither. Azure makes it unlocked, and takes `locked` from the next `pulumi up` on, for good.",
    ),
});

const declaredSchema = z.strictObject({
  lock: z
    .enum(["governance", "compliance"])
    .default("governance")
    .describe(
      "What locks a backup for as long as its tier is kept. `governance`: whoever administers the account can lift it. `compliance`: nobody can, you neither, and a wrong `keep` is paid for to its end.",
    ),
  archive: z
    .enum(["none", "glacier-instant", "glacier-flexible"])
    .optional()
    .describe(
      "Where monthly backups are moved to after 30 days. `glacier-instant` is read at once, and is the default where they stay for 120 days or longer; `glacier-flexible` costs least, and gives a backup back after up to 5 hours.",
    ),
  kmsKey: z
    .string()
    .regex(
      /^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key\/[A-Za-z0-9-]+$/,
      "not the ARN of a key (an alias is none), such as arn:aws:kms:eu-central-1:111122223333:key/…",
    )
    .optional()
    .describe(
      "The ARN of a key of AWS KMS that objects are encrypted with. Without it S3 uses keys of its own.",
    ),
  accepted: z
    .array(z.enum(weakeningNames))
    .default([])
    .describe(
      "What a server that is not AWS (`endpoint`) need not do. Each server is tried, and refused with the name of what it cannot.",
    ),
});

const bucket = z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "not the name of a bucket");
const region = z
  .string()
  .regex(/^[a-z0-9-]+$/, "not the name of a region, such as eu-central-1")
  .default("us-east-1")
  .describe("Its region.");
const endpoint = z
  .url({ protocol: /^https$/ })
  .regex(/^https:\/\/[^/?#@]+(\/[^?#]*)?$/, "no account, ? or # stands in the URL of an endpoint")
  .optional()
  .describe("Where another server than AWS answers: `https://minio.example.org`.");

const evidenceSchema = z.strictObject({
  bucket: bucket.describe("The bucket. No backups are in it."),
  path: relativePath.describe("What the names of all that is put there begin with, such as the site's name."),
  region,
  endpoint,
  operator: accessKey
    .optional()
    .describe(
      "What your computer puts and reads with. Without it as AWS' own programs do: AWS_PROFILE, or what `aws sso login` left.",
    ),
  declared: declaredSchema
    .omit({ archive: true })
    .extend({
      keep: duration
        .prefault("365d")
        .describe("How long what is put there is locked. It is never removed by itself."),
    })
    .optional()
    .describe("The stack `offsite` makes this bucket too (docs/offsite.md). `declared: {}` is enough."),
});

const storeSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("directory").describe("A folder on the operator's computer, such as a mounted disk."),
    name: name.describe("Name of the store: in listings and messages."),
    path: z
      .string()
      .min(1)
      .describe("Folder that holds the backups, on the operator's computer; relative to site.yaml."),
    timezone,
  }),
  z.strictObject({
    kind: z
      .literal("ssh")
      .describe("A folder on a server of your own, read over ssh (sftp) with a key of your ssh agent."),
    name: name.describe("Name of the store: in listings and messages."),
    host: z
      .string()
      .regex(/^[A-Za-z0-9:][A-Za-z0-9.:-]*$/, "not the name or address of a host")
      .describe("The server's name or address."),
    port: z.int().min(1).max(65_535).default(22).describe("Port of its sshd."),
    user: z
      .string()
      .regex(/^[A-Za-z0-9_][A-Za-z0-9_.@-]*$/, "not the name of an account")
      .describe("The account that logs in. It need not be allowed more than sftp, and reading."),
    path: anyPath.describe("Folder that holds the backups there; a relative one starts where sftp does."),
    hostKey: z
      .string()
      .regex(
        /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+={0,2}( .*)?$/,
        "not a public host key, such as ssh-ed25519 AAAA…",
      )
      .describe(
        "The server's public key, `ssh-ed25519 AAAA…`: read it on the server, `cat /etc/ssh/ssh_host_ed25519_key.pub`. Whoever shows another is not asked for anything.",
      ),
    server: backupServer
      .optional()
      .describe(
        "The server is a plain Debian, and `recovery backup-server` sets up the account there: who adds backups, who reads them, how much they may be. What the tiers need not keep it removes itself.",
      ),
    timezone,
  }),
  z.strictObject({
    kind: z
      .literal("s3")
      .describe(
        "A bucket of AWS S3, or of another server that speaks its language: MinIO, Ceph, R2, B2, Wasabi.",
      ),
    name: name.describe("Name of the store: in listings and messages."),
    bucket: bucket.describe(
      "The bucket. It should keep versions, and let nobody but its own lifecycle rules remove them.",
    ),
    path: relativePath.describe("What the names of the backups in it begin with, such as the site's name."),
    region,
    endpoint,
    versions: z
      .boolean()
      .default(true)
      .describe(
        "Whether the bucket keeps versions, so that what was put over a backup is not taken for it. `false` only for a server that cannot: whoever breaks into the site's server can then overwrite every backup there.",
      ),
    reader: accessKey
      .optional()
      .describe(
        "What your computer reads with. Without it as AWS' own programs do: AWS_PROFILE, or what `aws sso login` left.",
      ),
    writer: accessKey
      .optional()
      .describe(
        "What the site's server writes with: it may put objects under `path`, read and list them, and nothing else. Without it no backups are sent there.",
      ),
    declared: declaredSchema
      .optional()
      .describe(
        "The stack `offsite` makes this bucket and keeps it as is said here (docs/offsite.md). `declared: {}` is enough.",
      ),
    timezone,
  }),
  z.strictObject({
    kind: z.literal("azure-blob").describe("A container of Azure's blob storage."),
    name: name.describe("Name of the store: in listings and messages."),
    container: z
      .url({ protocol: /^https$/ })
      .regex(
        /^https:\/\/[^/?#@]+(\/[^/?#]+)+$/,
        "the URL of a container ends in its name, and has no account, ? or # in it",
      )
      .describe("The container's URL: `https://ACCOUNT.blob.core.windows.net/CONTAINER`."),
    path: relativePath.describe("What the names of the backups in it begin with, such as the site's name."),
    reader: variable.describe(
      "Name of the entry of `secrets` that holds what your computer reads with: a shared access signature of the container that may read and list.",
    ),
    writer: variable
      .optional()
      .describe(
        "The same for what the site's server writes with: it may read, create and write, and not delete. Without it no backups are sent there.",
      ),
    declared: declaredContainerSchema
      .optional()
      .describe("The stack `offsite` makes this container, in an account of its own (docs/offsite.md)."),
    timezone,
  }),
]);

const storeNames = z
  .array(name)
  .optional()
  .describe(
    "Names of entries of `stores` that each of them is sent to. By default all that the server can write to: those of kind ssh, and those with a `writer`.",
  );
const keep = (written: string) =>
  duration
    .prefault(written)
    .describe(
      "How long they stay on the server. The newest good ones stay, as many as are made in that time, however old they are.",
    );

const backupsSchema = z.strictObject({
  path: absolutePath
    .default("/var/backups/site")
    .describe("The folder on the site's own server that backups are made in. It is root's alone."),
  at: z
    .string()
    .regex(/^([01][0-9]|2[0-3]):[0-5][0-9]$/, 'a time of day in quotes, such as "02:00"')
    .default("02:00")
    .describe(
      "When the daily, weekly (on Sunday) and monthly (on the 1st) ones begin, in the server's local time.",
    ),
  hourly: z
    .strictObject({
      every: duration
        .prefault("1h")
        .refine((seconds) => seconds % 3600 === 0 && seconds > 0 && 86_400 % seconds === 0, {
          message: "whole hours that a day can be divided by: 1h, 2h, 3h, 4h, 6h, 8h, 12h or 24h",
        })
        .describe("How often."),
      keep: keep("48h"),
      stores: storeNames,
    })
    .prefault({})
    .describe("Databases alone."),
  daily: z
    .strictObject({ keep: keep("7d"), stores: storeNames })
    .prefault({})
    .describe("All of the site."),
  weekly: z
    .strictObject({ keep: keep("30d"), stores: storeNames })
    .prefault({})
    .describe("All of the site, with its logs and metrics."),
  monthly: z
    .strictObject({ keep: keep("365d"), stores: storeNames })
    .prefault({})
    .describe("All of the site, with its logs and metrics."),
});

const mailSchema = z.strictObject({
  to: z.array(z.email()).min(1).describe("Who is told."),
  from: z.email().describe("Whom the mail is from."),
  smtp: z
    .string()
    .regex(
      /^smtps?:\/\/[A-Za-z0-9[][A-Za-z0-9.:\]-]*$/,
      "the URL of a server of mail, such as smtps://mail.example.org:465 or smtp://mail.example.org:587",
    )
    .optional()
    .describe(
      "The server that takes it: `smtps://HOST:465`, or `smtp://HOST:587`, which is told to encrypt. Without, it goes through the server's own /usr/sbin/sendmail.",
    ),
  user: z
    .string()
    .regex(/^[^\p{Cc}:]+$/u, "the name of an account, without a colon")
    .optional()
    .describe("The account there."),
  password: variable
    .optional()
    .describe("Name of the entry of `secrets` that holds its password. Without encryption it is never sent."),
});

const alertsSchema = z.strictObject({
  mail: mailSchema.optional().describe("By mail."),
  webhook: variable
    .optional()
    .describe(
      "Name of the entry of `secrets` that holds a URL. It is sent JSON with a `text`, as Slack, Mattermost and others read it.",
    ),
  deadMan: variable
    .optional()
    .describe(
      "Name of the entry of `secrets` that holds a URL of a service that tells you when it is no longer asked for, such as healthchecks.io. It is asked for each hour while nothing is critical: it tells of a server that is gone, or that can tell nobody.",
    ),
  textfile: absolutePath
    .optional()
    .describe(
      "The folder of Prometheus' node-exporter for text files. By default /var/lib/prometheus/node-exporter, where that is there.",
    ),
});

function isPlainPath(path: string): boolean {
  const controlCharacters = /\p{Cc}/u;
  return !/\/\/|(^|\/)\.(\/|$)|.\/$/.test(path) && !controlCharacters.test(path);
}

function hasNoDotDot(path: string): boolean {
  return !path.split("/").includes("..");
}

function isTimeZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

const serverSchema = z.strictObject({
  release: z.enum(["12", "13"]).default("12").describe("Debian release of the replacement server."),
  cores: z.int().min(1).default(1).describe("The least number of processor cores."),
  memory: size.default(512 * 1024 ** 2).describe("The least memory."),
  disk: size
    .default(2 * 1024 ** 3)
    .describe("The least free disk space, beside what the restore point needs."),
});

const sshKeyOfOperator = z.string().regex(sshPublicKey, "not a public key of ssh, such as ssh-ed25519 AAAA…");

const replacementSchema = z.strictObject({
  kind: z
    .literal("aws")
    .describe("A server of AWS EC2. One of any other cloud is given to `rebuild` by its address."),
  region: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+)+-[0-9]$/, "not the name of a region, such as eu-central-1")
    .describe("The region that it is made in. Another one than the lost server's, when that region is lost."),
  zone: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+)+-[0-9][a-z]$/, "not the name of a zone, such as eu-central-1b")
    .describe("The zone of that region."),
  image: z
    .strictObject({
      id: z
        .string()
        .regex(/^ami-[0-9a-f]{8,17}$/, "not the id of an image, such as ami-0123456789abcdef0")
        .describe("Its id in that region. `npx recovery server-image` finds it."),
      release: z.enum(["12", "13"]).describe("The Debian that is in it."),
      architecture: z.enum(["amd64", "arm64"]).default("amd64").describe("The processors that it is for."),
    })
    .describe("The image of Debian that it starts from, by its id: what is made is what was tried."),
  instance: z
    .strictObject({
      type: z
        .string()
        .regex(/^[a-z0-9-]+\.[a-z0-9]+$/, "not a type of instance, such as t3.small")
        .describe("Its type, such as `t3.small`."),
      cores: z.int().min(1).describe("How many cores that has."),
      memory: size.describe("How much memory."),
      architecture: z.enum(["amd64", "arm64"]).default("amd64").describe("The processors that it has."),
    })
    .describe("What it is. `npx recovery server-image` tells what a type has."),
  disk: size.prefault("20GiB").describe("Its root volume, which is encrypted."),
  operators: z
    .array(z.union([z.cidrv4(), z.cidrv6()], "not a range of addresses, such as 203.0.113.7/32"))
    .min(1)
    .describe("The ranges of addresses that may log in by ssh: yours. Port 80 and 443 are open to all."),
  key: sshKeyOfOperator.describe("Your public key: with it root logs in, and nobody by a password."),
  address: z
    .enum(["kept", "new"])
    .default("kept")
    .describe(
      "`kept`: an Elastic IP that stays across rebuilds, so that DNS need not change. `new`: each server has another.",
    ),
  staging: z
    .strictObject({
      lifeSpan: duration.prefault("8h").describe("After this time it switches itself off, and is gone."),
    })
    .prefault({})
    .describe("The server of the stack `staging-server`, in a network of its own."),
  living: z
    .string()
    .regex(/^i-[0-9a-f]{8,17}$/, "not the id of an instance, such as i-0123456789abcdef0")
    .optional()
    .describe("The id of the server that serves now: `assess` asks AWS how it is."),
});

const dnsSchema = z.strictObject({
  kind: z.literal("route53").describe("A hosted zone of AWS Route 53."),
  zone: z
    .string()
    .regex(/^Z[A-Z0-9]+$/, "not the id of a hosted zone, such as Z0123456789ABC")
    .describe("Its id."),
  ttl: duration.prefault("60s").describe("How long others may remember the address."),
});

export const siteSchema = z.strictObject({
  version: z.literal(1).describe("Version of this format."),
  name: name.describe("Name of the site: in stack names, records and messages."),
  domain: domain.describe("The domain that the site serves."),
  aliases: z.array(domain).default([]).describe("Further domains on the same certificate."),
  application: applicationSchema.describe("The program that is checked out and built."),
  php: phpSchema.describe("The PHP that runs it."),
  packages: z
    .array(packageName)
    .default([])
    .describe("Further Debian packages that the site needs to serve."),
  nginx: nginxSchema.describe("The web server's configuration."),
  tls: tlsSchema.describe("Certificates, by ACME."),
  workers: z.array(workerSchema).default([]).describe("Background services. They start last."),
  databases: z.array(databaseSchema).default([]).describe("Databases."),
  uploads: z.array(uploadsSchema).default([]).describe("Folders of uploaded files."),
  data: z.array(dataSchema).default([]).describe("Folders of other application data."),
  configuration: configurationSchema.describe(
    "Configuration that is in the backup and not in the repository.",
  ),
  permissions: permissionsSchema.prefault({}).describe("Owner and modes."),
  secrets: z.array(secretSchema).default([]).describe("Secrets that a run needs, and where each comes from."),
  logs: z.array(logSchema).default([]).describe("Log files of the application."),
  metrics: metricsSchema.optional().describe("The metrics page."),
  server: serverSchema.prefault({}).describe("What a replacement server must at least have."),
  objectives: objectivesSchema
    .prefault({})
    .describe("How much data and how much time may be lost. The defaults are the runbook's."),
  checks: z
    .array(checkSchema)
    .min(1)
    .describe("What must be true of the site for it to count as recovered, beside what is always checked."),
  stores: z.array(storeSchema).min(1).describe("Where the backups lie."),
  restorePoints: restorePointsSchema
    .prefault({})
    .describe("Who signs backups of our own format (docs/format.md), and who can read them."),
  verification: verificationSchema
    .optional()
    .describe(
      "Who reads backups whole and restores them for a test, and whose word counts (docs/verification.md).",
    ),
  replacement: replacementSchema
    .optional()
    .describe("The server that the stack `server` makes when this one is lost (docs/servers.md)."),
  dns: dnsSchema
    .optional()
    .describe(
      "Where the site's names are changed by the stack `dns` (docs/servers.md). Without it `rebuild` prints the records to change.",
    ),
  evidence: evidenceSchema
    .optional()
    .describe(
      "A bucket of its own that verdicts and the records of runs are put in, and that all who verify and recover share (docs/verification.md).",
    ),
  backups: backupsSchema
    .optional()
    .describe(
      "Backups that the site's own server makes by itself (docs/backups.md), signed by its host key. The defaults are the runbook's: `backups: {}` is enough.",
    ),
  alerts: alertsSchema
    .optional()
    .describe(
      "Who is told when these backups fail, are missing, or are damaged (docs/backups.md). Secrets are kept on the server, where root alone reads them.",
    ),
});

/** A site as the rest of the program sees it: every default filled in, durations in seconds, sizes in bytes. */
export type Site = z.infer<typeof siteSchema>;
export type Database = Site["databases"][number];
export type Check = Site["checks"][number];
export type Store = Site["stores"][number];
