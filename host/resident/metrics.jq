# The state of a watch as Prometheus reads it from node-exporter's folder of text files.
def quoted: @json;
def metric($name; $help; lines): "# HELP \($name) \($help)", "# TYPE \($name) gauge", lines;
metric("site_backup_watch_level"; "0: nothing is wrong, 1: a warning, 2: critical."; "site_backup_watch_level \(.level as $level | ["ok", "warning", "critical"] | index($level))"),
metric("site_backup_watch_time_seconds"; "When the backups were last looked at."; "site_backup_watch_time_seconds \(.at)"),
metric("site_backup_finding"; "1 for each thing that is wrong."; (.findings[] | "site_backup_finding{id=\(.id | quoted),level=\(.level | quoted)} 1")),
metric("site_backup_newest_time_seconds"; "When the newest good backup of a class of data began, here or on another server.";
  (.newest | to_entries[] | .key as $class | .value | to_entries[] | select(.value != null) | "site_backup_newest_time_seconds{class=\($class | quoted),place=\(.key | quoted)} \(.value.at)")),
metric("site_backup_good_points"; "Good backups of a tier on this server."; (.tiers | to_entries[] | "site_backup_good_points{tier=\(.key | quoted)} \(.value.good)")),
metric("site_backup_size_bytes"; "Size of the newest good backup of a tier."; (.tiers | to_entries[] | select(.value.bytes != null) | "site_backup_size_bytes{tier=\(.key | quoted)} \(.value.bytes)")),
metric("site_backup_alert_failing"; "1 when a way of telling takes no alerts."; (.channels | to_entries[] | "site_backup_alert_failing{channel=\(.key | quoted)} \(if .value.failing == null then 0 else 1 end)"))
