CREATE TABLE agents (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL DEFAULT '',
    model       TEXT NOT NULL,
    created_at  TEXT NOT NULL
) STRICT;

CREATE TABLE prompts (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    agent_id   INTEGER NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    role       TEXT NOT NULL CHECK (role IN ('system', 'example')),
    content    TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;

CREATE INDEX prompts_of_agent ON prompts (agent_id);
