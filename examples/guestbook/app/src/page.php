<?php

/**
 * The page. index.php gives it $title, $count, $entries, $page, $pages, $entry, $problems and $token.
 */

declare(strict_types=1);

$text = static fn (string $raw): string => htmlspecialchars($raw, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
$problem = static fn (string $field): string => isset($problems[$field])
    ? sprintf('<span class="problem" id="%s-problem">%s</span>', $field, $text($problems[$field]))
    : '';

?>
<!doctype html>
<html lang="en">
<head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title><?= $text($title) ?></title>
    <link rel="stylesheet" href="/style.css">
</head>
<body>
    <header>
        <h1><?= $text($title) ?></h1>
        <p><?= $count === 1 ? 'One guest has' : "$count guests have" ?> written in this book.</p>
    </header>
    <main>
        <form method="post" action="/">
            <h2>Were you here too?</h2>
<?php if ($problems !== []) : ?>
            <p class="problem" role="alert">Your entry is not written yet.</p>
<?php endif ?>
            <input type="hidden" name="token" value="<?= $text($token) ?>">
            <div class="side-by-side">
                <label>Name <?= $problem('name') ?><input name="name" required maxlength="80" autocomplete="name" value="<?= $text($entry['name']) ?>"></label>
                <label>Town <?= $problem('town') ?><input name="town" maxlength="80" value="<?= $text($entry['town']) ?>"></label>
            </div>
            <label>Message <?= $problem('message') ?><textarea name="message" required maxlength="2000" rows="4"><?= $text($entry['message']) ?></textarea></label>
            <button>Write it into the book</button>
        </form>
<?php foreach ($entries as $one) : ?>
        <article>
            <p class="message"><?= nl2br($text($one['message'])) ?></p>
            <p class="by"><?= $text($one['name']) ?><?= $one['town'] === null ? '' : ', ' . $text($one['town']) ?> <time><?= $text($one['day']) ?></time></p>
<?php if ($one['answer'] !== null) : ?>
            <p class="answer"><?= nl2br($text($one['answer'])) ?></p>
<?php endif ?>
        </article>
<?php endforeach ?>
        <nav>
<?php if ($page > 1) : ?>
            <a href="/?page=<?= $page - 1 ?>" rel="prev">Newer</a>
<?php endif ?>
            <span>Page <?= $page ?> of <?= $pages ?></span>
<?php if ($page < $pages) : ?>
            <a href="/?page=<?= $page + 1 ?>" rel="next">Older</a>
<?php endif ?>
        </nav>
    </main>
</body>
</html>
