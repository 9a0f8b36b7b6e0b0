<?php

/**
 * The chat: POST {"message": "…", "conversation_id": "…"}; without an id a conversation begins.
 */

declare(strict_types=1);

use Chatbot\Conversations;
use Chatbot\Database;
use Chatbot\Json;
use Chatbot\Model;

require __DIR__ . '/../bootstrap.php';

if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
    header('Allow: POST');
    Json::send(405, ['error' => 'the chat is a POST request']);
    exit;
}
$request = Json::request();
$message = is_string($request['message'] ?? null) ? trim($request['message']) : '';
$id = $request['conversation_id'] ?? Conversations::newId();
if ($message === '' || mb_strlen($message) > Conversations::MESSAGE_MAX_CHARACTERS) {
    Json::send(400, ['error' => 'message is a text of 1 to ' . Conversations::MESSAGE_MAX_CHARACTERS . ' characters']);
    exit;
}
if (!Conversations::isId($id)) {
    Json::send(400, ['error' => 'conversation_id is up to 128 letters, digits, dots, colons, dashes and underscores']);
    exit;
}

$conversations = new Conversations(Database::open($config['database']));
$messages = [...$conversations->history($id), ['role' => 'user', 'content' => $message]];
// Asked outside any transaction: a slow model must not hold the database.
$fromModel = (new Model($config['model']))->reply($messages);
$reply = $fromModel ?? 'I cannot reach my language model right now. Your message is stored; please ask again later.';
$conversations->store($id, $message, $reply);

Json::send(200, [
    'conversation_id' => $id,
    'reply' => $reply,
    'source' => $fromModel === null ? 'built-in' : 'model',
]);
