<?php

/**
 * The only page: shows the book, and takes what is written into its form.
 */

declare(strict_types=1);

require __DIR__ . '/../src/entries.php';
require __DIR__ . '/../src/form-token.php';

$settings = require __DIR__ . '/../src/settings.php';
$book = open_book($settings);
$entry = ['name' => '', 'town' => '', 'message' => ''];
$problems = [];

if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    if (!is_form_token($_POST['token'] ?? null, $settings['FORM_SECRET'])) {
        http_response_code(403);
        header('Content-Type: text/plain; charset=utf-8');
        exit("This form is not of our page, or cookies are off. Go back, load the page again, and send it once more.\n");
    }
    [$entry, $problems] = read_form($_POST);
    if ($problems === []) {
        write_entry($book, $entry);
        // Loading the page again must not write it again.
        header('Location: /', response_code: 303);
        exit;
    }
    http_response_code(422);
}

$title = $settings['TITLE'];
$count = count_entries($book);
$pages = max(1, (int) ceil($count / ENTRIES_PER_PAGE));
$page = min($pages, max(1, (int) filter_input(INPUT_GET, 'page', FILTER_VALIDATE_INT)));
$entries = entries_of_page($book, $page);
$token = form_token($settings['FORM_SECRET']);

header('Content-Type: text/html; charset=utf-8');
header('Cache-Control: no-store');
require __DIR__ . '/../src/page.php';
