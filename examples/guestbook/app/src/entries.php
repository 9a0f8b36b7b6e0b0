<?php

/**
 * The book itself: what stands in it, and what may be written into it.
 */

declare(strict_types=1);

const ENTRIES_PER_PAGE = 10;

/** @param array<string, string> $settings */
function open_book(array $settings): PDO
{
    return new PDO(
        sprintf('pgsql:host=%s;dbname=%s', $settings['DB_HOST'], $settings['DB_NAME']),
        $settings['DB_USER'],
        $settings['DB_PASSWORD'],
        [PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC],
    );
}

function count_entries(PDO $book): int
{
    return (int) $book->query('SELECT count(*) FROM entries')->fetchColumn();
}

/** @return list<array{name: string, town: ?string, message: string, day: string, answer: ?string}> newest first; pages begin at 1 */
function entries_of_page(PDO $book, int $page): array
{
    $statement = $book->prepare(<<<'SQL'
        SELECT name, town, entries.message, to_char(entries.written_at AT TIME ZONE 'UTC', 'FMDD FMMonth YYYY') AS day,
               answers.message AS answer
        FROM entries LEFT JOIN answers ON answers.entry_id = entries.id
        ORDER BY entries.written_at DESC, entries.id DESC
        LIMIT :count OFFSET :skipped
        SQL);
    $statement->bindValue('count', ENTRIES_PER_PAGE, PDO::PARAM_INT);
    $statement->bindValue('skipped', ($page - 1) * ENTRIES_PER_PAGE, PDO::PARAM_INT);
    $statement->execute();

    return $statement->fetchAll();
}

/** @param array{name: string, town: string, message: string} $entry */
function write_entry(PDO $book, array $entry): void
{
    $book->prepare("INSERT INTO entries (name, town, message) VALUES (:name, nullif(:town, ''), :message)")->execute($entry);
}

/**
 * What somebody wrote into the form, and all that is wrong with it, by field.
 *
 * @param array<mixed> $form
 * @return array{array{name: string, town: string, message: string}, array<string, string>}
 */
function read_form(array $form): array
{
    $entry = $problems = [];
    foreach (['name' => [1, 80], 'town' => [0, 80], 'message' => [1, 2000]] as $field => [$least, $most]) {
        $text = is_string($form[$field] ?? null) ? $form[$field] : '';
        // PostgreSQL takes no text that is not UTF-8, and none with a zero byte.
        $text = trim(str_replace(["\r\n", "\0"], ["\n", ''], mb_scrub($text, 'UTF-8')));
        $entry[$field] = $text;
        $length = mb_strlen($text, 'UTF-8');
        if ($length < $least) {
            $problems[$field] = "Please fill in your $field.";
        } elseif ($length > $most) {
            $problems[$field] = "Your $field has $length characters, and $most is the most.";
        }
    }

    return [$entry, $problems];
}
