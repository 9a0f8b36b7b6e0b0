CREATE TABLE conversations (
    id         TEXT PRIMARY KEY NOT NULL,
    agent_id   INTEGER REFERENCES agents (id) ON DELETE SET NULL,
    title      TEXT,
    created_at TEXT NOT NULL
) STRICT;

CREATE INDEX conversations_of_agent ON conversations (agent_id);

CREATE TABLE messages (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    role            TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    content         TEXT NOT NULL,
    created_at      TEXT NOT NULL
) STRICT;

CREATE INDEX messages_of_conversation ON messages (conversation_id);
