<?php

/**
 * Brings the database's schema up to date: each file of migrations/ for its kind once, in order of its name.
 * Run it as often as you like.
 */

declare(strict_types=1);

use Chatbot\Database;

require __DIR__ . '/bootstrap.php';

$database = Database::openOrCreate($config['database']);
$kind = Database::kind($database);
$database->exec(
    'CREATE TABLE IF NOT EXISTS schema_migrations (version TEXT PRIMARY KEY, applied_at TEXT NOT NULL)'
    . ($kind === 'sqlite' ? ' STRICT' : ''),
);
foreach (glob(__DIR__ . "/migrations/$kind/*.sql") as $file) {
    $version = basename($file, '.sql');
    // The question stands inside the transaction, so that two runs at once apply a migration once.
    Database::beginWriting($database);
    $known = $database->prepare('SELECT 1 FROM schema_migrations WHERE version = ?');
    $known->execute([$version]);
    if ($known->fetchColumn() === false) {
        $database->exec(file_get_contents($file));
        $database->prepare('INSERT INTO schema_migrations (version, applied_at) VALUES (?, ?)')
            ->execute([$version, Database::now()]);
        echo "applied $version\n";
    }
    $known->closeCursor();
    $database->exec('COMMIT');
}
