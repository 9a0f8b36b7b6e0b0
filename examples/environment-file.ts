/** The text of an environment file, as the samples' programs and dotenv read it back to the same values. */
export function environmentFile(values: Record<string, string>): string {
  const lines = Object.entries(values).map(([name, value]) => `${name}=${quoted(value)}\n`);
  return ["# The names are described in the example of this file, beside the program.\n", ...lines].join("");
}

function quoted(value: string): string {
  if (/^[A-Za-z0-9_./:@+=-]*$/.test(value)) return value;
  const escapes: Record<string, string> = { "\n": "\\n", "\r": "\\r" };
  return `"${value.replace(/["\\$\n\r]/g, (character) => escapes[character] ?? `\\${character}`)}"`;
}
