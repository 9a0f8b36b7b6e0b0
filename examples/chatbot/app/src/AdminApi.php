<?php

declare(strict_types=1);

namespace Chatbot;

use PDOException;
use RuntimeException;

/** The actions of the admin API. Each returns a status and the JSON body of the answer. */
final class AdminApi
{
    /** Actions and the method that each is asked with. */
    public const METHODS = [
        'health' => 'GET',
        'list_agents' => 'GET',
        'get_agent' => 'GET',
        'delete_agent' => 'POST',
        'upload' => 'POST',
    ];

    /** @param array<string, mixed> $config */
    public function __construct(private readonly array $config)
    {
    }

    public function isAuthorized(string $header): bool
    {
        $given = preg_match('/^Bearer\s+(\S+)$/iD', $header, $part) === 1 ? $part[1] : '';

        return hash_equals($this->config['admin_token'], $given);
    }

    /**
     * @param array<string, mixed> $query
     * @param array<string, mixed> $files
     * @return array{int, array<string, mixed>}
     */
    public function answer(string $action, array $query, array $files): array
    {
        return match ($action) {
            'health' => $this->health(),
            'list_agents' => $this->listAgents(),
            'get_agent' => $this->withAgentId($query, $this->getAgent(...)),
            'delete_agent' => $this->withAgentId($query, $this->deleteAgent(...)),
            'upload' => $this->upload($files['file'] ?? null),
        };
    }

    /** @return array{int, array<string, mixed>} */
    private function health(): array
    {
        try {
            $database = ['ok' => true, 'agents' => $this->agents()->count()];
        } catch (PDOException $error) {
            Log::error('health: the database does not answer', ['cause' => $error->getMessage()]);
            $database = ['ok' => false, 'agents' => null];
        }
        $uploads = ['ok' => (new Uploads($this->config['uploads_path']))->isWritable()];
        $heartbeat = $this->config['heartbeat_path'];
        $healthy = $database['ok'] && $uploads['ok'];

        return [$healthy ? 200 : 503, [
            'status' => $healthy ? 'ok' : 'error',
            'database' => $database,
            'uploads' => $uploads,
            // Told, and not part of the status: the site serves without its worker.
            'worker' => ['heartbeat_age_seconds' => is_file($heartbeat) ? time() - filemtime($heartbeat) : null],
        ]];
    }

    /** @return array{int, array<string, mixed>} */
    private function listAgents(): array
    {
        $agents = $this->agents()->all();

        return [200, ['count' => count($agents), 'agents' => $agents]];
    }

    /** @return array{int, array<string, mixed>} */
    private function getAgent(int $id): array
    {
        $agent = $this->agents()->find($id);

        return $agent === null ? [404, ['error' => 'no such agent']] : [200, ['agent' => $agent]];
    }

    /** @return array{int, array<string, mixed>} */
    private function deleteAgent(int $id): array
    {
        return $this->agents()->delete($id, 'admin') ? [200, ['deleted' => $id]] : [404, ['error' => 'no such agent']];
    }

    /** @return array{int, array<string, mixed>} */
    private function upload(mixed $file): array
    {
        $error = is_array($file) ? $file['error'] : UPLOAD_ERR_NO_FILE;
        if (!is_int($error) || $error === UPLOAD_ERR_NO_FILE) {
            return [400, ['error' => 'send one file in the form field "file"']];
        }
        $overPhpLimit = in_array($error, [UPLOAD_ERR_INI_SIZE, UPLOAD_ERR_FORM_SIZE], true);
        if ($overPhpLimit || $file['size'] > $this->config['upload_max_bytes']) {
            return [413, ['error' => 'the file is too large']];
        }
        if ($error !== UPLOAD_ERR_OK) {
            throw new RuntimeException("PHP did not receive the file: error $error");
        }
        $name = (new Uploads($this->config['uploads_path']))->take($file['tmp_name'], $file['name']);
        Log::info('file uploaded', ['name' => $name, 'bytes' => $file['size']]);

        return [200, ['url' => '/uploads.php?name=' . rawurlencode($name), 'name' => $name, 'bytes' => $file['size']]];
    }

    /**
     * @param array<string, mixed> $query
     * @param callable(int): array{int, array<string, mixed>} $action
     * @return array{int, array<string, mixed>}
     */
    private function withAgentId(array $query, callable $action): array
    {
        $id = filter_var($query['id'] ?? null, FILTER_VALIDATE_INT, ['options' => ['min_range' => 1]]);

        return $id === false ? [400, ['error' => 'id must be the number of an agent']] : $action($id);
    }

    private function agents(): Agents
    {
        return new Agents(Database::open($this->config['database']));
    }
}
