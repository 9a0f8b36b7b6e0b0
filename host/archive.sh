# shellcheck shell=bash
# unpack_archive ARCHIVE FOLDER [NAME]: unpacks a .tar, or else a .tar.gz, of unknown origin into an empty folder that only root can enter.
# What is not a file, a folder, or a link that stays inside FOLDER/NAME makes it fail; owners and modes in it are ignored.
unpack_archive() {
  local archive=$1 folder=$2 root=$2${3:+/$3} name said failed="" bytes holes available other="choose another restore point: npx recovery points list"
  local decompress=(gzip -dc)
  name=$(basename "$archive")
  if [[ $archive == *.tar ]]; then decompress=(cat); fi
  discard+=("$folder")
  # GNU tar itself refuses names with .. and strips leading slashes. It says so of each of them: a few are enough.
  said=$({ "${decompress[@]}" <"$archive" |
    LC_ALL=C tar --extract --file - --totals --directory "$folder" --no-same-owner --no-same-permissions --delay-directory-restore; } 2>&1 |
    awk 'NF && ++lines <= 3 || /^Total bytes read: /') || failed=yes
  judge_names "the archive $name" "$said"
  [[ -z $failed ]] || fail_writing "$folder" "the archive $name cannot be unpacked" "it is cut, damaged or hostile: $(head -n 1 <<<"$said")" "$other"
  # A few bytes can stand for a file of any size that is nothing but a hole: whoever reads it reads for days.
  bytes=$(sed -nE 's/^Total bytes read: ([0-9]+) .*/\1/p' <<<"$said")
  holes=$(find "$folder" -type f -printf '%i %s\n' | awk -v bytes="$bytes" '!seen[$1]++ { all += $2 } END { printf "%.0f", all - bytes }')
  available=$(df --block-size=1 --output=avail "$folder" | tail -n 1)
  [[ $holes -le $available ]] ||
    fail "the archive $name holds more than this disk" "$((holes >> 20)) MiB of it are holes in files, and $((available >> 20)) MiB are free" "$other"
  judge_unpacked "$name" "$folder" "$root"
}

# judge_names WHAT SAID: fails when tar said that it changed a name, which led out of the folder.
judge_names() {
  local changed
  changed=$(grep -m 1 '^tar: Removing leading' <<<"$2") || return 0
  fail "$1 holds names that lead out of it" "$changed" "choose another restore point: npx recovery points list"
}

# judge_unpacked NAME FOLDER ROOT: fails unless all that was unpacked into FOLDER is files, folders, and links that stay inside ROOT.
judge_unpacked() {
  local name=$1 folder=$2 root=$3 odd link
  [[ -n $(ls -A "$folder") ]] || fail "the archive $name is empty" "nothing was backed up" "choose another restore point"
  odd=$(find "$folder" ! -type f ! -type d ! -type l -printf '%P' -quit)
  [[ -z $odd ]] || fail "the archive $name holds devices" "the first is $odd" "choose another restore point"
  while IFS= read -r -d '' link; do
    [[ $(realpath -m "$link") == "$(realpath -m "$root")"/* ]] ||
      fail "the archive $name holds a link that leads out of it" "$(basename "$link") -> $(readlink "$link")" "choose another restore point"
  done < <(find "$folder" -type l -print0)
}
