import { mkdtemp, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PulumiCommand } from "@pulumi/pulumi/automation/index.js";
import { exclusively } from "./exclusive.ts";

const reachSeconds = 5;
/** 60 MB and their unpacking. */
const downloadSeconds = 90;

let reach: Promise<string | undefined> | undefined;

/**
 * Why the vendor's download site cannot be reached, or undefined when it can. Asked once for each process, with a limit
 * of 5 seconds, by the same `fetch` that PulumiCommand.install uses with one of 120 seconds.
 */
export function vendorUnreachable(): Promise<string | undefined> {
  reach ??= fetch("https://get.pulumi.com/install.sh", {
    method: "HEAD",
    signal: AbortSignal.timeout(reachSeconds * 1000),
  }).then(
    (response) => (response.ok ? undefined : `it answers ${response.status}`),
    (error: unknown) => {
      if (!(error instanceof Error)) return String(error);
      if (error.name === "TimeoutError") return `no answer in ${reachSeconds} s`;
      return error.cause instanceof Error ? error.cause.message : error.message;
    },
  );
  return reach;
}

export interface DownloadOptions {
  /** The folder that is to hold bin/pulumi; made as a whole or not at all. */
  directory: string;
  /** Asked again under the lock: another process may have fetched it meanwhile. */
  isThere: () => Promise<boolean>;
  say: (line: string) => void;
  signal?: AbortSignal | undefined;
}

/**
 * The vendor's release of the version of the SDK, with all that it bundles.
 *
 * @throws Error when it fails or takes more than 90 s
 */
export async function downloadEngine({ directory, isThere, say, signal }: DownloadOptions): Promise<void> {
  await exclusively(
    join(dirname(directory), "download.lock"),
    () => {
      say("the engine is being downloaded by another process; waiting for it");
    },
    signal,
    async () => {
      if (await isThere()) return;
      const root = await mkdtemp(join(dirname(directory), "unpacked-"));
      try {
        // The install script cannot be cancelled; left behind, it writes into a folder that nobody uses.
        await Promise.race([PulumiCommand.install({ root }), giveUp(signal)]);
        await rm(directory, { recursive: true, force: true });
        await rename(root, directory);
      } finally {
        await rm(root, { recursive: true, force: true });
      }
    },
  );
}

async function giveUp(signal: AbortSignal | undefined): Promise<never> {
  const limit = AbortSignal.timeout(downloadSeconds * 1000);
  const either = signal === undefined ? limit : AbortSignal.any([limit, signal]);
  await new Promise((resolve) => {
    either.addEventListener("abort", resolve, { once: true });
  });
  signal?.throwIfAborted();
  throw new Error(`not done in ${downloadSeconds} s`);
}
