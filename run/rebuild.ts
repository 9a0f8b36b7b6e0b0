import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { RestorePoint } from "../backups/restore-point.ts";
import { exclusively } from "../engine/exclusive.ts";
import { ensureDebianPackages } from "../machines/debian-packages.ts";
import { loadSite, type LoadedSite } from "../site/load.ts";
import type { SshTarget } from "../ssh/connection.ts";
import { sitePoints } from "../stacks/prepare.ts";
import { chooseExecutor } from "./choose-executor.ts";
import { choose } from "./choose.ts";
import { nextRebuild, readBegun, writeBegun } from "./begun-rebuild.ts";
import type { RecordedRun } from "./record.ts";
import { recover } from "./recover.ts";
import type { Reporter } from "./reporter.ts";
import { operator } from "./operator.ts";
import { stateDirectory } from "./state-directory.ts";

export interface RebuildOptions {
  siteFile: string;
  target: SshTarget;
  /** Id of a restore point; the newest good one without. A rebuild that was cut short keeps its point. */
  pointId?: string;
  before?: Date;
  /** Restore over a site that was recovered there before. */
  again: boolean;
  /** Carry the steps out directly, with no Pulumi engine. */
  withoutPulumi: boolean;
  /** Shown what would happen; the rebuild goes on when it says true. */
  confirm: (question: { point: RestorePoint; resumed: boolean; loaded: LoadedSite }) => Promise<boolean>;
  reporter: Reporter;
  /** The steps that run come to their end, and no other begins. */
  signal: AbortSignal;
  /** They are not waited for either: on the host they go on, and the next rebuild finds them. */
  kill: AbortSignal;
}

/** Commands of the operator's computer that a rebuild needs. */
const needs = [
  { command: "git", package: "git" },
  { command: "rclone", package: "rclone" },
];

/** Scenario 1 on a real host. Undefined when the operator did not confirm. */
export async function rebuild(options: RebuildOptions): Promise<RecordedRun | undefined> {
  const loaded = await loadSite(options.siteFile);
  const { site } = loaded;
  await ensureDebianPackages(needs, (line) => {
    options.reporter.say(line);
  });
  const directory = stateDirectory(site.name);
  const say = (line: string) => {
    options.reporter.say(line);
  };
  return exclusively(
    join(directory, "rebuild.lock"),
    () => {
      say(`another rebuild of ${site.name} is under way on this computer; waiting for its end`);
    },
    options.signal,
    async () => {
      const preparing = Date.now();
      const begunFile = join(directory, "rebuilds", `${hostKeyDigest(options.target.hostKey)}.json`);
      await mkdir(join(directory, "rebuilds"), { recursive: true, mode: 0o700 });
      const before = await readBegun(begunFile);
      const { hostKey } = options.target;
      // What a host was given it keeps, unless something else is asked for.
      const kept =
        before?.hostKey === hostKey && !options.again && !options.before ? before.pin.id : undefined;
      const points = await sitePoints(loaded, say);
      const { point, pin, passedOver } = choose(
        points,
        { id: options.pointId ?? kept, before: options.before },
        say,
      );
      const begun = nextRebuild(before, { hostKey, pin, again: options.again, now: new Date() });
      const resumed = begun.run === before?.run;
      const { withoutPulumi, signal } = options;
      const executor = await chooseExecutor({ kind: "rebuild", withoutPulumi, say, signal });
      if (!(await options.confirm({ point, resumed, loaded }))) return undefined;

      const startedAt = resumed ? new Date(begun.startedAt) : new Date();
      const { run } = begun;
      const runDirectory = join(directory, "runs", run);
      await mkdir(runDirectory, { recursive: true, mode: 0o700 });
      await writeBegun(begunFile, { ...begun, startedAt: startedAt.toISOString() });
      const result = await recover({
        kind: "rebuild",
        settings: {
          siteFile: options.siteFile,
          pin,
          attempt: begun.attempt,
          run: { id: run, who: operator(), why: `rebuild ${site.name}` },
        },
        target: options.target,
        executor: executor({ stack: `${site.name}.recovery`, directory: join(directory, "recovery") }),
        runDirectory,
        startedAt,
        preparationSeconds: resumed ? 0 : (startedAt.getTime() - preparing) / 1000,
        surroundings: () => ({ breaches: [], notes: passedOver }),
        reporter: options.reporter,
        signal,
        kill: options.kill,
      });
      const { recoveredAt } = result.record;
      if (recoveredAt !== null) await writeBegun(begunFile, { ...begun, recoveredAt });
      return result;
    },
  );
}

/** Names a host by its key, which is what it is known by. */
function hostKeyDigest(hostKey: string): string {
  return createHash("sha256").update(hostKey).digest("hex").slice(0, 16);
}
