# shellcheck shell=bash
# apt-get as it must be called on a server that nobody watches, and that may have only just been switched on.
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a

apt() {
  # Nobody reads descriptions of packages here: without their translations every call takes a quarter less.
  apt-get -q -y --no-install-recommends -o Acquire::Languages=none -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}

# patiently COMMAND…: again while another holds the lock: neither dpkg itself nor the lists of packages have an option to
# wait for theirs, and a server that was only just switched on is still being set up by others.
patiently() {
  local deadline=$((SECONDS + 300)) output
  until output=$("$@" 2>&1); do
    printf '%s\n' "$output"
    [[ $output =~ (ould\ not\ get\ lock|locked\ by\ another|unable\ to\ (access|lock)) && $SECONDS -lt $deadline ]] || return 1
    sleep 1
  done
  printf '%s\n' "$output"
}

# Ends what others have begun: a cloud image's own set-up, an installation that was cut off.
set_up() {
  if command -v cloud-init >/dev/null; then cloud-init status --wait >/dev/null || true; fi
  patiently dpkg --configure -a
}

update_lists() {
  local stamp=/run/recovery-lists-updated
  if [[ -n $(find "$stamp" -mmin -10 2>/dev/null) ]]; then return 0; fi
  patiently apt update || return 1
  touch "$stamp"
}
