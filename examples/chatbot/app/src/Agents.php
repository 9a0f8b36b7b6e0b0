<?php

declare(strict_types=1);

namespace Chatbot;

use PDO;

/** Agents: who answers, with which prompts. */
final class Agents
{
    public function __construct(private readonly PDO $database)
    {
    }

    public function count(): int
    {
        return (int) $this->database->query('SELECT count(*) FROM agents')->fetchColumn();
    }

    /** @return list<array<string, mixed>> */
    public function all(): array
    {
        return $this->database->query('SELECT id, name, model, created_at FROM agents ORDER BY id')->fetchAll();
    }

    /** @return array<string, mixed>|null The agent with its prompts; null when there is none of that id. */
    public function find(int $id): ?array
    {
        $columns = 'id, name, description, model, created_at';
        $agent = $this->rows("SELECT $columns FROM agents WHERE id = ?", $id)[0] ?? null;
        if ($agent === null) {
            return null;
        }

        return $agent + [
            'prompts' => $this->rows('SELECT id, role, content FROM prompts WHERE agent_id = ? ORDER BY id', $id),
        ];
    }

    /** Deletes an agent with its prompts and writes what it was to audit_events; false when there is none. */
    public function delete(int $id, string $actor): bool
    {
        Database::beginWriting($this->database);
        $agent = $this->find($id);
        if ($agent !== null) {
            $this->database->prepare('DELETE FROM agents WHERE id = ?')->execute([$id]);
            $this->database->prepare(
                'INSERT INTO audit_events (actor, action, entity, entity_id, details, created_at)
                 VALUES (?, ?, ?, ?, ?, ?)',
            )->execute([
                $actor,
                'agent.delete',
                'agents',
                $id,
                json_encode($agent, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE),
                Database::now(),
            ]);
        }
        $this->database->exec('COMMIT');

        return $agent !== null;
    }

    /** @return list<array<string, mixed>> */
    private function rows(string $sql, int $id): array
    {
        $statement = $this->database->prepare($sql);
        $statement->execute([$id]);

        return $statement->fetchAll();
    }
}
