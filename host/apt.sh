# shellcheck shell=bash
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a

# apt COMMAND…: apt-get as it must be called on a server that nobody watches.
apt() {
  apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@" ||
    fail "apt-get $1 failed" "see the last lines of its output" \
      "if the mirror was out of reach, run the recovery again: it goes on with this step"
}
