/** What `go build -v` has said so far. */
export interface BuildProgress {
  modulesDownloaded: number;
  packagesCompiled: number;
}

/** Modules and packages in pulumi v3.259.0 (`go list -deps`), so that a wait has an end in sight. */
const modulesInAll = 254;
const packagesInAll = 1686;

/** One more line of stderr of `go build -v`: `go: downloading MODULE VERSION`, or the path of a package. */
export function countBuildLine(progress: BuildProgress, line: string): BuildProgress {
  if (line.startsWith("go: downloading ")) {
    return { ...progress, modulesDownloaded: progress.modulesDownloaded + 1 };
  }
  if (/^[\w./~-]+$/.test(line)) return { ...progress, packagesCompiled: progress.packagesCompiled + 1 };
  return progress;
}

/** A line for the operator. What is cached is neither downloaded nor compiled again, so the counts may stay below. */
export function describeBuild(progress: BuildProgress, elapsedSeconds: number): string {
  const minutes = Math.floor(elapsedSeconds / 60);
  const elapsed = `${minutes > 0 ? `${minutes} min ` : ""}${Math.floor(elapsedSeconds % 60)} s`;
  const phase =
    progress.packagesCompiled === 0
      ? `${progress.modulesDownloaded} of at most ${modulesInAll} modules downloaded`
      : `${progress.packagesCompiled} of at most ${packagesInAll} packages compiled`;
  return `building the engine, ${elapsed}: ${phase}`;
}
