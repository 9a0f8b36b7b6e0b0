import { inserts } from "../insert-statements.ts";
import { SeededRandom } from "../seeded-random.ts";

const names = ["Ana Belén", "Jürgen", "小林 さくら", "O'Brien", "Zoë & Max", "Ngozi", "The Millers"] as const;
const towns = ["Málaga", "Köln", "京都", "Cork", "Lagos", null] as const;
// What a page must escape, and a restore bring back as it is.
const messages = [
  "We watched the light from the cliff until midnight.",
  "Two nights, one storm, and the best soup of the coast.\n\nThank you!",
  `<script>alert("not here")</script> works nowhere, does it?`,
  "Stairs: 217. I counted & counted.",
  "'Quotes', \"more quotes\", and a \\ for good measure.",
  "¡Volveremos! 🌊 また来ます",
  "DROP TABLE entries; -- said the parrot",
] as const;
const answers = ["Come back in autumn, when the storms are.", "219 — somebody missed two."] as const;
const firstMoment = Date.UTC(2025, 0, 1);
const entriesPerAnswer = 5;

/** How many rows each table gets. */
export function rowCounts(entries: number): Record<string, number> {
  return { entries, answers: Math.floor(entries / entriesPerAnswer) };
}

/** The statements that fill the book; the same number gives the same text. */
export function* bookStatements(entries: number): Generator<string> {
  const random = new SeededRandom(7);
  const { answers: answered = 0 } = rowCounts(entries);
  yield* inserts("entries", entries, (id) => [
    id,
    random.pick(names),
    random.pick(towns),
    random.pick(messages),
    moment(id * 12),
  ]);
  yield* inserts("answers", answered, (number) => [
    number * entriesPerAnswer,
    random.pick(answers),
    moment(number * entriesPerAnswer * 12 + 5),
  ]);
  // The next guest's entry gets the next number.
  if (entries > 0) yield `SELECT setval(pg_get_serial_sequence('entries', 'id'), ${String(entries)});\n`;
}

/** The hour of that number, counted from a fixed one: not the clock, so that rows do not depend on the day. */
function moment(hour: number): string {
  return new Date(firstMoment + hour * 3_600_000).toISOString();
}
