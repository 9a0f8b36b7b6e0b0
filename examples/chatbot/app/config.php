<?php

/**
 * Settings, from .env in this folder. Sets $config and returns it; throws when .env cannot be read or a required
 * value is not there. Needs nothing but PHP, so `php -r "require 'config.php';"` tests it on its own.
 */

declare(strict_types=1);

require_once __DIR__ . '/src/EnvironmentFile.php';

$config = (static function (array $environment): array {
    foreach (['OPENAI_API_KEY', 'ADMIN_TOKEN'] as $required) {
        if (($environment[$required] ?? '') === '') {
            throw new RuntimeException("$required is missing or empty in .env");
        }
    }
    $inApplication = static fn (string $path): string => str_starts_with($path, '/') ? $path : __DIR__ . '/' . $path;

    return [
        'name' => $environment['CHATBOT_NAME'] ?? 'Chatbot',
        'admin_token' => $environment['ADMIN_TOKEN'],
        'model' => [
            'api_key' => $environment['OPENAI_API_KEY'],
            'base_url' => rtrim($environment['OPENAI_BASE_URL'] ?? 'https://api.openai.com/v1', '/'),
            'name' => $environment['OPENAI_MODEL'] ?? 'gpt-4o-mini',
        ],
        // A URL, or the path of an SQLite file.
        'database' => $environment['ADMIN_DATABASE_URL'] ?? $inApplication($environment['DATABASE_PATH'] ?? 'data/admin.db'),
        'uploads_path' => $inApplication($environment['UPLOADS_PATH'] ?? 'data/uploads'),
        'upload_max_bytes' => (int) ($environment['UPLOAD_MAX_BYTES'] ?? 10 * 1024 ** 2),
        'heartbeat_path' => __DIR__ . '/data/worker.heartbeat',
        'log_file' => $environment['LOG_FILE'] ?? '/var/log/chatbot/application.log',
    ];
})(Chatbot\EnvironmentFile::read(__DIR__ . '/.env'));

return $config;
