<?php

declare(strict_types=1);

namespace Chatbot;

/** The application's log: one JSON object a line. A log that cannot be written never fails a request. */
final class Log
{
    /** Until the settings are read: what is wrong with them is told here too. */
    private static string $path = '/var/log/chatbot/application.log';

    /** From here on, lines go to this file, PHP's own fatal errors too. */
    public static function to(string $path): void
    {
        self::$path = $path;
        if (self::writable($path)) {
            ini_set('error_log', $path);
        }
    }

    /** @param array<string, scalar|null> $context */
    public static function info(string $message, array $context = []): void
    {
        self::write('info', $message, $context);
    }

    /** @param array<string, scalar|null> $context */
    public static function error(string $message, array $context = []): void
    {
        self::write('error', $message, $context);
    }

    /** @param array<string, scalar|null> $context */
    private static function write(string $level, string $message, array $context): void
    {
        $line = json_encode(
            ['time' => gmdate('Y-m-d\TH:i:s\Z'), 'level' => $level, 'message' => $message] + $context,
            JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE,
        );
        if (
            !self::writable(self::$path)
            || file_put_contents(self::$path, $line . "\n", FILE_APPEND | LOCK_EX) === false
        ) {
            error_log($line);
        }
    }

    private static function writable(string $path): bool
    {
        return file_exists($path) ? is_writable($path) : is_writable(dirname($path));
    }
}
