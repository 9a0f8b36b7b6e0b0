# shellcheck shell=bash
# nginx reloads behind the back of who asked: its old workers go on accepting connections until the new ones are there, and
# for good when the new configuration cannot be taken.

# accepting_workers: process numbers, a line each; one that is shutting down says so in its title and accepts nobody any more.
accepting_workers() {
  local main pid title
  main=$(systemctl show --property=MainPID --value nginx)
  for pid in $(<"/proc/$main/task/$main/children"); do
    if IFS= read -r -d '' title <"/proc/$pid/cmdline" && [[ $title == 'nginx: worker process' ]]; then printf '%s\n' "$pid"; fi
  done 2>/dev/null
}

# reload_nginx: returns when nobody is served by the old configuration any more.
reload_nginx() {
  local old left deadline=$((SECONDS + 20))
  old=$(accepting_workers)
  systemctl reload nginx
  while ((SECONDS < deadline)); do
    left=$(comm -12 <(sort <<<"$old") <(accepting_workers | sort))
    [[ -n $left ]] || return 0
    sleep 0.05
  done
  fail "nginx does not take its new configuration" "$(grep -h -F '[emerg]' /var/log/nginx/error.log | grep -vF 'still could not bind' | tail -n 1)" \
    "mend what it names on the host, then run the recovery again: it goes on with this step"
}
