<?php

declare(strict_types=1);

namespace Chatbot;

use RuntimeException;

/**
 * A .env file: `NAME=value` lines, comments, `export` in front if one likes.
 *
 * Unquoted values end at ` #` and are trimmed; in "double quotes" \n, \r, \", \\ and \$ are escapes; 'single quotes'
 * are literal. Errors name the line and never its text, which may be a secret.
 */
final class EnvironmentFile
{
    /** @return array<string, string> */
    public static function read(string $path): array
    {
        $text = is_readable($path) && is_file($path) ? file_get_contents($path) : false;
        if ($text === false) {
            throw new RuntimeException("cannot read $path");
        }
        $values = [];
        foreach (preg_split('/\r\n|\n|\r/', preg_replace('/^\xEF\xBB\xBF/', '', $text)) as $index => $line) {
            $line = trim($line);
            if ($line === '' || $line[0] === '#') {
                continue;
            }
            if (preg_match('/^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$/s', $line, $part) !== 1) {
                throw new RuntimeException(sprintf('%s line %d is not NAME=value', basename($path), $index + 1));
            }
            $values[$part[1]] = self::value($part[2])
                ?? throw new RuntimeException(sprintf('%s line %d has an unclosed quote', basename($path), $index + 1));
        }

        return $values;
    }

    private static function value(string $raw): ?string
    {
        $quote = $raw[0] ?? '';
        if ($quote === "'") {
            return preg_match("/^'([^']*)'\s*(#.*)?$/", $raw, $part) === 1 ? $part[1] : null;
        }
        if ($quote === '"') {
            if (preg_match('/^"((?:[^"\\\\]|\\\\.)*)"\s*(#.*)?$/', $raw, $part) !== 1) {
                return null;
            }

            return strtr($part[1], ['\\\\' => '\\', '\\"' => '"', '\\$' => '$', '\\n' => "\n", '\\r' => "\r"]);
        }

        return trim(preg_replace('/(^|\s)#.*$/', '', $raw));
    }
}
