# shellcheck shell=bash
# unpack_archive ARCHIVE FOLDER [NAME]: unpacks a .tar, or else a .tar.gz, of unknown origin into an empty folder that only root can enter.
# What is not a file, a folder, or a link that stays inside FOLDER/NAME makes it fail; owners and modes in it are ignored.
unpack_archive() {
  local archive=$1 folder=$2 root=$2${3:+/$3} compression=--gzip
  if [[ $archive == *.tar ]]; then compression=--no-auto-compress; fi
  # GNU tar itself refuses names with .. and strips leading slashes.
  tar --extract "$compression" --file "$archive" --directory "$folder" --no-same-owner --no-same-permissions --delay-directory-restore ||
    fail "the archive $(basename "$archive") cannot be unpacked" "it is cut or damaged, tar refused a member, or the disk is full" \
      "look at the free disk of the host; if there is enough, choose another restore point: npx recovery points list"
  judge_unpacked "$(basename "$archive")" "$folder" "$root"
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
