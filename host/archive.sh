# shellcheck shell=bash
# unpack_archive ARCHIVE FOLDER: unpacks a .tar.gz of unknown origin into an empty folder. Only files, folders and links
# that stay inside come out of it; owners and modes in it are ignored.
unpack_archive() {
  local archive=$1 folder=$2 kinds link
  # The first letter of each listed line is the member's kind; GNU tar escapes newlines in names, so a name cannot forge one.
  kinds=$(tar --list --verbose --gzip --file "$archive" | cut -c1 | sort -u | tr -d '\n') ||
    fail "the archive $(basename "$archive") cannot be read to its end" "it is cut or damaged" "choose another restore point: npx recovery points list"
  [[ -n $kinds && $kinds =~ ^[-dhl]+$ ]] || fail "the archive $(basename "$archive") is empty or holds devices" "kinds of members: '$kinds'" "choose another restore point"
  # GNU tar itself refuses names with .. and strips leading slashes.
  tar --extract --gzip --file "$archive" --directory "$folder" --no-same-owner --no-same-permissions --delay-directory-restore ||
    fail "the archive $(basename "$archive") cannot be unpacked" "tar refused a member or the disk is full" "look at the free disk on the host, then choose another restore point"
  while IFS= read -r -d '' link; do
    [[ $(realpath -m "$link") == "$(realpath "$folder")"/* ]] ||
      fail "the archive $(basename "$archive") holds a link that leads out of it" "$(basename "$link") -> $(readlink "$link")" "choose another restore point"
  done < <(find "$folder" -type l -print0)
}
