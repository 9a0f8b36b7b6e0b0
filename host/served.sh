# shellcheck shell=bash disable=SC2154 # the places are named in paths.sh
# Whom a restore would take something from: the last restore of this machine, and a sign that somebody used the site since.
# Without jq: an operator looks at a host before anything is installed on it.

# last_restore: the line of the history about the last restore that this machine did; empty when there was none.
last_restore() { last_done restore; }

# last_done STEP: the line of the history about the last time that this machine did a step.
last_done() {
  grep -F "\"machine\":\"$(</etc/machine-id)\"" "$history" 2>/dev/null | grep -F "\"result\":{\"step\":\"$1\",\"outcome\":\"done\"" | tail -n 1 || true
}

# served_since MOMENT: the first sign found of somebody else than a recovery; empty when there is none.
served_since() {
  local since log line time changed
  since=$(date -d "$1" +%s)
  if [[ $since -gt $(date +%s) ]]; then
    echo "the clock of this server was set back since: it says $(date -u +%FT%TZ)"
    return
  fi
  # On a database's own server, whoever reads and writes leaves no request behind.
  time=$(sed -nE 's/.*"result":\{[^}]*"startedAt":"([^"]+)".*/\1/p' <<<"$(last_done listen)")
  if [[ -n $time && $(date -d "$time" +%s) -ge $since ]]; then
    echo "a site on another server is let in since $time"
    return
  fi
  # The newest request that is neither one of host/check nor of a certificate authority. A log without legible times counts.
  while IFS= read -r log; do
    [[ -s $log && $(stat -c %Y "$log") -gt $since ]] || continue
    line=$(tac "$log" | grep -a -m 1 -v -e recovery-check -e '/.well-known/acme-challenge/') || continue
    time=$(sed -nE 's|.*\[([0-9]{2})/([A-Z][a-z]{2})/([0-9]{4}):([0-9:]{8}) ([+-][0-9]{4})\].*|\1 \2 \3 \4 \5|p' <<<"$line")
    if [[ -z $time ]]; then
      echo "a request in $log"
      return
    elif [[ $(date -d "$time" +%s) -gt $since ]]; then
      echo "a request at $(date -u -d "$time" +%FT%TZ)"
      return
    fi
  done < <(sed -nE 's|^[[:space:]]*access_log[[:space:]]+"?(/[^; "]+).*|\1\n\1.1|p' /etc/nginx/nginx.conf /etc/nginx/sites-enabled/* 2>/dev/null | sort -u)
  changed=$(changed_by_others)
  [[ -z $changed ]] || echo "$changed changed at $(date -u -r "$changed" +%FT%TZ)"
}

# changed_by_others: a restored file or database that was written to, and not by a restore or by checks.
changed_by_others() {
  local paths
  [[ -f $ours && -f $holds ]] || return 0
  mapfile -t paths <"$holds"
  find "${paths[@]}" -type f -newer "$ours" ! -name '*-shm' -print -quit 2>/dev/null || true
}

# Around what writes to the site on behalf of a recovery: what others changed before stays visible.
# shellcheck disable=SC2034
begin_own_writes() { changed_before=$(changed_by_others); }
end_own_writes() { [[ -n ${changed_before-} || ! -f $holds ]] || touch "$ours"; }

# refuse_over_served: ends a step that would begin another restore over a site that has served since its last one, unless the
# operator named that restore. For steps: it needs step.sh.
refuse_over_served() {
  local restore at part point sign
  restore=$(last_restore)
  [[ -n $restore ]] || return 0
  # Within the same restore nothing is restored anew.
  ! jq -e --argjson restore "$restore" '.triggers - $restore.triggers == []' "$RECOVERY_WORK/request.json" >/dev/null || return 0
  read -r at part point < <(jq -r '([.triggers[] | capture("^attempt [0-9]+ of the (?<part>.*)$").part] | first // "all") as $part
    | "\(.result.startedAt) \($part) \(.triggers[] | select(startswith("point ")) | ltrimstr("point "))"' <<<"$restore")
  [[ $(input over) != "$at" ]] || return 0
  sign=$(served_since "$at")
  # What a restore of a part left alone has been there for longer.
  [[ -n $sign || $part == all ]] || sign="only its $part was restored then"
  [[ -z $sign ]] || fail "this site was restored here from $point at $at, and has served since" "$sign: another restore would replace what its users have done there" \
    "to restore over it all the same, name the host: recovery rebuild … --again ADDRESS, or pulumi config set again ADDRESS@$at"
}
