<?php

declare(strict_types=1);

namespace Chatbot;

use PDO;

/** The SQLite database, in WAL mode. */
final class Database
{
    private const BUSY_TIMEOUT_SECONDS = 5;

    /** Opens the database; throws when it is not there, rather than serve from an empty new one. */
    public static function open(string $path): PDO
    {
        return self::connect($path, PDO::SQLITE_OPEN_READWRITE);
    }

    /** Opens the database, made when it is not there: for migrations only. */
    public static function openOrCreate(string $path): PDO
    {
        return self::connect($path, PDO::SQLITE_OPEN_READWRITE | PDO::SQLITE_OPEN_CREATE);
    }

    public static function now(): string
    {
        return gmdate('Y-m-d\TH:i:s\Z');
    }

    private static function connect(string $path, int $flags): PDO
    {
        $database = new PDO("sqlite:$path", options: [
            PDO::SQLITE_ATTR_OPEN_FLAGS => $flags,
            PDO::ATTR_TIMEOUT => self::BUSY_TIMEOUT_SECONDS,
            PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
        ]);
        $database->exec('PRAGMA journal_mode = WAL');
        $database->exec('PRAGMA synchronous = NORMAL');
        $database->exec('PRAGMA foreign_keys = ON');

        return $database;
    }
}
