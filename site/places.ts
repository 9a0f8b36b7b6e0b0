/** The system's own: nothing of a site lies in or under these. */
const system = [
  "/bin",
  "/boot",
  "/dev",
  "/etc",
  "/lib",
  "/lib32",
  "/lib64",
  "/libx32",
  "/lost+found",
  "/proc",
  "/root",
  "/sbin",
  "/sys",
  "/usr",
  "/var/cache",
  "/var/lib/dpkg",
  "/var/lib/postgresql",
  "/var/lib/recovery",
  "/var/lib/systemd",
  "/var/spool/cron",
];

/** Emptied when the host starts, or after some days. */
const fleeting = ["/run", "/tmp", "/var/run", "/var/tmp"];

/** Folders that hold more than one thing: a site has a folder in them, never the whole. */
const shared = ["/", "/home", "/media", "/mnt", "/opt", "/srv", "/var", "/var/lib", "/var/log", "/var/www"];

/** Why nothing of a site may lie at this absolute, normal path of a host; undefined when it may. */
export function unsafePlace(place: string): string | undefined {
  const isIn = (folder: string) => place === folder || place.startsWith(`${folder}/`);
  const systemFolder = system.find(isIn);
  if (systemFolder !== undefined) return `${systemFolder} belongs to the system, not to a site`;
  const fleetingFolder = fleeting.find(isIn);
  if (fleetingFolder !== undefined) return `what lies in ${fleetingFolder} is gone after a restart`;
  if (shared.includes(place)) return `${place} holds more than this site: name a folder inside it`;
  return undefined;
}
