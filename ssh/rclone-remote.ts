/** A folder that rclone reads. Holds no secret. */
export interface RcloneRemote {
  /** `RCLONE_CONFIG_…`: so told, rclone wants no file for it. */
  environment: Record<string, string>;
  /** As rclone's arguments name it: `store:/srv/backups`. */
  path: string;
}

/** For rclone's process: none of the operator's RCLONE_… settings, and the ssh agent for a remote that is logged in to. */
export function rcloneEnvironment(remote?: RcloneRemote): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR, SSH_AUTH_SOCK } = process.env;
  return { PATH, HOME, TMPDIR, ...(remote ? { SSH_AUTH_SOCK, ...remote.environment } : {}) };
}
