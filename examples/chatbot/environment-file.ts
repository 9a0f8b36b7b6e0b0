/** The text of a .env file that config.php reads back to the same values. */
export function environmentFile(values: Record<string, string>): string {
  const lines = Object.entries(values).map(([name, value]) => `${name}=${quoted(value)}\n`);
  return ["# Settings of the chatbot; the names are described in .env.example\n", ...lines].join("");
}

function quoted(value: string): string {
  if (/^[A-Za-z0-9_./:@+=-]*$/.test(value)) return value;
  const escapes: Record<string, string> = { "\n": "\\n", "\r": "\\r" };
  return `"${value.replace(/["\\$\n\r]/g, (character) => escapes[character] ?? `\\${character}`)}"`;
}
