<?php

/**
 * Reads an uploaded file back: /uploads.php?name=… as the upload answered.
 */

declare(strict_types=1);

use Chatbot\Json;
use Chatbot\Uploads;

require __DIR__ . '/../bootstrap.php';

$name = is_string($_GET['name'] ?? null) ? $_GET['name'] : '';
$path = (new Uploads($config['uploads_path']))->path($name);
if ($path === null) {
    Json::send(404, ['error' => 'no such upload']);
    exit;
}
// Users chose the bytes: a browser must not run them as a page of ours. nginx adds nosniff, as to all answers.
header('Content-Type: application/octet-stream');
header("Content-Disposition: attachment; filename*=UTF-8''" . rawurlencode(basename($path)));
header('Content-Length: ' . filesize($path));
readfile($path);
