import type { Site } from "../site/schema.ts";
import { serverFiles } from "../site/server-files.ts";
import { checkRequest, servingUnits } from "./checks.ts";
import { databaseFacts, databaseFiles, databaseUnits, hasDatabaseServer, ledTo } from "./databases.ts";
import { hostPath } from "./host-path.ts";
import { packagesOf } from "./packages.ts";
import { type MemberPoint, membersOf, unpackMembers } from "./member-steps.ts";
import type { Facts, PlannedStep, Step } from "./step.ts";

/** A file that a step takes from the store, by the name under which the store serves it. */
export interface StoredFile {
  name: string;
  bytes: number;
  /** Lower-case hexadecimal. */
  sha256: string;
}

/** An archive of the runbook's scripts, as a plan needs to know it. */
export interface ArchivePoint {
  archive: StoredFile;
  unpackedBytes: number;
}

/** All that the plan of a complete failure is made of. No clock or secret is among it, and no address of a host. */
export interface CompleteFailureRequest {
  site: Site;
  point: { id: string; manifestSha256: string } & (ArchivePoint | MemberPoint);
  application: { commit: string; bundle?: StoredFile };
  /** "SHA256:…" of the host's key: a reinstalled host is another host. */
  hostKeyFingerprint: string;
  /** Raised to restore the same point over the same host once more. */
  attempt: number;
  /** The restore of that host which may be replaced although the site has served since, by its time; empty for none. */
  over: string;
  /** A drill: egress is closed and proven closed before anything is unpacked, and the certificate authority is the host's own. */
  isolated: boolean;
}

const minutes = (count: number) => count * 60;

/**
 * Scenario 1 of the runbook: a lost site comes back on a blank host.
 *
 * Budgets are the upper bounds of the runbook's ranges; where several steps share one of its numbers, they share its time.
 */
export function planCompleteFailure(request: CompleteFailureRequest): Step[] {
  const { site, point, application, isolated } = request;
  const { path } = site.application;
  const { owner, group } = site.permissions;
  const own = "archive" in point ? undefined : point;
  const packages = packagesOf(site, { isolated });
  const databases = site.databases.map((database, at): Facts => {
    const member = own?.members.databases[at]?.[0]?.content;
    return { ...databaseFacts(site, database), ...(member === undefined ? {} : { member }) };
  });
  const files = databaseFiles(site).map((file) => hostPath(site, file));
  const folder = (kind: "data" | "uploads") => (one: { path: string; member: string }, at: number) => {
    const members = own?.members[kind][at]?.map(({ content }) => content);
    return {
      path: hostPath(site, one.path),
      member: members?.[0] ?? one.member,
      kind,
      ...(members ? { members } : {}),
    };
  };
  // Data first: uploads and databases may lie inside it, and are placed into it.
  const folders = [...site.data.map(folder("data")), ...site.uploads.map(folder("uploads"))];
  const configuration = site.configuration.files.map((file) => ({
    member: file,
    path: hostPath(site, file),
    mode: site.permissions.configuration,
  }));
  const { nginx, php } = site;
  const { pool } = php;
  const single = [
    ...configuration.map(({ member }) => `config/${member}`),
    ...serverFiles(site).flatMap(({ file, from }) => (from === "backup" ? [`config/${file}`] : [])),
    ...(site.tls.member === undefined ? [] : [site.tls.member]),
  ];
  const newer = own?.newerDatabases;
  const pinned = [`point ${point.id}`, `manifest ${point.manifestSha256}`];
  const pinnedDatabases =
    newer === undefined ? [] : [`databases ${newer.id}`, `databases-manifest ${newer.manifestSha256}`];
  // Members of our own format are taken from the store as they are unpacked. A drill is closed before that.
  const fetched =
    "archive" in point
      ? { point: [point.archive], databases: [] }
      : isolated
        ? membersOf(point)
        : { point: [], databases: [] };
  const storedBytes = [...fetched.point, ...fetched.databases].reduce((sum, { bytes }) => sum + bytes, 0);
  const fetch = (from: "point" | "databases", triggers: string[]): PlannedStep[] =>
    fetched[from].length === 0
      ? []
      : [
          {
            id: from === "point" ? "fetch" : "fetch-databases",
            script: "fetch",
            title:
              from === "point"
                ? "Backup fetched and hashed"
                : "Databases of a newer backup fetched and hashed",
            runbook: "1.5",
            inputs: {
              from,
              files: fetched[from].map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 })),
            },
            secrets: ["rclone.conf"],
            triggers,
            after: ["provision"],
            budgetSeconds: minutes(10),
            timeoutSeconds: minutes(120),
          },
        ];
  const fetches = [
    ...fetch("point", [...pinned, ...("archive" in point ? [`archive ${point.archive.sha256}`] : [])]),
    ...fetch("databases", pinnedDatabases),
  ];

  const steps: PlannedStep[] = [
    {
      id: "provision",
      title: "Server fit and free for the site",
      runbook: "1.2",
      inputs: {
        release: site.server.release,
        cores: site.server.cores,
        memoryBytes: site.server.memory,
        // What is fetched and what that holds; of an archive once more unpacked in its place.
        diskBytes: site.server.disk + storedBytes + (own ? 1 : 2) * point.unpackedBytes,
        path,
        over: request.over,
      },
      triggers: [`host-key ${request.hostKeyFingerprint}`, `attempt ${request.attempt}`],
      after: [],
      budgetSeconds: minutes(30),
    },
    {
      id: "download-packages",
      title: "System up to date, packages downloaded",
      runbook: "1.3",
      inputs: { ...packages },
      after: ["provision"],
      budgetSeconds: minutes(5),
      timeoutSeconds: minutes(30),
    },
    {
      id: "install-building-packages",
      script: "install-packages",
      title: "Packages to build and restore with",
      runbook: "1.3",
      inputs: { packages: packages.building },
      after: ["download-packages"],
      budgetSeconds: minutes(4),
    },
    {
      id: "install-serving-packages",
      script: "install-packages",
      title: "Packages that the site serves with",
      runbook: "1.3",
      inputs: { packages: packages.serving },
      // Beside the build and the restore: dpkg needs one core of two.
      after: ["install-building-packages"],
      budgetSeconds: minutes(2),
    },
    ...fetches,
    ...(application.bundle
      ? [
          {
            id: "fetch-application",
            script: "fetch",
            title: "Application's bundle fetched",
            runbook: "1.4",
            inputs: { from: "application", files: [{ ...application.bundle }] },
            secrets: ["rclone.conf"],
            after: ["provision"],
            budgetSeconds: minutes(2),
            timeoutSeconds: minutes(30),
          },
        ]
      : []),
    {
      id: "application",
      title: "Application at its revision, built",
      runbook: "1.4",
      inputs: {
        sourceKind: application.bundle ? "bundle" : "git",
        source: application.bundle ? application.bundle.sha256 : (site.application.git ?? ""),
        revision: application.commit,
        path,
        owner,
        group,
        build: site.application.build,
      },
      after: ["install-building-packages", ...(application.bundle ? ["fetch-application"] : [])],
      budgetSeconds: minutes(application.bundle ? 3 : 5),
      timeoutSeconds: minutes(30),
    },
    ...(isolated
      ? [
          {
            id: "close-egress",
            title: "Egress closed, and proven closed",
            runbook: "drill",
            inputs: {},
            after: ["application", ...fetches.map(({ id }) => id)],
            budgetSeconds: minutes(1),
          },
        ]
      : []),
    "archive" in point
      ? {
          id: "unpack",
          title: "Archive unpacked, all members there",
          runbook: "1.6",
          inputs: {
            sha256: point.archive.sha256,
            manifestSha256: point.manifestSha256,
            starts: databaseUnits(site),
            members: [
              ...site.databases.map(({ member }) => member),
              ...folders.map(({ member }) => member),
              ...single,
            ],
          },
          after: isolated ? ["close-egress"] : ["fetch", "install-building-packages"],
          budgetSeconds: minutes(10),
          timeoutSeconds: minutes(120),
        }
      : unpackMembers(point, {
          isolated,
          pinned: [...pinned, ...pinnedDatabases],
          starts: databaseUnits(site),
          folders,
          required: single,
        }),
    {
      id: "stage-databases",
      title: "Databases whole and not empty",
      runbook: "1.6",
      inputs: { databases },
      after: [own ? "unpack-members" : "unpack"],
      budgetSeconds: minutes(15),
      timeoutSeconds: minutes(120),
    },
    {
      id: "stage-files",
      title: "Uploads and data unpacked and hashed",
      runbook: "1.6",
      inputs: { folders, databasePaths: files },
      after: [own ? "unpack-members" : "unpack"],
      budgetSeconds: minutes(15),
      timeoutSeconds: minutes(120),
    },
    {
      id: "restore",
      title: "Everything put in place",
      runbook: "1.6",
      inputs: {
        application: path,
        keep: [],
        folders: folders.map((folder) => ({ path: folder.path, kind: folder.kind })),
        databases,
        configuration,
        environmentFile: hostPath(site, site.configuration.environmentFile),
        units: servingUnits(site),
        owner,
        group,
        over: request.over,
        // All of it comes back on this host: what had a server of its own is found here from now on.
        ...(hasDatabaseServer(site) ? { leads: ledTo(site, "127.0.0.1") } : {}),
      },
      after: ["stage-databases", "stage-files", "application"],
      budgetSeconds: minutes(15),
      timeoutSeconds: minutes(60),
    },
    {
      id: "configuration",
      title: "Configuration complete, loads, reaches the database",
      runbook: "1.7",
      inputs: {
        path,
        owner,
        environmentFile: hostPath(site, site.configuration.environmentFile),
        requiredVariables: site.configuration.requiredVariables,
        load: site.configuration.load ?? "",
        databases,
      },
      after: ["restore"],
      budgetSeconds: minutes(10),
    },
    {
      id: "web-server",
      title: pool ? "nginx and PHP-FPM configured and tested" : "nginx configured and tested",
      runbook: "1.8",
      inputs: {
        name: site.name,
        domain: site.domain,
        source: sourceOf(site, nginx.site, nginx.from),
        php: php.version,
        pool: pool ? sourceOf(site, pool.file, pool.from) : "",
        owner,
        webroot: site.tls.webroot,
        certificates: site.tls.member ?? "",
      },
      after: ["restore", "install-serving-packages"],
      budgetSeconds: minutes(10),
    },
    {
      id: "permissions",
      title: "Owners and modes",
      runbook: "1.9",
      inputs: {
        path,
        owner,
        group,
        directories: site.permissions.directories,
        files: site.permissions.files,
        dataDirectories: site.permissions.dataDirectories,
        dataFiles: site.permissions.dataFiles,
        dataFolders: folders.map((folder) => folder.path),
        databases: files,
        configuration: configuration.map((file) => ({ path: file.path, mode: file.mode })),
        logs: site.logs.map((log) => log.path),
      },
      after: ["configuration", "web-server"],
      budgetSeconds: minutes(5),
      timeoutSeconds: minutes(30),
    },
    {
      id: "services",
      title: "PHP-FPM, nginx, workers started",
      runbook: "1.10",
      inputs: {
        units: servingUnits(site),
        workers: site.workers.map((worker) => ({ unit: worker.unit, file: hostPath(site, worker.file) })),
      },
      after: ["permissions"],
      budgetSeconds: minutes(5),
    },
    {
      id: "health",
      title: "The site's checks, from the host",
      runbook: "1.11",
      inputs: checkRequest(site, {
        transport: "any",
        restored: true,
        isolated,
        databases: "server",
        mark: `recovery-check-${point.manifestSha256.slice(0, 8)}-${request.attempt}`,
      }),
      secrets: checkSecrets(site),
      after: ["services"],
      budgetSeconds: minutes(10),
    },
    {
      id: "install-certificate-tool",
      script: "install-packages",
      title: "Certificate tool",
      runbook: "1.3",
      inputs: { packages: packages.certificates },
      // With a restored certificate the site serves without it. Without one it is needed for that, and is installed beside the
      // restore.
      after: [site.tls.member === undefined ? "install-serving-packages" : "health"],
      budgetSeconds: minutes(2),
    },
    {
      id: "install-guards",
      script: "install-packages",
      title: "Guards",
      runbook: "1.3",
      inputs: { packages: packages.guards },
      after: ["install-certificate-tool"],
      budgetSeconds: minutes(2),
    },
    {
      id: "tls",
      title: "Certificate for the domain",
      runbook: "1.12",
      inputs: {
        name: site.name,
        domain: site.domain,
        aliases: site.aliases,
        email: site.tls.email,
        webroot: site.tls.webroot,
        authority: isolated ? "pebble" : (site.tls.directory ?? "default"),
      },
      after: ["health", "install-certificate-tool"],
      budgetSeconds: minutes(15),
    },
    {
      id: "finish",
      title: "Left as a server should be",
      runbook: "1.13",
      inputs: { units: isolated ? [] : ["certbot.timer", "fail2ban.service"] },
      after: ["tls", "install-guards"],
      budgetSeconds: minutes(1),
    },
  ];
  return steps.map((step): Step => ({
    script: step.id,
    secrets: [],
    triggers: [],
    timeoutSeconds: Math.max(2 * step.budgetSeconds, minutes(5)),
    ...step,
  }));
}

/** Where a file of the server's configuration lies on the host before it is installed. */
function sourceOf(site: Site, file: string, from: "application" | "backup"): string {
  return from === "backup" ? `/var/lib/recovery/staging/content/config/${file}` : hostPath(site, file);
}

/** Names of the secrets that the site's checks send. */
export function checkSecrets(site: Site): string[] {
  const names = site.checks.flatMap((check) =>
    check.kind !== "rows" && check.bearer?.secret !== undefined ? [check.bearer.secret] : [],
  );
  return [...new Set(names)].sort();
}
