import { exitCodes } from "../site/operator-error.ts";

/**
 * The first Ctrl-C (or SIGTERM, or a closed terminal) ends the run in good order; the second ends it at once: what was
 * made is then removed by its keepers.
 */
export function interruption(say: (line: string) => void): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(exitCodes.interrupted);
      say("ending the run and cleaning up; once more to end at once");
      controller.abort();
    });
  }
  return controller.signal;
}
