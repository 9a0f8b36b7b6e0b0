# What was seen of a server's backups, and what it means: facts to {state, messages}. host/resident/watch gathers the one and acts on the other.
# Facts: {
#   now, since: seconds since 1970 (since: it is protected), host: its name,
#   settings: /etc/site-backup/settings.json, before: the state of the last watch; null: there was none; "unreadable"
#   points: [{id, sizes: {FILE: bytes}, manifest: or null, rows: {DATABASE: {TABLE: number}} or null}] of the server's own store,
#   read: {ID: {at, bad: [members whose bytes are not those that were stored]}},
#   sent: [{store, instance, record: {point, members: [names]} or null}]: the newest good one that each store took, by instance of the unit,
#   outcomes: {TIER: /var/lib/site-backup/TIER.json, null: none, "unreadable"}, said: {TIER: the last words of that backup},
#   cutOff: {TIER: when one began that did not come to its end, well or not},
#   units: {UNIT: {ActiveState, Result}} or null, disks: {PATH: percent in use, or null}, textfile: whether its folder is there }
# State, /var/lib/site-backup/watch.json: docs/backups.md. Messages: {mail, webhook}: the text to send, or null.
include "told";

# A backup is allowed to be late by as much as it may take to begin, and to be made.
def grace: 1800;
# Of smaller tables, such as a queue's, half is nothing.
def fewRows: 20;

def at: capture("/(?<Y>\\d{4})(?<m>\\d\\d)(?<d>\\d\\d)T(?<H>\\d\\d)(?<M>\\d\\d)(?<S>\\d\\d)Z$") | "\(.Y)-\(.m)-\(.d)T\(.H):\(.M):\(.S)Z" | fromdateiso8601;
def size: if . < 1048576 then "\(. / 1024 | ceil) KiB" elif . < 1073741824 then "\(. / 1048576 | round) MiB" else "\(. / 1073741824 * 10 | round / 10) GiB" end;
def median: sort | if length == 0 then null elif length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def tier: split("/")[0];

# The classes of data that a point of these members holds.
def classes: {database: "database-", configuration: "config.tar", uploads: "(uploads|data)-", logs: "logs.tar", metrics: "metrics.prom"} as $begins
  | . as $names | [$begins | to_entries[] | ("^" + .value) as $begin | select(any($names[]; test($begin))) | .key];

# Whether a store's record says which point it took.
def sound: type == "object" and (.point | type) == "string" and ([.point | at] | length) == 1 and (.members | type) == "array" and all(.members[]; type == "string");

# Why a point is none, or null.
def fault($read):
  if (.manifest | type) != "object" or (.manifest.members | type) != "array" or (.manifest.errors | type) != "array"
    or (all(.manifest.members[]; type == "object" and (.name | type) == "string" and (.bytes | type) == "number" and (.sha256 | type) == "string") | not)
  then "its manifest cannot be read"
  else .sizes as $sizes
    | first(
        (.manifest.members[] | select($sizes[.name] == null) | "\(.name) is missing"),
        (.manifest.members[] | select($sizes[.name] != .bytes) | "\(.name) is not as long as it was"),
        ($read[.id].bad // [] | .[] | "the bytes of \(.) are not those that were stored"),
        null)
  end;

. as $given
# A time that is yet to come excuses nothing.
| ($given | .since = (if .since > .now then 0 else .since end)) as $in
| $in.now as $now
| ($in.settings.alerts // {}) as $alerts
| (if ($in.before | type) == "object" then $in.before else {} end) as $before
| [$in.points[] | {id, at: (.id | at), tier: (.id | tier), manifest, rows, fault: fault($in.read)}
    | .good = (.fault == null and .manifest.errors == [])
    | if .good then .names = [.manifest.members[].name] | .bytes = ([.manifest.members[].bytes] | add) else . end] as $points
| [$points[] | select(.good and .at <= $now + 3600)] as $good
| [$in.sent[] | select(.record | sound) | {store, id: .record.point, at: (.record.point | at), names: .record.members} | select(.at <= $now + 3600)] as $sent
| ($in.settings.rpo | keys_unsorted) as $classes
| (reduce $classes[] as $class ({}; .[$class] = ({local: $good, elsewhere: $sent}
    | map_values(map(select(.names | classes | index($class))) | max_by(.at) | if . == null then null else {point: .id, at} + if .store then {store} else {} end end)))) as $newest
| [$in.settings.tiers | to_entries[] | select(.value.everySeconds != null)] as $tiers
| ("systemctl status 'site-backup@*'; journalctl -u 'site-backup@*'") as $look

| [
  (if $in.before == "unreadable" then
    finding("state"; 1; "what the last watch left cannot be read: since when things are as they are is not known"; "nothing: it was written anew") else empty end),
  ($in.outcomes | to_entries[] | select(.value == "unreadable")
    | finding("outcome-\(.key)"; 1; "what became of the last \(.key) backup cannot be read"; "look at /var/lib/site-backup/\(.key).json")),
  ($in.sent[] | select(.record | sound | not)
    | finding("sent-\(.store)-\(.instance)"; 1; "what \(.store) took last of \(.instance) cannot be read"; "look at /var/lib/site-backup/sent/\(.store)/\(.instance).json")),

  # What was lost with the server, or with a database, would be older than it may be.
  ($classes[] as $class | $in.settings.rpo[$class] as $rpo | {local: "", elsewhere: "-elsewhere"} | to_entries[] as $place
    | $newest[$class][$place.key] as $one
    | ($now - ($one.at // $in.since)) as $age | select($age > $rpo + grace)
    | (if $place.key == "local" then "on this server" else "on another server" end) as $where
    | finding("rpo-\($class)\($place.value)"; 2;
        if $one == null then "no good backup of the \($class) is \($where)" else "the newest good backup of the \($class) \($where) is \($age | span) old, \($one.point): at most \($rpo | span) may be lost" end; $look)),

  # Each tier by its own interval.
  ($tiers[] | .key as $tier | .value as $rule | ([$good[] | select(.tier == $tier)] | max_by(.at)) as $one
    | ($now - ($one.at // $in.since)) as $age | select($age > $rule.everySeconds + grace)
    | (if $age > 2 * $rule.everySeconds + grace then 2 elif $in.units["site-backup@\($tier).service"].ActiveState == "activating" then empty else 1 end) as $level
    | finding("overdue-\($tier)"; $level;
        if $one == null then "there is no good \($tier) backup" else "the newest good \($tier) backup is \($age | span) old, and one is made every \($rule.everySeconds | span)" end; $look)),

  # Made, whatever the timers say; one that no store took is another matter.
  ($tiers[].key as $tier | $in.outcomes[$tier] as $outcome | $in.units["site-backup@\($tier).service"] as $unit
    | ($outcome | type == "object" and (if has("packed") then .packed else .ok end) == false) as $unpacked
    | ($outcome | type == "object" and .ok == false) as $told
    | ($unit.ActiveState == "failed" and $unit.Result != "exit-code") as $ended
    | $in.cutOff[$tier] as $cutOff
    | select($cutOff != null or $unpacked or $ended or ($unit.ActiveState == "failed" and ($told | not)))
    | (if $ended then null elif $cutOff != null then "it was cut off: the server went down, or the unit was killed" else $in.said[$tier] end
        // "it was ended (\($unit.Result // "nobody knows why"))") as $why
    | finding("failed-\($tier)"; 2; "the last \($tier) backup failed: \($why)"; "journalctl -u site-backup@\($tier); then make one: systemctl start site-backup@\($tier)")
    | if $cutOff != null then .since = $cutOff
      elif $unpacked and ($outcome.endedAt | type) == "string" then .since = ($outcome.endedAt | (fromdateiso8601? // $now)) else . end),
  ([$tiers[] | .key as $tier | .value.stores[] as $store | $in.outcomes[$tier] | objects | select((.sent | type) == "object" and .sent[$store] != null) | {$tier, $store, point, why: .sent[$store]}]
    | group_by(.store)[] | .[0].store as $store
    | finding("send-\($store)"; 1; "\($store) did not take \(map("\(.point // .tier)") | join(", ")): \(.[-1].why)"; "look at that server: its disk, its account, its sshd; the next backup is sent anew")),

  # What a store holds goes there by rules of its own: as the tier says at the earliest, since that is what was asked for. 12 hours is
  # what a backup may take to arrive.
  ($tiers[] | .key as $tier | .value as $rule | $rule.stores[] as $store
    | ([$sent[] | select(.store == $store and (.id | tier) == $tier)] | max_by(.at) | select(. != null)) as $last
    | select($now - $last.at > ([$rule.keepSeconds * 3 / 4, $rule.everySeconds + 43200] | max))
    | finding("expiring-\($store)-\($tier)"; 2; "the last \($tier) backup that \($store) took is of \($last.at | moment), and may be gone there from \($last.at + $rule.keepSeconds | moment) on";
        "let \($store) take one again: journalctl -u site-backup@\($tier); and see when backups expire there")),

  # What is stored.
  ($points[] | select(.fault != null)
    | finding("damaged-\(.id | sub("/"; "-"))"; 2; "\(.id) is damaged: \(.fault)"; "look at the disk (dmesg, smartctl); what other servers hold is told by npx recovery points list")),
  ([$points[] | select(.fault != "its manifest cannot be read") | select($now - ($in.read[.id].at // .at) > 14 * 86400)] | select(length > 0)
    | finding("unread"; 1; "\(length) backups were not read for two weeks, such as \(.[0].id): whether their bytes are whole is not known"; "see how long it takes: journalctl -u site-watch")),
  ([$points[] | select(.at > $now + 3600)] | max_by(.at) | select(. != null)
    | finding("clock"; 2; "\(.id) is of a time that is yet to come: this server's clock is wrong, or was, and nothing is removed"; "look at the clock: timedatectl; if it is right, remove that backup")),

  # By what is usual: the newest by half of the median of those before it, once there are three.
  ($tiers[].key as $tier | [$good[] | select(.tier == $tier)] | sort_by(.at) | .[-1] as $one | .[:-1][-10:] | select(length >= 3)
    | (map(.bytes) | median) as $usual | select($one.bytes * 2 < $usual)
    | finding("size-\($tier)"; 1; "the newest \($tier) backup, \($one.id), has \($one.bytes | size), and \($usual | size) are usual"; "look at what it holds: npx recovery points show \($one.id)")),
  ([$good[] | select(.names | classes | index("database"))] | sort_by(.at) | select(length > 0) | .[-1] as $one
    | if ($one.rows | type) != "object" then
        select($one.at > $in.since)
        | finding("rows"; 1; "how many rows \($one.id) holds is not known: whether tables lost some cannot be told"; "look at /var/lib/site-backup/rows")
      else
        [.[:-1][] | select(($one.at - .at) <= 7 * 86400 and (.rows | type) == "object")] as $earlier
        | $in.settings.request.databases[].name as $database
        | [$earlier[] | .rows[$database] | objects] as $counts | select(($counts | length) >= 3)
        | ($counts | add | keys_unsorted[]) as $table
        | [$counts[][$table] | numbers] as $usually | ($usually | median) as $usual | $one.rows[$database][$table] as $is
        | ($table | gsub("[^ -~]"; "?")[:80]) as $named
        | (if $is == null then
            if ($usually | length) * 2 > ($counts | length) then finding("table-\($database)-\($named)"; 2; "the table \($named) of \($database) is gone in \($one.id): it had \($usual) rows"; null) else empty end
          elif $usual < fewRows or $is * 2 >= $usual then empty
          else finding("table-\($database)-\($named)"; (if $is == 0 then 2 else 1 end); "the table \($named) of \($database) has \($is) rows in \($one.id), and \($usual) are usual"; null) end)
        | ([$earlier[] | select((.rows[$database][$table] // 0) * 2 >= $usual)][-1].id) as $older
        | .next = "if nobody meant it, an older backup has them: npx recovery rebuild --only database --point \($older)"
      end),
  ($tiers[] | .key as $tier | .value as $rule | [$points[] | select(.tier == $tier)] as $all | ($all | map(select(.good)) | length) as $count
    | ([$rule.atLeast, (($now - $in.since) / $rule.everySeconds | floor)] | min) as $expected
    | (if $expected > 2 and $count * 2 < $expected then finding("few-\($tier)"; 1; "there are \($count) good \($tier) backups, and \($expected) should be there"; $look) else empty end),
      (if ($all | length) > 2 * $rule.atLeast + 2 then finding("many-\($tier)"; 1; "there are \($all | length) \($tier) backups, and \($rule.atLeast) need be kept: they are not removed"; $look) else empty end)),

  # What they depend on.
  ($in.disks | to_entries[] | if .value == null then finding("disk-\(.key)"; 2; "how full the disk of \(.key) is cannot be told"; "see whether it is mounted: df \(.key)")
    elif .value >= 80 then finding("disk-\(.key)"; (if .value >= 90 then 2 else 1 end); "the disk of \(.key) is \(.value) % full"; "make room there, or keep fewer backups (backups in site.yaml)") else empty end),
  (if $in.units == null then finding("systemd"; 2; "systemd does not say whether the timers run"; "systemctl list-timers 'site-*'") else
    (($tiers | map("site-backup@\(.key).timer")) + ["site-watch.timer"])[] as $timer | select($in.units[$timer].ActiveState != "active")
    | finding($timer | sub("@"; "-") | sub("\\.timer$"; "-timer"); 2; "\($timer) does not run: nothing is done by itself"; "systemctl enable --now \($timer)") end),
  (if $in.textfile == false then finding("textfile"; 1; "\($alerts.textfile) is not there: nothing is told to Prometheus"; "make that folder, or correct alerts.textfile in site.yaml") else empty end),
  ($before.channels // {} | to_entries[] | select($alerts[.key] != null and .value.failing != null) | unreached(.key; .value.failing))
] | map(.id as $id | .since = ([$before.findings[]? | select(.id == $id)][0].since // .since // $now)) as $findings

| {
    version: 1, site: $in.settings.request.site, host: $in.host, at: $now, newest: $newest,
    tiers: ($tiers | map(.key as $tier | [$points[] | select(.tier == $tier)] as $all | [$all[] | select(.good)] as $well
      | {($tier): {points: ($all | length), good: ($well | length), bytes: ($well | max_by(.at) | .bytes)}}) | add),
    channels: (["mail", "webhook", "deadMan"] | map(select($alerts[.] != null) | {(.): ($before.channels[.]? // {failing: null, told: {}})}) | add // {})
  }
| judged($findings)
| . as $state
| {$state, messages: (["mail", "webhook"] | map({(.): (if $alerts[.] == null then null else . as $channel | $state | message($channel) end)}) | add)}
