import type { Packages } from "../../../runbook/packages.ts";
import type { Facts, Step } from "../../../runbook/step.ts";

// Written out by hand from the runbook and host/steps, not copied from what the program prints.
const manifestSha256 = "0123456789abcdef".repeat(4);
const archiveSha256 = "a".repeat(64);
const databasePath = "/var/www/club/data/club.db";
const environmentFile = "/var/www/club/.env";

const fetchArchive: Step = {
  id: "fetch",
  title: "Backup fetched and hashed",
  runbook: "1.5",
  script: "fetch",
  inputs: { from: "point", files: [{ name: "point.tar.gz", bytes: 1000, sha256: archiveSha256 }] },
  secrets: ["rclone.conf"],
  triggers: ["point full_backup_20260301_020000", `manifest ${manifestSha256}`, `archive ${archiveSha256}`],
  after: ["provision"],
  budgetSeconds: 600,
  timeoutSeconds: 7200,
};

const provision: Step = {
  id: "provision",
  title: "Server fit and free for the site",
  runbook: "1.2",
  script: "provision",
  inputs: {
    release: "12",
    cores: 2,
    memoryBytes: 1_073_741_824,
    diskBytes: 4_294_967_296 + 1000 + 10_000,
    path: "/var/www/club",
    over: "",
  },
  secrets: [],
  triggers: ["host-key SHA256:host", "attempt 1"],
  after: [],
  budgetSeconds: 1800,
  timeoutSeconds: 3600,
};

interface ExpectedDatabase {
  facts: Facts & { member: string };
  /** Where a file of it lies on the host: not for a server's. */
  files: string[];
  /** Packages that it asks for. */
  packages: string[];
  /** Units that are started while it is unpacked. */
  starts: string[];
}

const sqlite: ExpectedDatabase = {
  facts: { name: "club", kind: "sqlite", path: databasePath, member: "database/club.db.gz" },
  files: [databasePath],
  packages: ["php8.2-sqlite3", "sqlite3"],
  starts: [],
};

const staged = (database: ExpectedDatabase): Step[] => [
  {
    id: "stage-databases",
    title: "Databases whole and not empty",
    runbook: "1.6",
    script: "stage-databases",
    inputs: { databases: [database.facts] },
    secrets: [],
    triggers: [],
    after: ["unpack"],
    budgetSeconds: 900,
    timeoutSeconds: 7200,
  },
  {
    id: "stage-files",
    title: "Uploads and data unpacked and hashed",
    runbook: "1.6",
    script: "stage-files",
    inputs: {
      folders: [
        { path: "/var/www/club/data", member: "data/app_data.tar.gz", kind: "data" },
        { path: "/srv/uploads", member: "files/uploads.tar.gz", kind: "uploads" },
      ],
      databasePaths: database.files,
    },
    secrets: [],
    triggers: [],
    after: ["unpack"],
    budgetSeconds: 900,
    timeoutSeconds: 7200,
  },
  {
    id: "restore",
    title: "Everything put in place",
    runbook: "1.6",
    script: "restore",
    inputs: {
      application: "/var/www/club",
      keep: [],
      folders: [
        { path: "/var/www/club/data", kind: "data" },
        { path: "/srv/uploads", kind: "uploads" },
      ],
      databases: [database.facts],
      configuration: [
        { member: ".env", path: environmentFile, mode: "600" },
        { member: "config.php", path: "/var/www/club/config.php", mode: "600" },
      ],
      environmentFile,
      units: ["php8.2-fpm.service", "nginx.service", "thumbnails.service"],
      over: "",
      owner: "www-data",
      group: "www-data",
    },
    secrets: [],
    triggers: [],
    after: ["stage-databases", "stage-files", "application"],
    budgetSeconds: 900,
    timeoutSeconds: 3600,
  },
  {
    id: "configuration",
    title: "Configuration complete, loads, reaches the database",
    runbook: "1.7",
    script: "configuration",
    inputs: {
      path: "/var/www/club",
      owner: "www-data",
      environmentFile,
      requiredVariables: ["TOKEN"],
      load: "config.php",
      databases: [database.facts],
    },
    secrets: [],
    triggers: [],
    after: ["restore"],
    budgetSeconds: 600,
    timeoutSeconds: 1200,
  },
  {
    id: "web-server",
    title: "nginx configured and tested",
    runbook: "1.8",
    script: "web-server",
    inputs: {
      name: "club",
      domain: "club.example.org",
      source: "/var/www/club/deploy/nginx.conf",
      php: "8.2",
      pool: "",
      owner: "www-data",
      webroot: "/var/www/letsencrypt",
      certificates: "",
    },
    secrets: [],
    triggers: [],
    after: ["restore", "install-serving-packages"],
    budgetSeconds: 600,
    timeoutSeconds: 1200,
  },
  {
    id: "permissions",
    title: "Owners and modes",
    runbook: "1.9",
    script: "permissions",
    inputs: {
      path: "/var/www/club",
      owner: "www-data",
      group: "www-data",
      directories: "755",
      files: "644",
      dataDirectories: "770",
      dataFiles: "660",
      dataFolders: ["/var/www/club/data", "/srv/uploads"],
      databases: database.files,
      configuration: [
        { path: environmentFile, mode: "600" },
        { path: "/var/www/club/config.php", mode: "600" },
      ],
      logs: ["/var/log/club.log"],
    },
    secrets: [],
    triggers: [],
    after: ["configuration", "web-server"],
    budgetSeconds: 300,
    timeoutSeconds: 1800,
  },
  {
    id: "services",
    title: "PHP-FPM, nginx, workers started",
    runbook: "1.10",
    script: "services",
    inputs: {
      units: ["php8.2-fpm.service", "nginx.service", "thumbnails.service"],
      workers: [{ unit: "thumbnails.service", file: "/var/www/club/deploy/thumbnails.service" }],
    },
    secrets: [],
    triggers: [],
    after: ["permissions"],
    budgetSeconds: 300,
    timeoutSeconds: 600,
  },
];

function install(id: string, title: string, packages: string[], after: string, minutes: number): Step {
  return {
    id,
    title,
    runbook: "1.3",
    script: "install-packages",
    inputs: { packages },
    secrets: [],
    triggers: [],
    after: [after],
    budgetSeconds: minutes * 60,
    timeoutSeconds: Math.max(minutes * 120, 300),
  };
}

function download(packages: Packages): Step {
  return {
    id: "download-packages",
    title: "System up to date, packages downloaded",
    runbook: "1.3",
    script: "download-packages",
    inputs: { ...packages },
    secrets: [],
    triggers: [],
    after: ["provision"],
    budgetSeconds: 300,
    timeoutSeconds: 1800,
  };
}

function unpack(after: string[], database: ExpectedDatabase): Step {
  return {
    id: "unpack",
    title: "Archive unpacked, all members there",
    runbook: "1.6",
    script: "unpack",
    inputs: {
      sha256: archiveSha256,
      manifestSha256,
      starts: database.starts,
      members: [
        database.facts.member,
        "data/app_data.tar.gz",
        "files/uploads.tar.gz",
        "config/.env",
        "config/config.php",
      ],
    },
    secrets: [],
    triggers: [],
    after,
    budgetSeconds: 600,
    timeoutSeconds: 7200,
  };
}

function health(inputs: Step["inputs"]): Step {
  return {
    id: "health",
    title: "The site's checks, from the host",
    runbook: "1.11",
    script: "health",
    inputs,
    secrets: ["MONITORING"],
    triggers: [],
    after: ["services"],
    budgetSeconds: 600,
    timeoutSeconds: 1200,
  };
}

function ending(authority: string, units: string[]): Step[] {
  return [
    {
      id: "tls",
      title: "Certificate for the domain",
      runbook: "1.12",
      script: "tls",
      inputs: {
        name: "club",
        domain: "club.example.org",
        aliases: ["www.club.example.org"],
        email: "webmaster@club.example.org",
        webroot: "/var/www/letsencrypt",
        authority,
      },
      secrets: [],
      triggers: [],
      after: ["health", "install-certificate-tool"],
      budgetSeconds: 900,
      timeoutSeconds: 1800,
    },
    {
      id: "finish",
      title: "Left as a server should be",
      runbook: "1.13",
      script: "finish",
      inputs: { units },
      secrets: [],
      triggers: [],
      after: ["tls", "install-guards"],
      budgetSeconds: 60,
      timeoutSeconds: 300,
    },
  ];
}

const building = [
  "age",
  "ca-certificates",
  "composer",
  "curl",
  "git",
  "openssl",
  "php8.2-cli",
  "php8.2-curl",
  "zstd",
];
const packages = (database: ExpectedDatabase, isolated = false) => ({
  building: [...building, ...database.packages, ...(isolated ? ["nftables"] : [])].sort(),
  serving: ["nginx", "php8.2-fpm"],
  certificates: ["certbot", ...(isolated ? ["pebble"] : []), "python3-certbot-nginx"],
  guards: ["fail2ban", "python3-systemd", "ufw"],
});

function installedFirst({ building, serving }: Packages): Step[] {
  return [
    install(
      "install-building-packages",
      "Packages to build and restore with",
      building,
      "download-packages",
      4,
    ),
    install(
      "install-serving-packages",
      "Packages that the site serves with",
      serving,
      "install-building-packages",
      2,
    ),
  ];
}

function installedLast({ certificates, guards }: Packages): Step[] {
  return [
    install("install-certificate-tool", "Certificate tool", certificates, "install-serving-packages", 2),
    install("install-guards", "Guards", guards, "install-certificate-tool", 2),
  ];
}

/** The same with the club's data in PostgreSQL. */
export const postgresql: ExpectedDatabase = {
  starts: ["postgresql@15-main.service"],
  facts: {
    name: "club",
    kind: "postgresql",
    database: "club_data",
    role: "club",
    roles: ["reporting"],
    extensions: ["postgres_fdw"],
    connection: { password: "DB_PASSWORD" },
    member: "database/admin_postgres.sql.gz",
    cluster: "15/main",
    environmentFile,
    environmentMember: "config/.env",
  },
  files: [],
  packages: ["php8.2-pgsql", "postgresql-15", "postgresql-client-15"],
};

/** The small site on a real host, its application from git. `checks` is the request of the health step. */
export function gitOnHost(checks: Step["inputs"], database = sqlite): Step[] {
  return [
    provision,
    download(packages(database)),
    ...installedFirst(packages(database)),
    fetchArchive,
    {
      id: "application",
      title: "Application at its revision, built",
      runbook: "1.4",
      script: "application",
      inputs: {
        sourceKind: "git",
        source: "https://git.example.org/club.git",
        revision: "c".repeat(40),
        path: "/var/www/club",
        owner: "www-data",
        group: "www-data",
        build: ["composer install --no-dev"],
      },
      secrets: [],
      triggers: [],
      after: ["install-building-packages"],
      budgetSeconds: 300,
      timeoutSeconds: 1800,
    },
    unpack(["fetch", "install-building-packages"], database),
    ...staged(database),
    health(checks),
    ...installedLast(packages(database)),
    ...ending("default", ["certbot.timer", "fail2ban.service"]),
  ];
}

/** The small site in a drill, its application from a bundle. `checks` is the request of the health step. */
export function bundleInDrill(checks: Step["inputs"]): Step[] {
  return [
    provision,
    download(packages(sqlite, true)),
    ...installedFirst(packages(sqlite, true)),
    fetchArchive,
    {
      id: "fetch-application",
      title: "Application's bundle fetched",
      runbook: "1.4",
      script: "fetch",
      inputs: {
        from: "application",
        files: [{ name: "application.bundle", bytes: 70, sha256: "b".repeat(64) }],
      },
      secrets: ["rclone.conf"],
      triggers: [],
      after: ["provision"],
      budgetSeconds: 120,
      timeoutSeconds: 1800,
    },
    {
      id: "application",
      title: "Application at its revision, built",
      runbook: "1.4",
      script: "application",
      inputs: {
        sourceKind: "bundle",
        source: "b".repeat(64),
        revision: "c".repeat(40),
        path: "/var/www/club",
        owner: "www-data",
        group: "www-data",
        build: ["composer install --no-dev"],
      },
      secrets: [],
      triggers: [],
      after: ["install-building-packages", "fetch-application"],
      budgetSeconds: 180,
      timeoutSeconds: 1800,
    },
    {
      id: "close-egress",
      title: "Egress closed, and proven closed",
      runbook: "drill",
      script: "close-egress",
      inputs: {},
      secrets: [],
      triggers: [],
      after: ["application", "fetch"],
      budgetSeconds: 60,
      timeoutSeconds: 300,
    },
    unpack(["close-egress"], sqlite),
    ...staged(sqlite),
    health(checks),
    ...installedLast(packages(sqlite, true)),
    ...ending("pebble", []),
  ];
}
