<?php

declare(strict_types=1);

namespace Chatbot;

use PDO;

/** Conversations and their messages. */
final class Conversations
{
    public const MESSAGE_MAX_CHARACTERS = 8000;

    public function __construct(private readonly PDO $database)
    {
    }

    public static function isId(mixed $id): bool
    {
        return is_string($id) && preg_match('/^[A-Za-z0-9._:-]{1,128}$/D', $id) === 1;
    }

    public static function newId(): string
    {
        return bin2hex(random_bytes(16));
    }

    /** @return list<array{role: string, content: string}> The last messages, oldest first. */
    public function history(string $id, int $limit = 20): array
    {
        $statement = $this->database->prepare(
            'SELECT role, content FROM messages WHERE conversation_id = ? ORDER BY id DESC LIMIT ?',
        );
        $statement->execute([$id, $limit]);

        return array_reverse($statement->fetchAll());
    }

    /** Stores a message and its reply together, and leaves the worker the job of giving a new conversation its title. */
    public function store(string $id, string $message, string $reply): void
    {
        $now = Database::now();
        Database::beginWriting($this->database);
        $new = $this->database->prepare(
            'INSERT INTO conversations (id, agent_id, created_at)
             VALUES (?, (SELECT min(id) FROM agents), ?) ON CONFLICT (id) DO NOTHING',
        );
        $new->execute([$id, $now]);
        $add = $this->database->prepare(
            'INSERT INTO messages (conversation_id, role, content, created_at) VALUES (?, ?, ?, ?)',
        );
        $add->execute([$id, 'user', $message, $now]);
        $add->execute([$id, 'assistant', $reply, $now]);
        if ($new->rowCount() === 1) {
            $this->database->prepare('INSERT INTO jobs (kind, payload, created_at) VALUES (?, ?, ?)')
                ->execute(['conversation.title', json_encode(['conversation_id' => $id], JSON_THROW_ON_ERROR), $now]);
        }
        $this->database->exec('COMMIT');
    }

    /** Titles a conversation after its first message. */
    public function giveTitle(string $id): void
    {
        $statement = $this->database->prepare(
            'SELECT content FROM messages WHERE conversation_id = ? ORDER BY id LIMIT 1',
        );
        $statement->execute([$id]);
        $title = mb_strimwidth((string) $statement->fetchColumn(), 0, 60, '…');
        $this->database->prepare('UPDATE conversations SET title = ? WHERE id = ?')->execute([$title, $id]);
    }
}
