<?php

/**
 * Proves that a form came from this page: the token is made of a cookie that only this site can read, and of a secret.
 */

declare(strict_types=1);

/** The token for this visitor's form. Sets the visitor's cookie: nothing may have been sent yet. */
function form_token(string $secret): string
{
    $visitor = visitor();
    if ($visitor === null) {
        $visitor = bin2hex(random_bytes(16));
        setcookie('visitor', $visitor, ['path' => '/', 'secure' => true, 'httponly' => true, 'samesite' => 'Lax']);
    }

    return hash_hmac('sha256', $visitor, $secret);
}

function is_form_token(mixed $token, string $secret): bool
{
    $visitor = visitor();

    return is_string($token) && $visitor !== null && hash_equals(hash_hmac('sha256', $visitor, $secret), $token);
}

function visitor(): ?string
{
    $cookie = $_COOKIE['visitor'] ?? null;

    return is_string($cookie) && preg_match('/^[0-9a-f]{32}$/', $cookie) === 1 ? $cookie : null;
}
