#!/bin/bash
# The keeper of one local machine: the only process that makes or removes anything of it outside its folder.
#
#   keeper.sh keep ID      obeys lines on stdin, each answered by a line `ok …` or `error …`; when stdin ends without
#                          `release`, its owner is gone (kill -9 too): it removes the machine
#   keeper.sh destroy ID   removes the machine; may be repeated, and run beside another one
#
# Since commands are carried out here one after the other, none can still be running when the end of stdin is seen:
# nothing is made behind the back of the removal. All names follow from ID, so that removal needs no memory.
set -uo pipefail
umask 022

mode=$1 id=$2
[[ $id =~ ^[0-9a-f]{8}$ ]] || { echo "error not the id of a machine: $id"; exit 2; }

runtime=/run/recovery-stack
record=$runtime/machines/$id.json
claims=$runtime/subnets
folder=/var/lib/recovery-stack/machines/$id
interface=rm-$id
chain=recovery-$id
machine=recovery-$id
kill_within_seconds=20
launcher=

has_ipv6() { [[ -e /proc/net/if_inet6 ]]; }

# The cgroups made for the machine, in whichever hierarchy systems of today have: unified, hybrid, or the old one.
cgroups_of_machine() {
  find /sys/fs/cgroup -maxdepth 9 -type d -name "$machine" 2>/dev/null
}

make_cgroups() {
  local line hierarchy path mounted
  while IFS= read -r line; do
    IFS=: read -r _ hierarchy path <<<"$line"
    case $hierarchy in
      "") mounted=$(findmnt -n -o TARGET -t cgroup2 | head -n 1) ;;
      name=systemd) mounted=/sys/fs/cgroup/systemd ;;
      *) continue ;;
    esac
    [[ -n $mounted && -d $mounted ]] || continue
    mkdir -p -- "${mounted%/}${path%/}/$machine" || return 1
  done </proc/self/cgroup
}

# Runs in namespaces of its own (mounts, network), which vanish with the last process of the machine.
launch() {
  local cgroup go
  while IFS= read -r cgroup; do
    echo $$ >"$cgroup/cgroup.procs" || return 1
  done < <(cgroups_of_machine)
  echo unshared
  local guest
  read -r guest || return 0
  # This computer's end has no IPv6, and a connection to nobody would hang; loopback keeps it, for `listen [::]:80`.
  if has_ipv6; then echo 1 >/proc/sys/net/ipv6/conf/host0/disable_ipv6 || return 1; fi
  ip link set lo up &&
    ip addr add "$guest/30" dev host0 &&
    ip link set host0 up || return 1
  # No route beyond: what calls out fails at once, without waiting for notices, of which the kernel sends few a second.
  echo configured
  # Without that word the keeper is gone, and this process goes too.
  read -r go && [[ $go == go ]] || return 0
  exec </dev/null >>"$folder/console.log" 2>&1
  cd -- "$folder" || return 1
  # redirect_dir: renaming a folder of the base works, as it does on a disk.
  mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work,redirect_dir=on root || return 1
  # nspawn keeps things there that it removes when the machine reboots, and refuses to on a disk, as which a container's /run may count.
  mkdir -p /run/systemd/nspawn && mount -t tmpfs -o mode=755 nspawn /run/systemd/nspawn || return 1
  # The network is this process's own. --private-network would need udev to bring an interface in, and would hand out
  # CAP_NET_ADMIN and a writable /proc/sys/net, which are therefore asked for here.
  export SYSTEMD_NSPAWN_LOCK=0 SYSTEMD_NSPAWN_TMPFS_TMP=0 SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
  export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
  # Its exit code for a machine that reboots: a service would start it anew.
  local status=133
  while ((status == 133)); do
    status=0
    systemd-nspawn --quiet --register=no --keep-unit --settings=no --boot --directory="$folder/root" \
      --machine="$machine" --network-namespace-path=/proc/self/ns/net --capability=CAP_NET_ADMIN \
      --resolv-conf=off --timezone=off --link-journal=no --console=read-only || status=$?
  done
  return "$status"
}

# First: the symbolic link is made with its content at once, or not at all.
claim_subnet() {
  mkdir -p -- "$claims" && ln -sT -- "$id" "$claims/$1" 2>/dev/null
}

make_network() {
  local host=$1 guest=$2 answer
  local address=02:${id:0:2}:${id:2:2}:${id:4:2}:${id:6:2}:01
  mkdir -p -- "$folder" && make_cgroups || return 1
  coproc LAUNCHER { exec unshare --mount --net --propagation private bash "$0" launch "$id"; }
  launcher=$LAUNCHER_PID
  read -r -t 20 answer <&"${LAUNCHER[0]:-}" && [[ $answer == unshared ]] || return 1
  ip link add "$interface" type veth peer name host0 address "$address" netns "$launcher" || return 1
  if has_ipv6; then echo 1 >"/proc/sys/net/ipv6/conf/$interface/disable_ipv6" || return 1; fi
  echo 1 >"/proc/sys/net/ipv4/conf/$interface/rp_filter"
  # Known, so that the first packet to the machine does not wait a second for an answer to ARP.
  ip addr add "$host/30" dev "$interface" && ip link set "$interface" up &&
    ip neigh replace "$guest" lladdr "$address" dev "$interface" nud permanent || return 1
  echo "$guest" >&"${LAUNCHER[1]:-}" || return 1
  read -r -t 20 answer <&"${LAUNCHER[0]:-}" && [[ $answer == configured ]]
}

raise_wall() {
  iptables-restore --wait 60 --noflush <"$folder/wall.ipv4" || return 1
  if has_ipv6; then ip6tables-restore --wait 60 --noflush <"$folder/wall.ipv6" || return 1; fi
}

boot() {
  raise_wall || return 1
  echo go >&"${LAUNCHER[1]:-}"
}

close_egress() {
  iptables --wait 60 --flush "$chain-egress"
}

remove_rules() {
  local command=$1 rules line
  rules=$("$command-save" -t filter 2>/dev/null) || return 0
  [[ $rules == *":$chain-"* ]] || return 0
  {
    echo "*filter"
    while IFS= read -r line; do
      [[ $line == "-A "*" -j $chain-"* ]] && echo "-D ${line#-A }"
    done <<<"$rules"
    grep -o "^:$chain-[a-z]*" <<<"$rules" | sed 's/^:/-F /'
    grep -o "^:$chain-[a-z]*" <<<"$rules" | sed 's/^:/-X /'
    echo COMMIT
  } | "$command-restore" --wait 60 --noflush
}

processes_of_machine() {
  local cgroup
  while IFS= read -r cgroup; do
    find "$cgroup" -name cgroup.procs -exec cat {} + 2>/dev/null
  done < <(cgroups_of_machine) | sort -u
}

# Killing nspawn is not enough: the machine's own pid 1 outlives it.
kill_processes() {
  local deadline=$((SECONDS + kill_within_seconds)) cgroup processes
  # What was just started may not have entered the cgroup yet; the shell knows its own children, reused ids and all.
  # shellcheck disable=SC2046 # a list of numbers
  kill -KILL $(jobs -rp) 2>/dev/null
  while true; do
    processes=$(processes_of_machine)
    [[ -n $processes ]] || return 0
    ((SECONDS < deadline)) || return 1
    while IFS= read -r cgroup; do
      [[ -w $cgroup/cgroup.kill ]] && echo 1 >"$cgroup/cgroup.kill"
    done < <(cgroups_of_machine)
    # shellcheck disable=SC2086 # a list of numbers
    kill -KILL $processes 2>/dev/null
    sleep 0.02
  done
}

remove_machine() {
  local failed=0 mounted cgroup claim
  kill_processes || failed=1
  if [[ -e /sys/class/net/$interface ]]; then
    ip link delete "$interface" 2>/dev/null
    [[ -e /sys/class/net/$interface ]] && failed=1
  fi
  remove_rules iptables || remove_rules iptables || failed=1
  if has_ipv6; then remove_rules ip6tables || remove_rules ip6tables || failed=1; fi
  while IFS= read -r mounted; do
    umount --lazy -- "$mounted" || failed=1
  done < <(findmnt -rn -o TARGET | grep -F -- "$folder/" | tac)
  if ((failed == 0)); then
    rm -rf --one-file-system -- "$folder" || failed=1
  fi
  while IFS= read -r cgroup; do
    find "$cgroup" -depth -type d -exec rmdir -- {} + 2>/dev/null
    [[ -e $cgroup ]] && failed=1
  done < <(cgroups_of_machine)
  for claim in "$claims"/*; do
    [[ $(readlink -- "$claim") == "$id" ]] && rm -f -- "$claim"
  done
  # Last: as long as the record is there, the next command tries again.
  ((failed == 0)) && rm -f -- "$record" "$record".*
  return "$failed"
}

keep() {
  local command first second
  # A signal to the operator's terminal or session must not end what cleans up after it.
  trap '' HUP INT QUIT TERM PIPE
  # Also if this script fails where nobody thought it could.
  trap remove_machine EXIT
  echo "ok $$"
  while read -r command first second; do
    case $command in
      claim) claim_subnet "$first" && echo ok || echo error taken ;;
      network) make_network "$first" "$second" && echo "ok $launcher" || echo error network ;;
      boot) boot && echo "ok $launcher" || echo error boot ;;
      close-egress) close_egress && echo ok || echo error close-egress ;;
      release)
        trap - EXIT
        echo ok
        exit 0
        ;;
      destroy)
        trap - EXIT
        if remove_machine; then
          echo ok
          exit 0
        fi
        echo error destroy
        exit 1
        ;;
      *) echo "error unknown command $command" ;;
    esac
  done
}

case $mode in
  keep) keep ;;
  launch) launch ;;
  destroy) remove_machine ;;
  *) exit 2 ;;
esac
