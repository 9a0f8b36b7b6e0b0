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

/** The same under another name than `store`: one rclone may be told several. */
export function remoteNamed(name: string, { environment, path }: RcloneRemote): RcloneRemote {
  return {
    environment: Object.fromEntries(
      Object.entries(environment).map(([key, value]) => [
        key.replace(/^RCLONE_CONFIG_STORE_/, `RCLONE_CONFIG_${name.toUpperCase()}_`),
        value,
      ]),
    ),
    path: path.replace(/^store:/, `${name}:`),
  };
}

/** For rclone's process: none of the operator's RCLONE_… settings, and for remotes the ssh agent and an authority of one's own. */
export function rcloneEnvironment(...remotes: RcloneRemote[]): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR, SSH_AUTH_SOCK, SSL_CERT_FILE } = process.env;
  const told = Object.assign({}, ...remotes.map(({ environment }) => environment)) as Record<string, string>;
  return { PATH, HOME, TMPDIR, ...(remotes.length > 0 ? { SSH_AUTH_SOCK, SSL_CERT_FILE, ...told } : {}) };
}
