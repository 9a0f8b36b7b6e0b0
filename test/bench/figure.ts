/** Prints one figure: its name, its seconds, and what part of its floor that is. */
export function figure(name: string, seconds: number, floorSeconds?: number): void {
  const ratio = floorSeconds === undefined ? "" : `  ${(seconds / floorSeconds).toFixed(2)} of the floor`;
  console.log(`${name.padEnd(56)} ${seconds.toFixed(1).padStart(6)} s${ratio}`);
}

export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Seconds since a moment of performance.now(). */
export function secondsSince(moment: number): number {
  return (performance.now() - moment) / 1000;
}
