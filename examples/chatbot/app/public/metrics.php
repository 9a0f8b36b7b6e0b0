<?php

/**
 * Metrics in Prometheus' text format. The web server lets only the host itself ask.
 */

declare(strict_types=1);

use Chatbot\Database;
use Chatbot\Uploads;

require __DIR__ . '/../bootstrap.php';

$database = Database::open($config['database']);
$rows = static fn (string $table): int => (int) $database->query("SELECT count(*) FROM $table")->fetchColumn();
$metrics = [
    'chatbot_agents' => ['Agents.', $rows('agents')],
    'chatbot_conversations' => ['Conversations.', $rows('conversations')],
    'chatbot_messages' => ['Messages of users and replies.', $rows('messages')],
    'chatbot_jobs_waiting' => [
        'Jobs that the worker has not begun.',
        (int) $database->query("SELECT count(*) FROM jobs WHERE state = 'waiting'")->fetchColumn(),
    ],
    'chatbot_uploads' => ['Uploaded files.', (new Uploads($config['uploads_path']))->count()],
    'chatbot_database_bytes' => ['Size of the database.', Database::bytes($database)],
];

header('Content-Type: text/plain; version=0.0.4; charset=utf-8');
foreach ($metrics as $name => [$help, $value]) {
    echo "# HELP $name $help\n# TYPE $name gauge\n$name $value\n";
}
