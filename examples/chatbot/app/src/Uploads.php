<?php

declare(strict_types=1);

namespace Chatbot;

use FilesystemIterator;
use RecursiveDirectoryIterator;
use RecursiveIteratorIterator;
use RuntimeException;

/** Uploaded files: outside the web root, under names that we choose. */
final class Uploads
{
    public function __construct(private readonly string $folder)
    {
    }

    /** A name of letters, digits, dots, dashes and underscores, made unique; no dot in front, no path. */
    public static function safeName(string $given): string
    {
        $name = preg_replace('/[^A-Za-z0-9._-]+/', '-', basename(str_replace('\\', '/', $given)));
        $name = ltrim($name, '.-') ?: 'file';
        $extension = substr(pathinfo($name, PATHINFO_EXTENSION), 0, 16);
        $stem = substr(pathinfo($name, PATHINFO_FILENAME), 0, 100);

        return $stem . '-' . bin2hex(random_bytes(6)) . ($extension === '' ? '' : '.' . $extension);
    }

    /** Takes a file that PHP received, and returns the name under which it can be read back. */
    public function take(string $temporaryPath, string $givenName): string
    {
        if (!is_dir($this->folder) && !mkdir($this->folder, 0770, true) && !is_dir($this->folder)) {
            throw new RuntimeException('cannot make the folder of uploads');
        }
        $name = self::safeName($givenName);
        $path = $this->folder . '/' . $name;
        if (!move_uploaded_file($temporaryPath, $path)) {
            throw new RuntimeException('cannot store the uploaded file');
        }
        chmod($path, 0660);

        return $name;
    }

    /** The path of an uploaded file; null when there is none of that name inside the folder. */
    public function path(string $name): ?string
    {
        if ($name === '' || str_contains($name, "\0")) {
            return null;
        }
        $folder = realpath($this->folder);
        $path = realpath($this->folder . '/' . $name);
        $inside = $folder !== false && $path !== false && str_starts_with($path, $folder . '/');

        return $inside && is_file($path) ? $path : null;
    }

    public function count(): int
    {
        if (!is_dir($this->folder)) {
            return 0;
        }

        return iterator_count(new RecursiveIteratorIterator(
            new RecursiveDirectoryIterator($this->folder, FilesystemIterator::SKIP_DOTS),
        ));
    }

    public function isWritable(): bool
    {
        return is_dir($this->folder) && is_writable($this->folder);
    }
}
