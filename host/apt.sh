# shellcheck shell=bash disable=SC2154 # the places are named in paths.sh
# apt-get as it must be called on a server that nobody watches, and that may have only just been switched on.
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a

apt() {
  # Nobody reads descriptions of packages here: without their translations every call takes a quarter less.
  apt-get -q -y --no-install-recommends -o Acquire::Languages=none -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}

# apt_writing ARGUMENT…: apt for what changes the system. dpkg waits for the disk after each file, unless told not to; one wait at
# the end is worth the same. If the power fails before that, set_up mends it.
apt_writing() {
  # A call that failed before this one left the mark: its files are not surely on the disk either.
  if [[ ! -f $unflushed ]]; then
    mkdir -p "$state" || return 1
    cat /proc/sys/kernel/random/boot_id >"$unflushed" || return 1
    sync "$unflushed" "$state" || return 1
  fi
  apt -o Dpkg::Options::=--force-unsafe-io "$@" || return 1
  sync && rm "$unflushed" || return 1
  rmdir --ignore-fail-on-non-empty "$state" # of a server that is only checked, nothing stays
}

# installed PACKAGE…: whether they are all there, each for its own sake: what came with another would go with it. apt-get itself
# takes a second to find that out.
installed() {
  local package automatic
  automatic=$(awk '/^Package:/ { name = $2 } /^Auto-Installed: 1/ { print name }' /var/lib/apt/extended_states 2>/dev/null)
  for package; do ! grep -qxF "$package" <<<"$automatic" || return 1; done
  [[ $(dpkg-query --showformat '${db:Status-Abbrev}\n' --show "$@" 2>/dev/null | grep -c '^.i $') == "$#" ]]
}

# patiently COMMAND…: again while another holds the lock, for five minutes: neither dpkg itself nor the lists of packages have an
# option to wait for theirs, and a server that was only just switched on is still being set up by others. Again, too, while the
# mirror cannot be reached, for two minutes: what it answers is taken as its answer. Its words go to the standard error.
patiently() {
  local deadline=$((SECONDS + 300)) tries=0 output
  until output=$("$@" 2>&1 | tee >(cat >&2)); do
    if [[ $output =~ (ould\ not\ get\ lock|locked\ by\ another|unable\ to\ (access|lock)) && $SECONDS -lt $deadline ]]; then
      sleep 1
    elif [[ $output =~ (Could\ not\ connect|Unable\ to\ connect|Temporary\ failure\ resolving|Could\ not\ resolve|onnection\ (timed\ out|refused|failed)|\ 50[234]\ ) && $((++tries)) -le 12 ]]; then
      sleep 10
    else
      return 1
    fi
  done
}

# Ends what others have begun: a cloud image's own set-up, an installation that was cut off.
set_up() {
  if command -v cloud-init >/dev/null; then cloud-init status --wait >/dev/null || true; fi
  if [[ -f $unflushed && $(<"$unflushed") != "$(</proc/sys/kernel/random/boot_id)" ]]; then reinstall_damaged || return 1; fi
  patiently dpkg --configure -a
}

# The server went down while packages were written, and files of theirs may not have come to the disk. What an image was made
# without, documentation or a configuration file, is no damage; nor is what somebody changed before.
reinstall_damaged() {
  local file damaged=() packages
  while IFS= read -r file; do
    if [[ ! -e $file || -n $(find "$file" -newercm "$unflushed") ]]; then damaged+=("$file"); fi
  done < <(dpkg --verify | sed -nE 's|^missing +/|/|p; s|^[^ ]{2}5[^ ]* +(c )?/|/|p' | grep -vE '^/usr/share/(doc|man|locale|info)/')
  if [[ ${#damaged[@]} -gt 0 ]]; then
    echo "damaged when the server went down: ${damaged[*]}"
    mapfile -t packages < <(dpkg-query --search "${damaged[@]}" | sed -nE '/^diversion by/d; s|: /.*||; s|, |\n|g; p' | sort -u)
    patiently apt update || return 1
    patiently apt install --reinstall --download-only "${packages[@]}" || return 1
    rm -f "${damaged[@]}" # an emptied configuration file would be taken for one that somebody changed
    apt -o Dpkg::Options::=--force-confmiss install --reinstall --no-download "${packages[@]}" || return 1
  fi
  sync && rm "$unflushed"
}

# Debian publishes four times a day.
lists_stamp=${RECOVERY_APT_LISTS-/var/lib/apt/lists}/recovery-updated
update_lists() {
  # One of a time that is yet to come was made while the clock was wrong.
  if [[ -n $(find "$lists_stamp" -mmin -360 ! -newermt now 2>/dev/null) ]]; then return 0; fi
  # Without this mode apt counts it as done when no list could be fetched, and knows of no package afterwards.
  patiently apt update -o APT::Update::Error-Mode=any || return 1
  touch "$lists_stamp"
}
