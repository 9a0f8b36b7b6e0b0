<?php

declare(strict_types=1);

namespace Chatbot;

use PDO;
use Throwable;

/** The queue that the worker empties. */
final class Jobs
{
    public function __construct(private readonly PDO $database)
    {
    }

    /**
     * Does every waiting job, oldest first, and returns how many there were. A job that fails
     * is marked, not retried; one that was cut short is done again.
     */
    public function doAll(): int
    {
        $done = 0;
        while (($job = $this->next()) !== null) {
            $error = null;
            try {
                $this->do($job['kind'], json_decode($job['payload'], true, 8, JSON_THROW_ON_ERROR));
            } catch (Throwable $problem) {
                $error = $problem->getMessage();
                Log::error('job failed', ['job' => $job['id'], 'kind' => $job['kind'], 'cause' => $error]);
            }
            $this->database->prepare('UPDATE jobs SET state = ?, error = ?, finished_at = ? WHERE id = ?')
                ->execute([$error === null ? 'done' : 'failed', $error, Database::now(), $job['id']]);
            $done++;
        }

        return $done;
    }

    /** @return array{id: int, kind: string, payload: string}|null */
    private function next(): ?array
    {
        return $this->database->query(
            "SELECT id, kind, payload FROM jobs WHERE state = 'waiting' ORDER BY id LIMIT 1",
        )->fetchAll()[0] ?? null;
    }

    /** @param array<string, mixed> $payload */
    private function do(string $kind, array $payload): void
    {
        match ($kind) {
            'conversation.title' => (new Conversations($this->database))->giveTitle($payload['conversation_id']),
        };
    }
}
