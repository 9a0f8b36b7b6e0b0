<?php

declare(strict_types=1);

namespace Chatbot;

/** JSON in and out over HTTP. */
final class Json
{
    /** @param array<string, mixed> $body */
    public static function send(int $status, array $body): void
    {
        http_response_code($status);
        header('Content-Type: application/json; charset=utf-8');
        header('Cache-Control: no-store');
        echo json_encode($body, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE), "\n";
    }

    /** @return array<string, mixed>|null The request's JSON object; null when the body is none. */
    public static function request(): ?array
    {
        $body = json_decode((string) file_get_contents('php://input'), true);

        return is_array($body) && !array_is_list($body) ? $body : null;
    }
}
