<?php

declare(strict_types=1);

use Chatbot\Agents;
use Chatbot\Database;

require __DIR__ . '/../bootstrap.php';

$name = htmlspecialchars($config['name']);
$agents = (new Agents(Database::open($config['database'])))->all();

?>
<!doctype html>
<html lang="en">
<head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title><?= $name ?></title>
</head>
<body>
    <h1><?= $name ?></h1>
    <p><?= count($agents) ?> agents are ready to talk.</p>
    <ul>
<?php foreach ($agents as $agent) : ?>
        <li><?= htmlspecialchars($agent['name']) ?></li>
<?php endforeach ?>
    </ul>
</body>
</html>
