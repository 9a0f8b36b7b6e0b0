import { execa } from "execa";
import type { LoadedSite } from "../site/load.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { rcloneEnvironment, type RcloneRemote } from "../ssh/rclone-remote.ts";
import { secretOf } from "./stores/open-store.ts";
import { lastWords } from "./stores/rclone.ts";
import { s3Store } from "./stores/s3.ts";

/** What is shared, by the folder of the bucket that it is in. */
const shared = {
  verdicts: {
    /** A signature before what it signs: without it that would be a stranger's for a moment. */
    names: ["/**/{readable,proven}-*.json.sig", "/**/{readable,proven}-*.json"],
    mostBytes: "16Ki",
    /** What is here stays: whoever may write there is not to hide a verdict by putting another over it. */
    over: "--ignore-existing",
  },
  runs: {
    names: ["/*/run.html", "/*/run.json"],
    mostBytes: "4Mi",
    /** A record grows while its site is watched: the newest is right. */
    over: "--update",
  },
} as const;
type Kind = keyof typeof shared;

/** A site that is down does not wait for what others found. */
const fetchSeconds = 20;
const putSeconds = 300;

/**
 * Brings what others put into the site's evidence bucket into a folder of this computer, beside what is there. A bucket that cannot be read is
 * told to `say`: what is here goes on counting.
 */
export async function fetchEvidence(
  loaded: LoadedSite,
  kind: Kind,
  folder: string,
  say: (line: string) => void,
): Promise<void> {
  const remote = await evidenceRemote(loaded).catch(told(say));
  if (remote === undefined) return;
  const bounded = [`--max-size=${shared[kind].mostBytes}`, "--max-transfer=256Mi", "--cutoff-mode=hard"];
  const why = await copy(remote, kind, [`${remote.path}${kind}/`, folder], fetchSeconds, bounded);
  if (why !== undefined) told(say)(unusable(loaded, "read", why));
}

const told = (say: (line: string) => void) => (error: unknown) => {
  if (!(error instanceof OperatorError)) throw error;
  say(`${error.what}: ${error.why}. What others put there is not looked at`);
  return undefined;
};

/**
 * Puts what is in a folder into the site's evidence bucket, where it is not there yet; nothing is done where the site has none.
 *
 * @throws OperatorError (3) when the bucket does not take it: the next that is put there brings it along.
 */
export async function shareEvidence(loaded: LoadedSite, kind: Kind, folder: string): Promise<void> {
  const remote = await evidenceRemote(loaded);
  if (remote === undefined) return;
  const why = await copy(remote, kind, [folder, `${remote.path}${kind}/`], putSeconds);
  if (why !== undefined) throw unusable(loaded, "written", why);
}

function unusable({ site }: LoadedSite, done: "read" | "written", why: string): OperatorError {
  return new OperatorError(
    exitCodes.missingHere,
    `the evidence bucket ${site.evidence?.bucket ?? ""} cannot be ${done}`,
    why,
    "see evidence in site.yaml, and that its credentials may list, read and put there; the next that is sent brings along what is not there yet",
  );
}

/** Why it failed; undefined when it did not. */
async function copy(
  remote: RcloneRemote,
  kind: Kind,
  [from, to]: [string, string],
  seconds: number,
  options: readonly string[] = [],
): Promise<string | undefined> {
  for (const names of shared[kind].names) {
    const ended = await execa(
      "rclone",
      [
        ...["--config=", "copy", shared[kind].over, `--filter=+ ${names}`, "--filter=- *", ...options],
        ...["--contimeout=15s", "--timeout=30s", "--retries=1", "--low-level-retries=2", from, to],
      ],
      {
        env: rcloneEnvironment(remote),
        extendEnv: false,
        stdin: "ignore",
        reject: false,
        timeout: seconds * 1000,
      },
    );
    if (ended.exitCode === 0) continue;
    if (ended.code === "ENOENT") return "rclone is not installed here: apt-get install rclone";
    return ended.timedOut ? `it did not answer within ${seconds} s` : lastWords(ended.stderr, remote);
  }
  return undefined;
}

async function evidenceRemote(loaded: LoadedSite): Promise<RcloneRemote | undefined> {
  const { evidence } = loaded.site;
  if (evidence === undefined) return undefined;
  const { operator, bucket, path, region, endpoint } = evidence;
  const secret = operator && (await secretOf(loaded, operator.secretAccessKey));
  const store = {
    ...{ kind: "s3" as const, name: "evidence", versions: false, bucket, path, region },
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(operator ? { reader: operator } : {}),
  };
  return s3Store(store, secret).remote;
}
