# shellcheck shell=bash
# apt-get as it must be called on a server that nobody watches, and that may have only just been switched on.
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a

apt() {
  apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}

# A fresh cloud image is still being set up, and holds dpkg's lock meanwhile. An installation that was cut off is ended first.
set_up() {
  if command -v cloud-init >/dev/null; then cloud-init status --wait >/dev/null || true; fi
  dpkg --configure -a
}

# Unlike dpkg's, the lock of the package lists cannot be waited for by an option, and apt-daily takes it at boot.
update_lists() {
  local stamp=/run/recovery-lists-updated deadline=$((SECONDS + 300)) output
  if [[ -n $(find "$stamp" -mmin -10 2>/dev/null) ]]; then return 0; fi
  until output=$(apt update 2>&1); do
    printf '%s\n' "$output"
    [[ $output == *"Could not get lock"* && $SECONDS -lt $deadline ]] || return 1
    sleep 1
  done
  printf '%s\n' "$output"
  touch "$stamp"
}
