# shellcheck shell=bash
# file_hashes < RECORDS: makes of records `HASH  NAME`, each ended by a zero byte, the list that `sha256sum --check` reads:
# sorted, a file a line, names with a line break or a backslash in them escaped as it does.
file_hashes() {
  sed -z -E '/[\\\n\r]/ { s/\\/\\\\/g; s/\n/\\n/g; s/\r/\\r/g; s/^/\\/ }' | tr '\0' '\n' | LC_ALL=C sort
}
