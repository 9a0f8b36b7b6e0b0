#!/usr/bin/env bash
# Runs the program named in RECOVERY_KEPT so that nothing of it outlives the operator's process, and so that the
# terminal's Ctrl-C does not reach it: that one is the operator's process to handle.
#
# - A session of its own: a SIGINT from the terminal ends node alone.
# - stdin is a pipe from the operator's process. End of file means that process is gone, however it went (kill -9 too).
# - The engine puts every plugin in a process group of its own, so a group cannot be killed as one. All of them
#   inherit the environment, and by a variable set here they are found in /proc.
set -uo pipefail

if [[ "${RECOVERY_KEEPER:-}" != session ]] && command -v setsid >/dev/null; then
  # Not the leader of a group, so setsid keeps the process id, to which signals will be sent.
  RECOVERY_KEEPER=session exec setsid "$BASH" "$0" "$@"
fi

# Only the program and what it starts carry this value; this shell, and the grep below, do not.
mark="$$-$RANDOM$RANDOM"

kept() { grep -slzxF "RECOVERY_KEEPER=$mark" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3; }

end_all() {
  local -a processes
  if [[ ! -d /proc/self ]]; then
    kill -KILL -- "-$program" 2>/dev/null
    return
  fi
  # What is being started while others are killed is found in the next round.
  for _ in {1..100}; do
    mapfile -t processes < <(kept)
    ((${#processes[@]})) || return
    kill -KILL "${processes[@]}" 2>/dev/null
    sleep 0.02
  done
}

# Job control for one line: the program gets its own process group, and a SIGINT that is not ignored.
set -m
RECOVERY_KEEPER="$mark" "$RECOVERY_KEPT" "$@" </dev/null &
program=$!
set +m

trap 'kill -INT "$program" 2>/dev/null' INT
trap 'end_all' TERM HUP

# Closed output, lest the operator's process wait for this one.
(
  trap - INT TERM HUP
  while read -r -u 3; do :; done
  end_all
) 3<&0 </dev/null >/dev/null 2>&1 &
watcher=$!

# A trapped signal ends `wait` early; the program is not done before it can be signalled no more.
while :; do
  wait "$program"
  status=$?
  kill -0 "$program" 2>/dev/null || break
done
{
  kill -KILL "$watcher"
  wait "$watcher"
} 2>/dev/null
# Plugins of an engine that crashed.
end_all
exit "$status"
