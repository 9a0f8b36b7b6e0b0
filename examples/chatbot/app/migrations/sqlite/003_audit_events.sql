CREATE TABLE audit_events (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    actor      TEXT NOT NULL,
    action     TEXT NOT NULL,
    entity     TEXT NOT NULL,
    entity_id  INTEGER NOT NULL,
    details    TEXT NOT NULL CHECK (json_valid(details)),
    created_at TEXT NOT NULL
) STRICT;

CREATE INDEX audit_events_by_time ON audit_events (created_at);
