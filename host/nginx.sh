# shellcheck shell=bash
# nginx reloads behind the back of who asked: its old workers go on accepting connections until the new ones are there, and
# for good when the new configuration cannot be taken.

# accepting_workers: process numbers, a line each; one that is shutting down says so in its title and accepts nobody any more.
accepting_workers() {
  local main pid
  main=$(systemctl show --property=MainPID --value nginx)
  for pid in $(cat "/proc/$main/task/$main/children"); do
    if [[ $(tr -d '\0' 2>/dev/null <"/proc/$pid/cmdline") == 'nginx: worker process' ]]; then printf '%s\n' "$pid"; fi
  done
}

# reload_nginx: returns when nobody is served by the old configuration any more.
reload_nginx() {
  local old left i
  old=$(accepting_workers)
  systemctl reload nginx
  for ((i = 0; i < 400; i++)); do
    left=$(comm -12 <(sort <<<"$old") <(accepting_workers | sort))
    [[ -n $left ]] || return 0
    sleep 0.05
  done
  fail "nginx does not take its new configuration" "$(grep -h -E '\[(emerg|alert)\]' /var/log/nginx/error.log | tail -n 1)" \
    "mend what it names on the host, then run the recovery again: it goes on with this step"
}
