import { inserts, type Value } from "../insert-statements.ts";
import { SeededRandom } from "../seeded-random.ts";

/** How much data the sample holds. */
export interface SampleSize {
  agents: number;
  messages: number;
}

const messagesPerConversation = 8;
const firstMoment = Date.UTC(2025, 0, 1);

const adjectives = ["Patient", "Quick", "Careful", "Cheerful", "Thorough", "Quiet"] as const;
const tasks = ["Support", "Billing", "Onboarding", "Returns", "Translation", "Research"] as const;
const models = ["gpt-4o-mini", "gpt-4o"] as const;
// Quotes, a line break, a backslash, other scripts and SQL's own words: a restore must bring them back as they are.
const sentences = [
  "How do I change my address?",
  "It said 'not found', then \"try again\".",
  "First line\n.quit on the second",
  "My file is in C:\\temp\\new",
  "¿Dónde está mi pedido? 注文はどこですか 📦",
  "DROP TABLE agents; -- is only text",
  "That worked, thank you!",
] as const;

/** How many rows each table gets. */
export function rowCounts({ agents, messages }: SampleSize): Record<string, number> {
  const conversations = Math.ceil(messages / messagesPerConversation);
  return {
    agents,
    prompts: agents * 2,
    conversations,
    messages,
    audit_events: Math.ceil(agents / 4),
    // None is waiting: the restored worker would change rows that a test compares.
    jobs: conversations,
  };
}

/** The INSERT statements that fill the tables, in an order that foreign keys allow; the same size gives the same text. */
export function* insertStatements(size: SampleSize): Generator<string> {
  const counts = rowCounts(size);
  const random = new SeededRandom(1);
  const table = (name: string, row: (id: number) => Value[]): Generator<string> =>
    inserts(name, counts[name] ?? 0, row);

  yield* table("agents", (id) => [
    id,
    `${random.pick(adjectives)} ${random.pick(tasks)} ${String(id)}`,
    random.pick(sentences),
    random.pick(models),
    moment(id),
  ]);
  yield* table("prompts", (id) => [
    id,
    Math.ceil(id / 2),
    id % 2 === 1 ? "system" : "example",
    `You are agent ${String(Math.ceil(id / 2))}. ${random.pick(sentences)}`,
    moment(id),
  ]);
  yield* table("conversations", (id) => [
    conversationId(id),
    size.agents === 0 ? null : 1 + random.below(size.agents),
    random.below(5) === 0 ? null : random.pick(sentences),
    moment(id * messagesPerConversation),
  ]);
  yield* table("messages", (id) => [
    id,
    conversationId(Math.ceil(id / messagesPerConversation)),
    id % 2 === 1 ? "user" : "assistant",
    `${random.pick(sentences)} (${String(random.below(1_000_000))})`,
    moment(id),
  ]);
  // Deletions of agents that came after those that are left.
  yield* table("audit_events", (id) => [
    id,
    "admin",
    "agent.delete",
    "agents",
    size.agents + id,
    JSON.stringify({
      id: size.agents + id,
      name: `Retired ${random.pick(tasks)} ${String(size.agents + id)}`,
    }),
    moment(id),
  ]);
  yield* table("jobs", (id) => [
    id,
    "conversation.title",
    JSON.stringify({ conversation_id: conversationId(id) }),
    "done",
    null,
    moment(id * messagesPerConversation),
    moment(id * messagesPerConversation + 1),
  ]);
}

/** The highest id that each table with counted ids has given. One that was given is never given again: an audit event names one agent only. */
export function givenIds(size: SampleSize): Record<string, number> {
  const { agents = 0, prompts = 0, messages = 0, audit_events = 0, jobs = 0 } = rowCounts(size);
  return { agents: agents + audit_events, prompts, messages, audit_events, jobs };
}

function conversationId(number: number): string {
  return `conversation-${String(number).padStart(7, "0")}`;
}

/** The minute of that number, counted from a fixed one: not the clock, so that rows do not depend on the day. */
function moment(minute: number): string {
  return new Date(firstMoment + minute * 60_000).toISOString().replace(".000Z", "Z");
}
