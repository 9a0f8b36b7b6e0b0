<?php

/**
 * Settings, from settings.env in the folder above. Returns them by name; throws when one that is needed is not there.
 */

declare(strict_types=1);

return (static function (string $file): array {
    $settings = [];
    foreach (file($file, FILE_IGNORE_NEW_LINES) ?: [] as $line) {
        if (preg_match('/^([A-Z_]+)=(?:"((?:[^"\\\\]|\\\\.)*)"|(.*))$/', $line, $match) === 1) {
            $settings[$match[1]] = $match[3] ?? stripslashes($match[2]);
        }
    }
    foreach (['DB_NAME', 'DB_USER', 'DB_PASSWORD', 'FORM_SECRET'] as $needed) {
        if (($settings[$needed] ?? '') === '') {
            throw new RuntimeException("$needed is missing or empty in $file");
        }
    }

    return $settings + ['TITLE' => 'Guest book', 'DB_HOST' => 'localhost'];
})(dirname(__DIR__) . '/settings.env');
