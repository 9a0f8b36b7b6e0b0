<?php

declare(strict_types=1);

namespace Chatbot;

/** The language model, over its HTTP API. */
final class Model
{
    /** Short, so that a visitor gets the built-in reply soon when the model cannot be reached. */
    private const CONNECT_SECONDS = 2;
    private const ANSWER_SECONDS = 15;

    /** @param array{api_key: string, base_url: string, name: string} $settings */
    public function __construct(private readonly array $settings)
    {
    }

    /**
     * @param list<array{role: string, content: string}> $messages
     * @return string|null The model's reply; null when it cannot be reached or does not answer as agreed.
     */
    public function reply(array $messages): ?string
    {
        $request = curl_init($this->settings['base_url'] . '/chat/completions');
        curl_setopt_array($request, [
            CURLOPT_POST => true,
            CURLOPT_POSTFIELDS => json_encode(['model' => $this->settings['name'], 'messages' => $messages]),
            CURLOPT_HTTPHEADER => [
                'Content-Type: application/json',
                'Authorization: Bearer ' . $this->settings['api_key'],
            ],
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_PROTOCOLS => CURLPROTO_HTTP | CURLPROTO_HTTPS,
            CURLOPT_NOSIGNAL => true,
            CURLOPT_CONNECTTIMEOUT => self::CONNECT_SECONDS,
            CURLOPT_TIMEOUT => self::ANSWER_SECONDS,
        ]);
        $body = curl_exec($request);
        $status = curl_getinfo($request, CURLINFO_RESPONSE_CODE);
        if ($body === false || $status !== 200) {
            // The cause is curl's own text or a status; neither holds the key.
            Log::info('the model did not answer', ['status' => $status, 'cause' => curl_error($request)]);

            return null;
        }
        $reply = json_decode($body, true)['choices'][0]['message']['content'] ?? null;

        return is_string($reply) && $reply !== '' ? $reply : null;
    }
}
