import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";

const moment = "2025-01-01T00:00:00Z";

/**
 * Packs a folder as a git bundle: one commit by `author`, always the same for the same files, and an annotated tag on it.
 * Returns the commit's id. `workFolder` takes the repository and must be empty of one.
 */
export async function makeBundle(
  folder: string,
  { author, tag }: { author: string; tag: string },
  bundle: string,
  workFolder: string,
): Promise<string> {
  const git = async (...args: string[]): Promise<string> => {
    const { stdout } = await execa("git", args, {
      cwd: folder,
      // Nothing of the operator's: their name, signing, hooks and line endings would all change the commit.
      extendEnv: false,
      env: {
        PATH: process.env["PATH"] ?? "",
        LC_ALL: "C",
        GIT_DIR: join(workFolder, "repository"),
        GIT_WORK_TREE: folder,
        GIT_CONFIG_GLOBAL: "/dev/null",
        GIT_CONFIG_NOSYSTEM: "1",
        GIT_AUTHOR_NAME: author,
        GIT_AUTHOR_EMAIL: `${author.toLowerCase()}@example.test`,
        GIT_AUTHOR_DATE: moment,
        GIT_COMMITTER_NAME: author,
        GIT_COMMITTER_EMAIL: `${author.toLowerCase()}@example.test`,
        GIT_COMMITTER_DATE: moment,
      },
    });
    return stdout;
  };
  await git("init", "--quiet", "--initial-branch=main", "--template=");
  await git("add", "--all");
  await git("commit", "--quiet", "--message", `The ${author.toLowerCase()}`);
  await git("tag", "--annotate", "--message", tag, tag);
  await git("-c", "pack.threads=1", "bundle", "create", "--quiet", bundle, "HEAD", "main", tag);
  await chmod(bundle, 0o600);
  return await git("rev-parse", "HEAD");
}
