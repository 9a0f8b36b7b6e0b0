import { exitCodes, OperatorError } from "../site/operator-error.ts";

/** What the operator's Ctrl-C means to a run; also SIGTERM, and a terminal that was closed. */
export interface Interruption {
  /** Nothing new is begun. */
  signal: AbortSignal;
  /** What runs is ended as well. Never fires before `signal`. */
  kill: AbortSignal;
}

/**
 * How a run ends that is interrupted. `kill`: the first signal ends everything, since nothing is worth waiting for.
 * `finish-steps`: the first lets the steps that run come to their end, the second ends them too. One more signal ends this
 * process at once: what was made is then removed by its keepers.
 */
export function interruption(manner: "kill" | "finish-steps", say: (line: string) => void): Interruption {
  const stop = new AbortController();
  const kill = new AbortController();
  const reason = new OperatorError(
    exitCodes.interrupted,
    "interrupted",
    "the operator ended it before anything was done to a host",
    "run the same command again",
  );
  const answers = [
    ...(manner === "finish-steps"
      ? [
          () => {
            say("no other step will begin; waiting for those that run; once more to end them too");
            stop.abort(reason);
          },
        ]
      : []),
    () => {
      say("ending the run and cleaning up; once more to end at once");
      stop.abort(reason);
      kill.abort(reason);
    },
  ];
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      const answer = answers.shift();
      if (!answer) process.exit(exitCodes.interrupted);
      answer();
    });
  }
  return { signal: stop.signal, kill: kill.signal };
}
