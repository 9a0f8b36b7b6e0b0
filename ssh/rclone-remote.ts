/** A folder that rclone reads. */
export interface RcloneRemote {
  /** `RCLONE_CONFIG_…`: so told, rclone wants no file for it. Secrets may be among it: for the process of rclone alone. */
  environment: Record<string, string>;
  /**
   * As rclone's arguments name it, with a slash at its end: `store:/srv/backups/`. Without one rclone asks whether it is a file, which in a
   * bucket an object of that name is too.
   */
  path: string;
}

/** For rclone's process: none of the operator's RCLONE_… settings, and for a remote the ssh agent and an authority of one's own. */
export function rcloneEnvironment(remote?: RcloneRemote): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR, SSH_AUTH_SOCK, SSL_CERT_FILE } = process.env;
  return { PATH, HOME, TMPDIR, ...(remote ? { SSH_AUTH_SOCK, SSL_CERT_FILE, ...remote.environment } : {}) };
}
