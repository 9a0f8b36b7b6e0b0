# shellcheck shell=bash disable=SC2154
# SQLite: a database is a file in the site's folders. See host/databases.sh.

# Staged files are somebody's: -safe turns off what writes files and loads code.
sqlite_staged() { sqlite3 -safe -readonly -bail "$staging/databases/$(of_database name).db" "$@" 2>&1; }
sqlite_live() { sqlite_as_owner "$(of_database path)" -readonly -bail -cmd '.timeout 5000' "$(of_database path)" "$@" 2>&1; }

# sqlite_as_owner FILE ARGUMENT…: one who only reads makes a -wal and a -shm too, and they are root's for a moment when root
# reads: the site that opens its database in that moment may not open them, and fails.
sqlite_as_owner() {
  local owner
  owner=$(stat -c %U "$1") || return 1
  shift
  setpriv --reuid="$owner" --regid="$(id -g "$owner")" --init-groups sqlite3 "$@"
}
sqlite_quoted() { printf '"%s"' "${1//\"/\"\"}"; }

# sqlite_rows ASK: the rows of each table, by one of the two above.
sqlite_rows() {
  local counts one all=
  counts=$("$1" "SELECT 'SELECT json_object(' || quote(name) || ', count(*)) FROM \"' || replace(name, '\"', '\"\"') || '\";'
    FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%';")
  [[ -n $counts ]] || { echo '{}'; return; }
  counts=$("$1" <<<"$counts") # not as an argument: there may be thousands of tables
  while IFS= read -r one; do
    [[ $one == "{"*"}" ]] || { echo "$one" >&2; return 1; }
    all+=,${one:1:-1}
  done <<<"$counts"
  printf '{%s}' "${all:1}"
}

# sqlite_violated ASK: rows by the reference that they break.
sqlite_violated() {
  local lines
  lines=$("$1" 'PRAGMA foreign_key_check;') || { head -n 1 <<<"$lines"; return 1; }
  [[ -n $lines ]] || { echo '{}'; return; }
  jq -Rnc '[inputs | split("|") | "\(.[0]) without its \(.[2])"] | group_by(.) | map({(.[0]): length}) | add // {}' < <(printf '%s' "$lines")
}

# Or it waits beside the application's folder, when the step `restore` was cut off.
sqlite_standing() { [[ -s $(of_database path) || -s $(input path).recovery-kept$(of_database path) ]]; }

sqlite_stage() {
  local name member file integrity violations rows
  name=$(of_database name) member=$(of_database member)
  file=$staging/databases/$name.db
  case $member in
  *.gz)
    discard+=("$file")
    gzip -dc "$staging/content/$member" >"$file"
    ;;
  *) [[ ! -e $staging/content/$member && -e $file ]] || mv "$staging/content/$member" "$file" ;; # moved by an attempt that was cut off
  esac || fail_writing "$staging" "the database $name cannot be unpacked" "$member is damaged" "choose another restore point"
  integrity=$(sqlite_staged 'PRAGMA integrity_check;') || true
  [[ $integrity == ok ]] || fail "the database $name is corrupt" "integrity_check said: $(head -n 1 <<<"$integrity")" "choose an older restore point: npx recovery points list"
  # PHP leaves foreign keys off, so an old site may have rows without their parent in all of its backups. That is the site's
  # own state and no damage: it is recorded, and must not become worse.
  violations=$(sqlite_violated sqlite_staged) || fail "the database $name cannot be checked" "foreign_key_check said: $violations" "choose an older restore point"
  rows=$(sqlite_rows sqlite_staged)
  staged_rows "$rows"
  printf '%s\n' "$violations" >"$restored/$name.violations"
  fact "$name" "$(jq -c --argjson violations "$violations" '{rows: ., $violations}' <<<"$rows")"
}

sqlite_place() {
  local name path stale
  name=$(of_database name) path=$(of_database path)
  if [[ -e $staging/databases/$name.db ]]; then chown "$(input owner):$(input group)" "$staging/databases/$name.db"; fi
  if [[ -e $staging/databases/$name.db || -e $path.recovery-new ]]; then
    # A stale -wal or -shm beside a restored database would be read into it.
    for stale in "$path-wal" "$path-shm" "$path-journal"; do set_aside "$stale"; done
  fi
  place "$staging/databases/$name.db" "$path"
  same_rows "$(sqlite_rows sqlite_live)"
}

sqlite_admit() { :; } # its file is opened by whoever owns it

sqlite_reach() {
  as_owner php -r '$database = new PDO("sqlite:" . $argv[1]); echo $database->query("SELECT count(*) FROM sqlite_schema")->fetchColumn();' "$(of_database path)"
}

sqlite_integrity() { sqlite_live 'PRAGMA integrity_check;' | head -n 3 | tr '\n' ' ' | sed 's/ $//'; }
sqlite_violations() { sqlite_violated sqlite_live; }
sqlite_count() { sqlite_live "SELECT count(*) FROM $(sqlite_quoted "$1");"; }
