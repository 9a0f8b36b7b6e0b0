# shellcheck shell=bash
# Hashes by openssl: it uses the processor's own instructions for them, which Debian 12's sha256sum does not, and takes a seventh of the time.

# sha256 < BYTES: their hash.
sha256() { openssl dgst -sha256 -r | cut -c1-64; }

# hash_files NAMES: the list, as of hash_list, of the files that the file NAMES names, each name ended by a zero byte. One that
# cannot be read is not in the list, and makes it fail.
hash_files() {
  local hashed=$1.hashed share failed=
  rm -rf "$hashed"
  mkdir "$hashed"
  # Some shares for each processor: files differ in size.
  share=$(($(tr -dc '\0' <"$1" | wc -c) / (4 * $(nproc)) + 1))
  # openssl does not tell a line break in a name from a backslash and an n.
  # shellcheck disable=SC2016 # the inner shell's own
  sed -z '/[\\\n\r]/d' "$1" | xargs -0r -n "$share" -P "$(nproc)" bash -c 'openssl dgst -sha256 -r -- "$@" >>"$0/$$"' "$hashed" || failed=yes
  sed -zn '/[\\\n\r]/p' "$1" | xargs -0r sha256sum --zero -- >"$hashed/odd" || failed=yes
  { find "$hashed" -type f ! -name odd -exec sed 's/ \*/  /' {} + | tr '\n' '\0' && cat "$hashed/odd"; } | hash_list
  [[ -z $failed ]]
}

# hash_folder FOLDER LIST: the list of all files in a folder, named from there.
hash_folder() {
  find "$1" -type f -printf '%P\0' >"$2.names"
  (cd "$1" && hash_files "$2.names") >"$2"
}

# hash_list < RECORDS: makes of records `HASH  NAME`, each ended by a zero byte, the list that `sha256sum --check` reads:
# sorted, a file a line, names with a line break or a backslash in them escaped as it does.
hash_list() {
  sed -z -E '/[\\\n\r]/ { s/\\/\\\\/g; s/\n/\\n/g; s/\r/\\r/g; s/^/\\/ }' | tr '\0' '\n' | LC_ALL=C sort
}

# names_in LIST: the names in such a list, each ended by a zero byte.
names_in() {
  # A line break stands for each backslash until those of \r and \n are gone.
  tr '\n' '\0' <"$1" | sed -z -E 's/^[0-9a-f]{64}  //; t; s/^\\[0-9a-f]{64}  //; s/\\\\/\n/g; s/\\r/\r/g; s/\\n/\\/g; y/\n\\/\\\n/'
}
