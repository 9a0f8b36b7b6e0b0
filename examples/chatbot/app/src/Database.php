<?php

declare(strict_types=1);

namespace Chatbot;

use PDO;
use RuntimeException;

/** The database: an SQLite file in WAL mode, or PostgreSQL when its setting is a URL. */
final class Database
{
    private const BUSY_TIMEOUT_SECONDS = 5;

    /** Opens the database; throws when it is not there, rather than serve from an empty new one. */
    public static function open(string $setting): PDO
    {
        return self::isUrl($setting) ? self::server($setting) : self::file($setting, PDO::SQLITE_OPEN_READWRITE);
    }

    /** Opens the database; an SQLite file is made when it is not there: for migrations only. */
    public static function openOrCreate(string $setting): PDO
    {
        return self::isUrl($setting)
            ? self::server($setting)
            : self::file($setting, PDO::SQLITE_OPEN_READWRITE | PDO::SQLITE_OPEN_CREATE);
    }

    /** Which folder of migrations/ it has. */
    public static function kind(PDO $database): string
    {
        return $database->getAttribute(PDO::ATTR_DRIVER_NAME) === 'pgsql' ? 'postgresql' : 'sqlite';
    }

    public static function bytes(PDO $database): int
    {
        $sql = self::kind($database) === 'postgresql'
            ? 'SELECT pg_database_size(current_database())'
            : 'SELECT page_count * page_size FROM pragma_page_count, pragma_page_size';

        return (int) $database->query($sql)->fetchColumn();
    }

    /** Begins a transaction that writes: one at a time, so that two at once do not both read before one of them writes. */
    public static function beginWriting(PDO $database): void
    {
        if (self::kind($database) === 'postgresql') {
            $database->exec('BEGIN');
            $database->exec('SELECT pg_advisory_xact_lock(1)');
        } else {
            $database->exec('BEGIN IMMEDIATE');
        }
    }

    public static function now(): string
    {
        return gmdate('Y-m-d\TH:i:s\Z');
    }

    private static function isUrl(string $setting): bool
    {
        return preg_match('~^postgres(ql)?://~', $setting) === 1;
    }

    private static function file(string $path, int $flags): PDO
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

    private static function server(string $url): PDO
    {
        $parts = parse_url($url);
        if (!is_array($parts) || !isset($parts['host'], $parts['path'], $parts['user'])) {
            throw new RuntimeException('ADMIN_DATABASE_URL is not postgres://user:password@host:port/database');
        }

        return new PDO(
            sprintf(
                'pgsql:host=%s;port=%d;dbname=%s',
                $parts['host'],
                $parts['port'] ?? 5432,
                rawurldecode(ltrim($parts['path'], '/')),
            ),
            rawurldecode($parts['user']),
            rawurldecode($parts['pass'] ?? ''),
            [PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC],
        );
    }
}
