import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { execa } from "execa";
import type { LoadedSite } from "./load.ts";
import { exitCodes, OperatorError } from "./operator-error.ts";

/** The application as a plan names it: an exact commit, and the bundle's own bytes when it comes as one. */
export interface ApplicationSource {
  /** Full commit id. */
  commit: string;
  bundle?: { path: string; bytes: number; sha256: string };
}

const remoteLimitMilliseconds = 30_000;

/**
 * Resolves the revision that site.yaml names to its commit. A full commit id of a git URL is taken as it is: the host finds
 * out whether it exists. A bundle is read once for its hash; where there is a URL too, it is taken when that does not answer.
 *
 * @throws OperatorError (exit code 1) when the revision is not there or the URL does not answer within 30 s.
 */
export async function resolveApplication(
  { site, directory }: LoadedSite,
  say: (line: string) => void,
): Promise<ApplicationSource> {
  const { git, bundle, revision } = site.application;
  const isCommit = /^[0-9a-f]{40}$/.test(revision);
  const commitOf = (listed: string, source: string) =>
    isCommit ? revision : tagged(revision, listed, source);
  if (git !== undefined && bundle === undefined) {
    return { commit: isCommit ? revision : commitOf(await references(git, directory), git) };
  }
  if (git !== undefined) {
    const listed = await references(git, directory).catch((error: unknown) => {
      if (!(error instanceof OperatorError)) throw error;
      say(`${error.what} (${error.why}): its bundle is taken`);
    });
    if (listed !== undefined) return { commit: commitOf(listed, git) };
  }
  const path = resolve(directory, bundle ?? "");
  const object = commitOf(await references(path, directory), path);
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return {
    commit: isCommit ? revision : await peeled(path, object),
    bundle: { path, bytes: (await stat(path)).size, sha256: hash.digest("hex") },
  };
}

/** What `git ls-remote` says of a URL or a bundle: lines of commit and name. */
async function references(source: string, directory: string): Promise<string> {
  const asked = await execa("git", ["ls-remote", "--", source], {
    cwd: directory,
    timeout: remoteLimitMilliseconds,
    stdin: "ignore",
    env: { GIT_TERMINAL_PROMPT: "0" },
    reject: false,
  });
  if (!asked.failed) return asked.stdout;
  const said = asked.stderr.split("\n").find((line) => /^(fatal|error): /.test(line));
  throw new OperatorError(
    exitCodes.failed,
    `the application's source ${source} cannot be read`,
    asked.timedOut
      ? `it did not answer within ${remoteLimitMilliseconds / 1000} s`
      : `git said: ${said ?? asked.shortMessage}`,
    "check application in site.yaml; when the source is gone, make a bundle in any clone (git bundle create FILE --all) and give it as `bundle`",
  );
}

/** The commit behind an object of a bundle: of an annotated tag `git ls-remote BUNDLE` tells the tag's own object alone. */
async function peeled(bundle: string, object: string): Promise<string> {
  const repository = await mkdtemp(join(tmpdir(), "recovery-bundle-"));
  try {
    await execa("git", ["init", "--quiet", "--bare", repository]);
    await execa("git", ["-C", repository, "bundle", "unbundle", bundle]);
    return (await execa("git", ["-C", repository, "rev-parse", `${object}^{commit}`])).stdout;
  } finally {
    await rm(repository, { recursive: true, force: true });
  }
}

/** The commit of a tag: the one it points at, not the tag's own object. */
function tagged(tag: string, references: string, source: string): string {
  const named = new Map(references.split("\n").map((line) => line.split("\t").reverse() as [string, string]));
  const commit = named.get(`refs/tags/${tag}^{}`) ?? named.get(`refs/tags/${tag}`);
  if (commit === undefined) {
    throw new OperatorError(
      exitCodes.failed,
      `the application has no tag ${tag}`,
      `${source} was asked for it`,
      "name a tag or a full commit id in application.revision",
    );
  }
  return commit;
}
