import type { Store } from "../../site/schema.ts";
import { timeOfFolder } from "../judge-folder.ts";
import type { Entry, RcloneStore } from "./rclone.ts";

type S3Store = Extract<Store, { kind: "s3" }>;

/**
 * A bucket of S3, or of a server that speaks its language. What was overwritten is read as it was at first: who has the credentials of
 * the site's server may put other bytes under an old name, and may not remove what was there. `secretAccessKey` is the reader's; without
 * one rclone finds credentials as AWS' own programs do.
 */
export function s3Store(store: Omit<S3Store, "timezone">, secretAccessKey: string | undefined): RcloneStore {
  const { name, bucket, path, region, endpoint, reader, versions } = store;
  return {
    name,
    remote: {
      environment: {
        RCLONE_CONFIG_STORE_TYPE: "s3",
        RCLONE_CONFIG_STORE_PROVIDER: endpoint === undefined ? "AWS" : "Other",
        RCLONE_CONFIG_STORE_REGION: region,
        ...(endpoint !== undefined && { RCLONE_CONFIG_STORE_ENDPOINT: endpoint }),
        ...(reader === undefined || secretAccessKey === undefined
          ? { RCLONE_CONFIG_STORE_ENV_AUTH: "true", ...ownCredentials() }
          : {
              RCLONE_CONFIG_STORE_ACCESS_KEY_ID: reader.accessKeyId,
              RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY: secretAccessKey,
            }),
        // Whoever reads may not make one.
        RCLONE_CONFIG_STORE_NO_CHECK_BUCKET: "true",
      },
      path: `store:${bucket}/${path}/`,
    },
    noFolder: {
      why: `there is no bucket ${bucket}`,
      next: "correct the store in site.yaml, or see that the reader's credentials may list the bucket and read its objects and their versions",
    },
    place: `s3 ${endpoint ?? region} ${bucket} ${path}`,
    ...(versions && {
      versions: {
        all: { RCLONE_CONFIG_STORE_VERSIONS: "true" },
        first: firstVersions,
        at: (moment) => ({ RCLONE_CONFIG_STORE_VERSION_AT: moment.toISOString() }),
      },
    }),
  };
}

/** What AWS' own programs would take: AWS_PROFILE and all that. A bundle of authorities rclone does not understand, and ends. */
function ownCredentials(): Record<string, string> {
  const own = Object.entries(process.env).filter(
    ([name]) => name.startsWith("AWS_") && name !== "AWS_CA_BUNDLE",
  );
  return Object.fromEntries(own.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

/** How rclone names a version that is not the newest: `config.tar.zst-v2026-03-01-020000-123.age`. */
const versionPattern = /-v(\d{4})-(\d\d)-(\d\d)-(\d\d)(\d\d)(\d\d)-(\d{3})(?=\.[^./]*$|$)/;

const hourMilliseconds = 3_600_000;

/**
 * Of a listing of `folder` that has all versions of all objects the oldest of each, and the folders. Whoever may write must not come before
 * what was there, or will be:
 * - An object whose own name looks like that of a version, and that came at another time than it says, is none, and is left out; rclone,
 *   which takes it for a version too, could not read it.
 * - What lies in the folder of a restore point and is more than an hour older than that was put there before: it counts only where nothing
 *   came since.
 * - An object may have the name of a folder. They are two.
 */
export function firstVersions(entries: readonly Entry[], folder: string): Entry[] {
  const first = new Map<string, Entry>();
  for (const entry of entries) {
    if (entry.IsDir) continue;
    const claimed = timeOfVersion(entry.Name);
    if (claimed !== undefined && claimed !== entry.ModTime.getTime()) continue;
    const bare = (name: string) => name.replace(versionPattern, "");
    const version = { ...entry, Name: bare(entry.Name), Path: bare(entry.Path) };
    const known = first.get(version.Path);
    const begun = timeOfPoint(`${folder}/${version.Path}`) - hourMilliseconds;
    const rank = ({ ModTime: time }: Entry) => [time.getTime() < begun ? 1 : 0, time.getTime()] as const;
    if (known === undefined || isLess(rank(version), rank(known))) first.set(version.Path, version);
  }
  return [...entries.filter((entry) => entry.IsDir), ...first.values()];
}

function isLess(one: readonly [number, number], other: readonly [number, number]): boolean {
  return one[0] === other[0] ? one[1] < other[1] : one[0] < other[0];
}

/** When the restore point began in whose folder this lies; long ago of what lies in none. */
function timeOfPoint(path: string): number {
  const folder = path.split("/").at(-2) ?? "";
  return Date.parse(timeOfFolder(folder) ?? "1970-01-01T00:00:00Z");
}

function timeOfVersion(name: string): number | undefined {
  const parts = versionPattern.exec(name)?.slice(1);
  if (parts === undefined) return undefined;
  const [year, month, day, hour, minute, second, millisecond] = parts.map(Number);
  return Date.UTC(year ?? 0, (month ?? 0) - 1, day, hour, minute, second, millisecond);
}
