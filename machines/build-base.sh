#!/bin/bash
# Makes the base system of local machines. Called by base.ts under a lock that this process and all its children hold,
# so that a second run waits even for orphans of a first one that was killed.
#   build-base.sh FOLDER CODENAME PACKAGES DESCRIPTION SOURCE...
# FOLDER appears complete or not at all: it is built under another name, marked last and renamed.
set -euo pipefail
umask 022

folder=$1 codename=$2 packages=$3 description=$4
shift 4

# Another run finished it while this one waited.
if [[ -e $folder/complete.sha256 ]] && (cd -- "$folder/root" && sha256sum --check --status ../complete.sha256); then
  exit 0
fi

# Leftovers of runs that were killed. --one-file-system: never through a mount that outlived its maker.
for leftover in "$folder".partial.* "$folder".damaged.*; do
  [[ -e $leftover ]] && rm -rf --one-file-system -- "$leftover"
done

partial=$folder.partial.$$
mkdir -p -- "$partial"
trap 'rm -rf --one-file-system -- "$partial"' EXIT

mmdebstrap --mode=root --variant=minbase --format=directory --include="$packages" \
  --customize-hook='rm -f "$1"/etc/ssh/ssh_host_*' \
  --customize-hook='rm -f "$1"/etc/resolv.conf "$1"/etc/hostname "$1"/var/lib/dbus/machine-id; : > "$1"/etc/machine-id' \
  -- "$codename" "$partial/root" "$@"

printf '%s\n' "$description" >"$partial/base.json"
sync --file-system -- "$partial"
(cd -- "$partial/root" && sha256sum -- var/lib/dpkg/status usr/sbin/sshd usr/lib/systemd/systemd usr/bin/dpkg) \
  >"$partial/complete.sha256"
sync -- "$partial/complete.sha256"

[[ -e $folder ]] && mv -- "$folder" "$folder.damaged.$$"
mv -T -- "$partial" "$folder"
trap - EXIT
rm -rf --one-file-system -- "$folder.damaged.$$"
