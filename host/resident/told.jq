# What is told of a watch's findings, to whom, and what is known once that was tried. A module: watch.jq and host/resident/watch include it.

def moment: strftime("%Y-%m-%d %H:%M UTC");
def span: if . < 7200 then "\(. / 60 | floor) min" elif . < 172800 then "\(. / 3600 | floor) h" else "\(. / 86400 | floor) days" end;
def levels: ["ok", "warning", "critical"];
def rank: . as $level | levels | index($level);
def finding($id; $level; $text; $next): {$id, level: levels[$level], $text, $next};

# A channel that does not take what it is sent is a finding itself.
def unreached($channel; $failing):
  finding("alert-\($channel)"; (if $channel == "deadMan" then 1 else 2 end);
    "\({mail: "mail", webhook: "the webhook", deadMan: "the dead-man's URL"}[$channel]) takes no alerts: \($failing.why)"; "look at alerts in site.yaml, then try them: npx recovery alert")
  | .since = $failing.since;

# The state with these findings, the worst first.
def judged($findings):
  ($findings | sort_by([-(.level | rank), .id])) as $sorted
  | .at as $now
  | .findings = $sorted
  | .level = ($sorted[0].level // "ok")
  | .summary = if $sorted == [] then
        "nothing is wrong; newest elsewhere: " + (.newest | to_entries | map("\(.key) " + if .value.elsewhere == null then "none yet" else "\($now - .value.elsewhere.at | span) ago" end) | join(", "))
      elif ($sorted | length) == 1 then $sorted[0].text
      else "\($sorted[0].text); and \(($sorted | length) - 1) more" end;

def lost: .at as $now | .newest | to_entries
  | ["If this server were lost now, with it would go:"]
    + map("  \(.key): " + if .value.elsewhere == null then "all of it: no other server has a good backup"
        else "what was written since \(.value.elsewhere.at | moment), \($now - .value.elsewhere.at | span) ago: \(.value.elsewhere.point) on \(.value.elsewhere.store)" end)
    + ["The newest good backups on this server itself:"]
    + map("  \(.key): " + if .value.local == null then "none" else "\(.value.local.point), \($now - .value.local.at | span) ago" end);

# The text that a channel is due, its first line the subject; null when it is due none. A text has all that is wrong: so what is new is told
# once, the rest with it or after a day, and what is over once.
def message($channel):
  .at as $now | (.channels[$channel].told // {}) as $told
  | [.findings[] | $told[.id] as $known | (.level | rank) as $rank | . + {
      own: (.id == "alert-\($channel)"),
      # A timer is a little early at times, and a clock may have been ahead.
      due: ($known == null or $rank > ($known.level | rank) or $now - $known.at >= 86400 - 1800 or $known.at > $now + 3600),
      title: ((if $known == null then "NEW" elif $rank > ($known.level | rank) then "WORSE" else "STILL" end) + " \(.level | ascii_upcase): \(.text)")}] as $open
  | [.findings[].id] as $ids
  | [$told | to_entries[] | select(.key as $id | $ids | index($id) | not) | .value] as $over
  | if all($open[]; .due | not) and $over == [] then null else
      first(($open[] | select(.due and (.own | not)) | .title), ($over[] | "OVER: \(.text)"), "\(.level | ascii_upcase): \(.summary)") as $subject
      | (["\(.site) on \(.host): \($subject)", ""]
        + ($open[:20] | map(
            (if .own then "From \(.since | moment) on, what was to be told here did not arrive: \(.text)" else .title, "  since \(.since | moment)", "  what to do: \(.next)" end), ""))
        + (if ($open | length) > 20 then ["and \(($open | length) - 20) more: jq .findings /var/lib/site-backup/watch.json", ""] else [] end)
        + ($over[:20] | map("OVER: \(.text)", "  since \(.since | moment)", ""))
        + lost + [""]) | join("\n")
    end;

# The state once messages were sent: results are {CHANNEL: null when it took it, else why not}. One that did knows what it was told, and
# a level that fell is worse than before only above the worst that was told.
def told($results):
  .at as $now | .findings as $sent
  | reduce ($results | to_entries[]) as $result (.;
      .channels[$result.key] |= (
        .told as $before
        | if $result.value != null then .failing = {since: (.failing.since // $now), why: $result.value}
          else .failing = null
            | .told = ($sent | map(select(.id != "alert-\($result.key)")
                | {(.id): {level: ([$before[.id].level // .level, .level] | max_by(rank)), at: $now, since, text}}) | add // {})
          end))
  | .channels as $channels
  | judged([$sent[] | select(.id | startswith("alert-") | not)] + [$channels | to_entries[] | select(.value.failing != null) | unreached(.key; .value.failing)]);
