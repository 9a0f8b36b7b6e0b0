import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { resolveApplication } from "../../../site/application-source.ts";
import { siteSchema } from "../../../site/schema.ts";
import { written } from "../runbook/small-site.ts";

/** Nobody listens there. */
const gone = "https://127.0.0.1:1/club.git";
let directory: string;
let commit: string;

const git = (...args: string[]) =>
  execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@b.example", ...args], { cwd: directory })
    .toString()
    .trim();

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "application-source-"));
  git("init", "--quiet");
  git("commit", "--quiet", "--allow-empty", "--message", "first");
  git("tag", "v1");
  commit = git("rev-parse", "HEAD");
  git("bundle", "create", "--quiet", "club.bundle", "--all");
});

afterAll(() => {
  rmSync(directory, { recursive: true });
});

async function resolved(application: { git?: string; bundle?: string; revision: string }) {
  const site = siteSchema.parse({
    ...written,
    application: { path: written.application.path, ...application },
  });
  const said: string[] = [];
  const source = await resolveApplication({ site, directory, file: join(directory, "site.yaml") }, (line) =>
    said.push(line),
  );
  return { commit: source.commit, from: source.bundle?.path ?? "git", said };
}

const bundle = "club.bundle";
const fromBundle = () => ({ commit, from: join(directory, bundle) });

test("a source that does not answer is told with git's words, and with the way without it", async () => {
  await expect(resolved({ git: gone, revision: "v1" })).rejects.toMatchObject({
    exitCode: 1,
    what: `the application's source ${gone} cannot be read`,
    why: expect.stringMatching(/^git said: fatal: unable to access .*127\.0\.0\.1 port 1/) as string,
    next: expect.stringContaining("git bundle create FILE --all") as string,
  });
});

test("the bundle beside it is taken then, and that is said, for a tag and for a commit", async () => {
  for (const revision of ["v1", commit]) {
    const { said, ...source } = await resolved({ git: gone, bundle, revision });
    expect(source).toEqual(fromBundle());
    expect(said).toEqual([
      expect.stringMatching(
        /^the application's source https:\S+ cannot be read \(git said: fatal: .*\): its bundle is taken$/,
      ),
    ]);
  }
});

test("a bundle alone needs no server; one without the revision is no application", async () => {
  expect(await resolved({ bundle, revision: "v1" })).toEqual({ ...fromBundle(), said: [] });
  await expect(resolved({ git: gone, bundle, revision: "v2" })).rejects.toMatchObject({
    what: "the application has no tag v2",
  });
});

test("a source that answers is taken, and its bundle is not looked at", async () => {
  const answers = `file://${directory}`;
  const taken = { commit, from: "git", said: [] };
  expect(await resolved({ git: answers, bundle: "absent.bundle", revision: "v1" })).toEqual(taken);
  expect(await resolved({ git: answers, bundle: "absent.bundle", revision: commit })).toEqual(taken);
});
