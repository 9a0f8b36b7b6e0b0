import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { countBuildLine, describeBuild } from "./build-progress.ts";
import { engineVersion } from "./choose-engine.ts";
import { exclusively } from "./exclusive.ts";
import { keeperPath, keptEnvironment } from "./kept.ts";

const moduleDirectory = fileURLToPath(new URL("module/", import.meta.url));
const package_ = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi";
const progressSeconds = 10;

export interface BuildOptions {
  /** Absolute path of go. */
  go: string;
  /** The folder that is to hold bin/pulumi; made as a whole or not at all. */
  directory: string;
  /** Asked again under the lock: another process may have built it meanwhile. */
  isBuilt: () => Promise<boolean>;
  say: (line: string) => void;
  signal?: AbortSignal | undefined;
}

/**
 * Compiles the engine from the Go module proxy: 3 to 5 minutes on 2 cores with empty caches.
 * Of two at once the second waits and then uses the result. A build that was killed leaves nothing that is ever used.
 *
 * @throws OperatorError(missingHere) with the last lines of go
 */
export async function buildEngine({ go, directory, isBuilt, say, signal }: BuildOptions): Promise<void> {
  const parent = dirname(directory);
  await exclusively(
    join(parent, "build.lock"),
    () => {
      say("the engine is being built by another process; waiting for it");
    },
    signal,
    async () => {
      if (await isBuilt()) return;
      await removeUnfinished(parent);
      const unfinished = await mkdtemp(join(parent, unfinishedPrefix));
      try {
        await compile(go, unfinished, say, signal);
        await rm(directory, { recursive: true, force: true });
        await rm(join(unfinished, "tmp"), { recursive: true, force: true });
        await rename(unfinished, directory);
      } finally {
        await rm(unfinished, { recursive: true, force: true });
      }
    },
  );
}

const unfinishedPrefix = "unfinished-";

/** What a build that was killed left; we hold the lock, so none of it is in use. */
async function removeUnfinished(parent: string): Promise<void> {
  const names = await readdir(parent);
  const unfinished = names.filter((name) => name.startsWith(unfinishedPrefix));
  await Promise.all(unfinished.map((name) => rm(join(parent, name), { recursive: true, force: true })));
}

async function compile(
  go: string,
  directory: string,
  say: (line: string) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const temporary = join(directory, "tmp");
  await mkdir(temporary);
  const startedAt = performance.now();
  let progress = { modulesDownloaded: 0, packagesCompiled: 0 };
  const last: string[] = [];
  const build = execa(keeperPath, buildArguments(join(directory, "bin", "pulumi")), {
    cwd: moduleDirectory,
    env: { ...keptEnvironment(go), ...buildEnvironment(temporary) },
    stdio: ["pipe", "ignore", "pipe"],
    buffer: false,
    reject: false,
    ...(signal && { cancelSignal: signal }),
  });
  createInterface({ input: build.stderr }).on("line", (line) => {
    progress = countBuildLine(progress, line);
    last.push(line);
    if (last.length > 5) last.shift();
  });
  const tell = () => {
    say(describeBuild(progress, (performance.now() - startedAt) / 1000));
  };
  tell();
  const timer = setInterval(tell, progressSeconds * 1000);
  try {
    const { failed } = await build;
    signal?.throwIfAborted();
    if (failed) {
      throw new OperatorError(
        exitCodes.missingHere,
        "the Pulumi engine could not be built",
        last.join("; ") || "go said nothing",
        "install pulumi from https://www.pulumi.com/docs/install/, or repair what go complains about",
      );
    }
  } finally {
    clearInterval(timer);
  }
}

function buildArguments(output: string): string[] {
  // The vendor's own releases set the version by the same symbol; without it the engine calls itself 3.0.0-dev.
  const symbol = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version";
  const ldflags = `-s -w -X ${symbol}=v${engineVersion}`;
  return [
    "build",
    "-v",
    "-trimpath",
    "-buildvcs=false",
    "-mod=readonly",
    "-ldflags",
    ldflags,
    "-o",
    output,
    package_,
  ];
}

/** What the operator's settings for other work must not change here; proxies and caches stay theirs. */
function buildEnvironment(temporary: string): Record<string, string | undefined> {
  return {
    // GOFLAGS=-mod=mod would rewrite go.mod and go.sum in our source tree; -mod=vendor would find no vendor folder.
    GOFLAGS: "",
    GOWORK: "off",
    // Debian's go says "local": it would refuse instead of fetching the toolchain that go.mod asks for.
    GOTOOLCHAIN: "auto",
    // The engine is for this computer.
    GOOS: undefined,
    GOARCH: undefined,
    // Without a C compiler go would do so of its own accord; so it is the same engine everywhere.
    CGO_ENABLED: "0",
    // go leaves its work folder behind when it is killed; here it is found and removed.
    GOTMPDIR: temporary,
  };
}
