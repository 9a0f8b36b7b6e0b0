/** Exit codes of every command, as `--help` prints them. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  missingHere: 3,
  refused: 4,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** An error meant for the operator: a line of what happened, one of why, one of what to do next. */
export class OperatorError extends Error {
  override readonly name = "OperatorError";

  constructor(
    readonly exitCode: ExitCode,
    readonly what: string,
    readonly why: string,
    readonly next: string,
    options?: ErrorOptions,
  ) {
    super(`${what}\n${why}\n${next}`, options);
  }
}
