<?php

/**
 * The background worker: does the waiting jobs, writes its heartbeat, sleeps; ends in order on SIGTERM and SIGINT.
 */

declare(strict_types=1);

use Chatbot\Database;
use Chatbot\Jobs;
use Chatbot\Log;

require __DIR__ . '/bootstrap.php';

$pauseSeconds = 5;
// Blocked and then waited for: a signal ends the pause at once and never cuts a job in two.
pcntl_sigprocmask(SIG_BLOCK, [SIGTERM, SIGINT]);
Log::info('worker started', ['pid' => getmypid()]);
do {
    // Opened anew each time: a database that was replaced meanwhile must not go on being written in its old file.
    $done = (new Jobs(Database::open($config['database'])))->doAll();
    if ($done > 0) {
        Log::info('jobs done', ['jobs' => $done]);
    }
    file_put_contents($config['heartbeat_path'] . '.new', Database::now() . "\n");
    rename($config['heartbeat_path'] . '.new', $config['heartbeat_path']);
    // PHP warns when a wait is cut short by another signal, such as a debugger's; that is no error here.
    $signal = @pcntl_sigtimedwait([SIGTERM, SIGINT], $information, $pauseSeconds);
} while ($signal !== SIGTERM && $signal !== SIGINT);
Log::info('worker stopped', ['signal' => $signal]);
