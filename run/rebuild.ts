import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Pin, RestorePoint } from "../backups/restore-point.ts";
import { prepareCommandPlugin } from "../engine/command-plugin.ts";
import { exclusively } from "../engine/exclusive.ts";
import { loadSite, type LoadedSite } from "../site/load.ts";
import type { SshTarget } from "../ssh/connection.ts";
import { sitePoints } from "../stacks/prepare.ts";
import { choose } from "./choose.ts";
import { recover, type RecoverResult } from "./recover.ts";
import type { Reporter } from "./reporter.ts";
import { operator } from "./operator.ts";
import { requireEngine } from "./require-engine.ts";
import { runId } from "./run-id.ts";
import { stateDirectory } from "./state-directory.ts";

export interface RebuildOptions {
  siteFile: string;
  target: SshTarget;
  /** Id of a restore point; the newest good one without. A rebuild that was cut short keeps its point. */
  pointId?: string;
  before?: Date;
  /** Shown what would happen; the rebuild goes on when it says true. */
  confirm: (question: { point: RestorePoint; resumed: boolean; loaded: LoadedSite }) => Promise<boolean>;
  reporter: Reporter;
  /** The steps that run come to their end, and no other begins. */
  signal: AbortSignal;
  /** They are not waited for either: on the host they go on, and the next rebuild finds them. */
  kill: AbortSignal;
}

/** A rebuild that has begun: what it is held to until it ends well. */
const begunSchema = z.strictObject({
  hostKey: z.string(),
  pin: z.strictObject({ id: z.string(), manifestSha256: z.string(), archiveSha256: z.string() }),
  run: z.string(),
  startedAt: z.iso.datetime(),
});
type Begun = z.infer<typeof begunSchema>;

/** Scenario 1 on a real host. Undefined when the operator did not confirm. */
export async function rebuild(options: RebuildOptions): Promise<RecoverResult | undefined> {
  const loaded = await loadSite(options.siteFile);
  const { site } = loaded;
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
      const begunFile = join(directory, "rebuild.json");
      const before = await begun(begunFile, options.target.hostKey);
      const points = await sitePoints(loaded, say);
      const { point, pin, passedOver } = choose(
        points,
        { id: options.pointId ?? (options.before ? undefined : before?.pin.id), before: options.before },
        say,
      );
      const resumed = before !== undefined && samePin(before.pin, pin);
      const engine = await requireEngine({ allowBuild: false, say, signal: options.signal });
      const plugin = await prepareCommandPlugin(engine, say);
      if (!(await options.confirm({ point, resumed, loaded }))) return undefined;

      const startedAt = resumed ? new Date(before.startedAt) : new Date();
      const run = resumed ? before.run : runId("rebuild", startedAt);
      const runDirectory = join(directory, "runs", run);
      await mkdir(runDirectory, { recursive: true, mode: 0o700 });
      await writeBegun(begunFile, {
        hostKey: options.target.hostKey,
        pin,
        run,
        startedAt: startedAt.toISOString(),
      });
      return recover({
        kind: "rebuild",
        settings: {
          siteFile: options.siteFile,
          pin,
          attempt: 1,
          run: { id: run, who: operator(), why: `rebuild ${site.name}` },
        },
        target: options.target,
        engine,
        plugin,
        stack: `${site.name}.recovery`,
        stackDirectory: join(directory, "recovery"),
        runDirectory,
        startedAt,
        preparationSeconds: resumed ? 0 : (startedAt.getTime() - preparing) / 1000,
        surroundings: () => ({ breaches: [], notes: passedOver }),
        reporter: options.reporter,
        signal: options.signal,
        kill: options.kill,
      });
    },
  );
}

/** The rebuild of this host that has begun here, if any. */
async function begun(file: string, hostKey: string): Promise<Begun | undefined> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  const parsed = begunSchema.parse(JSON.parse(text));
  return parsed.hostKey === hostKey ? parsed : undefined;
}

async function writeBegun(file: string, content: Begun): Promise<void> {
  await writeFile(`${file}.new`, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

function samePin(one: Pin, other: Pin): boolean {
  return one.manifestSha256 === other.manifestSha256 && one.archiveSha256 === other.archiveSha256;
}
