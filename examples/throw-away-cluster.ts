import { once } from "node:events";
import { readdir } from "node:fs/promises";
import type { Readable } from "node:stream";
import { execa } from "execa";
import { exitCodes, OperatorError } from "../site/operator-error.ts";

const versionsFolder = "/usr/lib/postgresql";

/**
 * Fills a database of a PostgreSQL cluster that lives for this alone, and lets `use` read it: `server` is the folder of its socket.
 * `name` is the database's name and that of its owner, as whom `statements` are carried out.
 *
 * The cluster listens on that socket and nowhere else. It ends with the shell that made it: not even the death of this process
 * leaves it behind.
 */
export async function withThrowAwayCluster<Result>(
  name: string,
  statements: Readable,
  use: (server: string) => Promise<Result>,
): Promise<Result> {
  // initdb refuses to run as root.
  const account = process.getuid?.() === 0 ? ["runuser", "-u", "postgres", "--"] : [];
  const [program, ...options] = [...account, "bash", "-c", script, "sample", name];
  const cluster = execa(program, options, {
    cwd: "/",
    input: statements,
    // It lives until the last of these is closed, by us or by our end.
    stdio: ["pipe", "pipe", "pipe", "pipe"],
    buffer: { stdout: false },
    extendEnv: false,
    env: await environment(),
  });
  cluster.catch(() => undefined); // told below
  try {
    const [server] = (await Promise.race([once(cluster.stdout, "data"), cluster.then(() => [])])) as Buffer[];
    return await use(String(server).trim());
  } finally {
    cluster.stdio[3].destroy();
    await cluster;
  }
}

/** Writes `file`: what `pg_dump | gzip` makes of such a database, as the runbook's script calls them. */
export function dumpOfThrowAwayCluster(name: string, statements: Readable, file: string): Promise<void> {
  return withThrowAwayCluster(name, statements, async (server) => {
    await execa("bash", ["-c", dump, "sample", name], {
      stdin: "ignore",
      stdout: { file },
      extendEnv: false,
      // Times in the dump would otherwise be those of this computer's zone.
      env: { ...(await environment()), PGTZ: "UTC", PGHOST: server },
    });
  });
}

/** With the programs of the newest PostgreSQL before all others. */
async function environment(): Promise<Record<string, string>> {
  const versions = (await readdir(versionsFolder).catch(() => [])).sort(
    (one, other) => Number(other) - Number(one),
  );
  const [newest] = versions;
  if (newest === undefined) {
    throw new OperatorError(
      exitCodes.missingHere,
      "there is no PostgreSQL server on this computer",
      `${versionsFolder} is empty`,
      "run: sudo apt-get install -y postgresql",
    );
  }
  return { PATH: `${versionsFolder}/${newest}/bin:/usr/sbin:/usr/bin:/sbin:/bin`, LC_ALL: "C.UTF-8" };
}

const script = `
set -euo pipefail
export PGHOST
name=$1
PGHOST=$(mktemp -d /tmp/sample-postgresql.XXXXXX)
trap 'pg_ctl --pgdata "$PGHOST/data" --silent --mode immediate stop; rm -rf "$PGHOST"' EXIT
{
  initdb --pgdata "$PGHOST/data" --username postgres --auth trust --encoding UTF8 --locale C.UTF-8 --no-sync
  pg_ctl --pgdata "$PGHOST/data" --silent --wait --log "$PGHOST/log" --options "-c listen_addresses= -c unix_socket_directories=$PGHOST -c fsync=off" start
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username postgres --command "CREATE ROLE $name LOGIN" --command "CREATE DATABASE $name OWNER $name"
} </dev/null >&2
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$name" --output /dev/null --file - "$name"
printf '%s\n' "$PGHOST"
read -r _ <&3 || true
`;

const dump = `
set -euo pipefail
name=$1
# Its key would be another each time.
options=(--username "$name")
if [[ $(pg_dump --help) == *--restrict-key* ]]; then options+=(--restrict-key=sample); fi
pg_dump "\${options[@]}" "$name" </dev/null | gzip -n -1
`;
