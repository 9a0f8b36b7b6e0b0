/** The version that is downloaded or built; the same as that of the SDK in package.json and of module/go.mod. */
export const engineVersion = "3.259.0";
/** The oldest go that can fetch the toolchain that module/go.mod asks for. */
const leastGo: Version = [1, 21, 0];

type Version = [major: number, minor: number, patch: number];

/** An engine that is on this computer already. */
export interface InstalledEngine {
  /** Absolute path of the binary. */
  path: string;
  /** What `pulumi version` printed; undefined when it did not run. */
  version: string | undefined;
  /** `path`: on PATH or in PULUMI_HOME, the owner's. `cache`: downloaded or built by us before. */
  from: "path" | "cache";
}

export type EngineChoice =
  | { kind: "use"; engine: InstalledEngine; passedOver: string[] }
  | { kind: "get"; attempts: ("download" | "build")[]; passedOver: string[] };

/**
 * Which engine to take, cheapest first. A cached one comes before the vendor's download: it is the same version, and a
 * recovery should not wait for a network that may be what is lost.
 *
 * @param found in order of preference
 * @param goVersion what `go env GOVERSION` prints; undefined without go
 * @param allowBuild false inside an RTO: no compiling then
 */
export function chooseEngine(
  found: InstalledEngine[],
  goVersion: string | undefined,
  allowBuild: boolean,
): EngineChoice {
  const passedOver: string[] = [];
  for (const engine of [...found.filter(isOwners), ...found.filter((each) => !isOwners(each))]) {
    if (isSupported(engine.version)) return { kind: "use", engine, passedOver };
    passedOver.push(
      engine.version === undefined
        ? `${engine.path} does not run`
        : `${engine.path} is version ${engine.version}; ${engineVersion} or later, below 4, is needed`,
    );
  }
  const attempts: ("download" | "build")[] = ["download"];
  if (allowBuild) {
    if (goVersion === undefined) passedOver.push("no go to build it with");
    else if (isAtLeast(parse(goVersion.replace(/^go/, "")), leastGo)) attempts.push("build");
    else passedOver.push(`${goVersion} is too old to build it; 1.21 or later is needed`);
  }
  return { kind: "get", attempts, passedOver };
}

function isOwners(engine: InstalledEngine): boolean {
  return engine.from === "path";
}

function isSupported(version: string | undefined): boolean {
  const parsed = version === undefined ? undefined : parse(version.replace(/^v/, ""));
  return parsed !== undefined && isAtLeast(parsed, parse(engineVersion)) && parsed[0] < 4;
}

/** `3.259.0`, `1.26.8`, `1.22rc1`: a part that is missing counts as 0; undefined when it starts with no number. */
function parse(text: string): Version | undefined {
  const found = /^(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(text);
  return found ? [Number(found[1]), Number(found[2] ?? 0), Number(found[3] ?? 0)] : undefined;
}

function isAtLeast(version: Version | undefined, least: Version | undefined): boolean {
  if (!version || !least) return false;
  for (const [index, part] of version.entries()) {
    const other = least[index] ?? 0;
    if (part !== other) return part > other;
  }
  return true;
}
