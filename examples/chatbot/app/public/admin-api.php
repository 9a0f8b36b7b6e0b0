<?php

/**
 * The admin API: /admin-api.php?action=…, with `Authorization: Bearer <ADMIN_TOKEN>`.
 */

declare(strict_types=1);

use Chatbot\AdminApi;
use Chatbot\Json;

require __DIR__ . '/../bootstrap.php';

$api = new AdminApi($config);
if (!$api->isAuthorized($_SERVER['HTTP_AUTHORIZATION'] ?? '')) {
    header('WWW-Authenticate: Bearer');
    Json::send(401, ['error' => 'a valid bearer token is needed']);
    exit;
}

$action = is_string($_GET['action'] ?? null) ? $_GET['action'] : '';
$method = AdminApi::METHODS[$action] ?? null;
if ($method === null) {
    Json::send(404, ['error' => 'no such action; there are ' . implode(', ', array_keys(AdminApi::METHODS))]);
    exit;
}
if ($_SERVER['REQUEST_METHOD'] !== $method) {
    header("Allow: $method");
    Json::send(405, ['error' => "$action is a $method request"]);
    exit;
}

Json::send(...$api->answer($action, $_GET, $_FILES));
