#!/bin/bash
# Makes a base system of local machines. Called by base.ts under a lock that this process and all its children hold,
# so that a second run waits even for orphans of a first one that was killed.
#   build-base.sh FOLDER DESCRIPTION stock CODENAME PACKAGES SOURCE...
#   build-base.sh FOLDER DESCRIPTION baked MACHINE PATH...    of a machine that was shut down, by its folder; PATHs are its own
# FOLDER appears complete or not at all: it is built under another name, marked last and renamed.
set -euo pipefail
shopt -s nullglob dotglob
umask 022

folder=$1 description=$2 kind=$3
shift 3

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

stock() { # stock CODENAME PACKAGES SOURCE...
  mmdebstrap --mode=root --variant=minbase --format=directory --include="$2" \
    --customize-hook='rm -f "$1"/etc/ssh/ssh_host_*' \
    --customize-hook='rm -f "$1"/etc/resolv.conf "$1"/etc/hostname "$1"/var/lib/dbus/machine-id; : > "$1"/etc/machine-id' \
    -- "$1" "$partial/root" "${@:3}" </dev/null
}

baked() { # baked MACHINE PATH...
  local machine=$1 root=$1/root path
  shift
  # What its packages enabled would start with every machine over it, before there is a site; a link it had before stays.
  for path in "$machine"/upper/etc/systemd/system/*.wants; do find "$path" -type l -delete; done
  # As the machine itself saw it; in a namespace of mounts that ends with this process.
  (cd -- "$machine" && mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work,redirect_dir=on root)
  for path in "$@"; do rm -f -- "$root/$path"; done
  rm -rf -- "$root"/{var/lib/recovery,usr/local/lib/recovery,usr/sbin/policy-rc.d,etc/ssh/ssh_host_*} \
    "$root"/{tmp,var/tmp,run}/* "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/systemd/{random-seed,credential.secret}
  rm -f -- "$root/etc/resolv.conf" "$root/var/lib/dbus/machine-id"
  : >"$root/etc/machine-id"
  # Folders of logs belong to packages; what was written into them does not.
  find "$root/var/log" -type f -delete
  rm -rf -- "$root"/var/log/journal/*
  cp -a --one-file-system -- "$root" "$partial/root"
  # With its owner the machine goes, and what was copied meanwhile may lack anything. Standard input ends with the owner, and
  # then there is something to be read.
  if read -r -t 0; then
    echo "E: the machine's owner is gone" >&2
    return 1
  fi
}

"$kind" "$@"

printf '%s\n' "$description" >"$partial/base.json"
sync --file-system -- "$partial"
(cd -- "$partial/root" && sha256sum -- var/lib/dpkg/status usr/sbin/sshd usr/lib/systemd/systemd usr/bin/dpkg) \
  >"$partial/complete.sha256"
sync -- "$partial/complete.sha256"

[[ -e $folder ]] && mv -- "$folder" "$folder.damaged.$$"
mv -T -- "$partial" "$folder"
trap - EXIT
rm -rf --one-file-system -- "$folder.damaged.$$"
