<?php

/**
 * What every page and program starts with: errors go to the log and never into a body, classes load, $config is there.
 */

declare(strict_types=1);

ini_set('display_errors', '0');
ini_set('log_errors', '1');
umask(0007);

if (!is_file(__DIR__ . '/vendor/autoload.php')) {
    $problem = 'the application is not built: vendor/autoload.php is missing, run composer install --no-dev';
    error_log($problem);
    if (PHP_SAPI !== 'cli') {
        http_response_code(503);
        header('Content-Type: application/json');
        echo json_encode(['error' => $problem]);
    }
    exit(1);
}

require __DIR__ . '/vendor/autoload.php';

set_error_handler(static function (int $severity, string $message, string $file, int $line): bool {
    if ((error_reporting() & $severity) === 0) {
        return false;
    }
    throw new ErrorException($message, 0, $severity, $file, $line);
});

set_exception_handler(static function (Throwable $error): void {
    Chatbot\Log::error('uncaught ' . $error::class . ': ' . $error->getMessage(), [
        'at' => basename($error->getFile()) . ':' . $error->getLine(),
    ]);
    if (PHP_SAPI !== 'cli') {
        Chatbot\Json::send(500, ['error' => 'internal error, see the application log']);
    }
    exit(1);
});

$config = require __DIR__ . '/config.php';
Chatbot\Log::to($config['log_file']);
