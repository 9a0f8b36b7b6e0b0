# shellcheck shell=bash
# What every step begins with: `. "$RECOVERY_HOST/step.sh"`.
set -euo pipefail
shopt -s nullglob
. "$RECOVERY_HOST/paths.sh"

. "$RECOVERY_HOST/given.sh"

take_by_path <"$RECOVERY_WORK/inputs" # as run-step left them
# input NAME: an input that is one text, number or truth; a missing one is an error.
input() {
  [[ -n ${given[$1]+there} ]] || { echo "no input $1" >&2; return 1; }
  printf '%s' "${given[$1]}"
}

# fact NAME JSON: something that the step found out, for the ledger and the record.
fact() {
  [[ -n $2 ]] || { echo "nothing was found out of $1" >&2; return 1; }
  printf '{%s:%s}\n' "$(text "$1")" "$2" >>"$RECOVERY_WORK/facts.jsonl"
}

# fail WHAT WHY NEXT: ends the step with an error that the operator can act on. What stands in `discard` is removed: it is of no
# use to the next attempt, and what still serves may need the room.
error_file=$RECOVERY_WORK/error.json
discard=()
fail() {
  jq -nc --arg what "$1" --arg why "$2" --arg next "$3" '{$what, $why, $next}' >"$error_file"
  rm -rf -- "${discard[@]}"
  printf '%s\n' "$@" >&2
  exit 1
}

# fail_writing PATH WHAT WHY NEXT: as fail; but when the disk of PATH is full, that is why.
fail_writing() {
  local available files files_free size mount full=
  read -r available files files_free size mount < <(df --block-size=1 --output=avail,itotal,iavail,size,target "$1" | tail -n 1)
  if [[ $available -lt $((1 << 20)) ]]; then full="all of its $((size >> 20)) MiB are used"; fi
  # Some file systems make room for names as they need it, and tell of none.
  if [[ $files =~ ^[1-9] && $files_free == 0 ]]; then full="it holds $files files and can take no more"; fi
  if [[ -n $full ]]; then
    fail "$2" "the disk at $mount is full: $full" "make room there, or take a larger disk; then run the recovery again: it goes on with this step"
  fi
  fail "${@:2}"
}

# start_meanwhile LIST: units that a later step wants, and that take seconds to start. Whether they did, that step asks.
start_meanwhile() {
  local at
  for ((at = 0; at < ${given[$1#]-0}; at++)); do systemctl start --no-block "${given[$1.$at]}" 2>/dev/null || true; done
}

# folder PATH OWNER GROUP MODE: makes a folder. One that is there is somebody's, such as /srv or /var/log, and stays as it is.
folder() { [[ -d $1 ]] || install -d -o "$2" -g "$3" -m "$4" "$1"; }

# set_aside PATH: moves what stands at PATH to the folder of things replaced; nothing of the operator's is deleted. All that
# one attempt at a step sets aside lies in one folder, so that a database stays with its journal.
aside=
set_aside() {
  local path=$1
  [[ -e $path || -L $path ]] || return 0
  if [[ -z $aside ]]; then
    mkdir -p "$replaced"
    aside=$(mktemp -d "$replaced/$(date -u +%Y%m%dT%H%M%SZ).XXXXXX")
  fi
  mkdir -p "$aside${path%/*}"
  mv -- "$path" "$aside$path"
  echo "set aside: $path is now $aside$path"
}
