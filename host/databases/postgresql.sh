# shellcheck shell=bash disable=SC2154
# PostgreSQL: a database in the server of this host, or of another one (server: own). See host/databases.sh.
#
# A dump is hostile input. It is loaded into a database beside the live one, as the site's own role. What can run code of a
# restored database (its constraints, casts, views) is asked in the same way: no superuser's session ever does, not even after
# SET ROLE, which such code could undo.

postgresql_port() { sed -nE 's/^port = ([0-9]+).*/\1/p' "/etc/postgresql/$(of_database cluster)/postgresql.conf"; }
postgresql_program() {
  local cluster
  cluster=$(of_database cluster)
  printf '/usr/lib/postgresql/%s/bin/%s' "${cluster%/*}" "$1"
}
postgresql_random() { od -An -N 20 -tx1 /dev/urandom | tr -d ' \n'; }

# as_superuser PROGRAM ARGUMENT…: a program of PostgreSQL, over the server's socket.
as_superuser() {
  (cd / && runuser -u postgres -- env PGHOST=/var/run/postgresql PGPORT="$(postgresql_port)" \
    PGOPTIONS='-c search_path=pg_catalog -c client_min_messages=warning' "$(postgresql_program "$1")" "${@:2}")
}
# administer DATABASE OPTION… < SQL
administer() { as_superuser psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 "${@:2}" --dbname "$1"; }
# What holds a password must not be in the server's log, whatever becomes of it.
postgresql_unlogged='SET log_statement = none; SET log_min_error_statement = panic; SET log_min_duration_statement = -1;'

# as_site DATABASE PROGRAM ARGUMENT…: a program of PostgreSQL as an account that owns nothing here, by a login that exists for it
# alone and acts as the site's role.
as_site() {
  local target=$1 login folder password status=0
  login=recovery_$(postgresql_random) password=$(postgresql_random)
  folder=$(mktemp -d /run/recovery-login.XXXXXX)
  printf '127.0.0.1:*:*:%s:%s\n' "$login" "$password" >"$folder/pgpass"
  chown -R nobody: "$folder"
  administer postgres --set role="$(of_database role)" <<SQL || { rm -rf "$folder"; return 1; }
$postgresql_unlogged
CREATE ROLE $login LOGIN PASSWORD '$password' IN ROLE :"role";
ALTER ROLE $login SET role = :'role';
SQL
  (cd / && runuser -u nobody -- env PGHOST=127.0.0.1 PGPORT="$(postgresql_port)" PGUSER="$login" PGPASSFILE="$folder/pgpass" \
    PGDATABASE="$target" PGOPTIONS='-c synchronous_commit=off' "$(postgresql_program "$2")" "${@:3}") || status=$?
  rm -rf "$folder"
  administer "$target" --set role="$(of_database role)" <<<"REASSIGN OWNED BY $login TO :\"role\"; DROP OWNED BY $login; DROP ROLE $login;"
  return "$status"
}
# site_query DATABASE < SQL
site_query() { as_site "$1" psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 --file -; }

postgresql_start() {
  local cluster unit
  cluster=$(of_database cluster)
  unit=postgresql@${cluster/\//-}.service
  [[ -d /etc/postgresql/$cluster ]] || pg_createcluster "${cluster%/*}" "${cluster#*/}"
  # Its package enabled it; to do it again takes a second.
  systemctl is-enabled --quiet postgresql.service || systemctl enable --quiet postgresql.service
  # The packages' own start was refused by policy-rc.d.
  systemctl start postgresql.service "$unit" ||
    fail "PostgreSQL does not start" "$(journalctl -q -n 1 -o cat -u "$unit")" "on the host: journalctl -u $unit; then run the recovery again"
}

# postgresql_connection FILE: how the site reaches the database, from its environment file: user, password, host, port and name,
# as ${connection[…]}.
declare -A connection
postgresql_connection() {
  local url user password host port name
  take_environment "$1"
  of_site() { # the site need not have a variable for each
    local name
    name=$(of_database "connection.$1")
    [[ -z $name ]] || printf '%s' "${variable[$name]-}"
  }
  url=$(of_site url)
  if [[ -n $url ]]; then
    [[ $url =~ ^(postgres|postgresql|pgsql)://([^:/@]+)(:([^/?#]*))?@([^@:/?]+|\[[0-9a-f:]+\])(:([0-9]+))?/([^?]+)(\?.*)?$ ]] || return 1
    user=$(percent_decoded "${BASH_REMATCH[2]}") password=$(percent_decoded "${BASH_REMATCH[4]}") host=$(percent_decoded "${BASH_REMATCH[5]}")
    port=${BASH_REMATCH[7]} name=$(percent_decoded "${BASH_REMATCH[8]}")
  else
    user=$(of_site user) password=$(of_site password) host=$(of_site host) port=$(of_site port) name=$(of_site database)
  fi
  connection=([user]=${user:-$(of_database role)} [password]=$password [host]=${host:-localhost} [port]=${port:-5432}
    [name]=${name:-$(of_database database)})
}

postgresql_standing() {
  [[ -d /etc/postgresql/$(of_database cluster) ]] || return 1
  [[ -n $(administer postgres --set database="$(of_database database)" <<<"SELECT oid FROM pg_database WHERE datname = :'database';") ]]
}

# postgresql_lead FILE ADDRESS: the environment FILE names another host, and says nothing else otherwise: every other byte of it, and
# all else that it says of the database, stays. When that cannot be done it prints why and fails, and the file is as it was.
postgresql_lead() {
  local file address=$2 url name before new unclear="what it says of the database is not understood"
  file=$(readlink -f "$1")
  new=$file.recovery-new
  url=$(of_database connection.url)
  name=${url:-$(of_database connection.host)}
  postgresql_connection "$file" || { echo "$unclear"; return 1; }
  [[ ${connection[host]} != "$address" ]] || return 0
  rest() { printf '%q ' "${connection[user]}" "${connection[password]}" "${connection[port]}" "${connection[name]}"; }
  before=$(rest)
  # As environment.jq finds an assignment. Of several the last one counts for us, and the first for others: all are changed.
  local blank='[ \t\x0b\x0c]' assigned program
  assigned="^((\xef\xbb\xbf)?[ \t\x0b]*(export$blank+)?$name$blank*=$blank*)"
  if [[ -n $url ]]; then
    if [[ $address == *:* ]]; then address=[$address]; fi
    program="s,$assigned([\"']?[a-z]+://[^/?#]*@)(\[[0-9a-f:]+\]|[^]@:/?[]+)((:[0-9]+)?/.*)\$,\1\4$address\6,"
  else
    program="s,$assigned\"[^\"]*\",\1\"$address\",;t;s,$assigned'[^']*',\1'$address',;t;s,${assigned}[^\"' \t\x0b\x0c\r#][^ \t\x0b\x0c\r]*,\1$address,"
  fi
  if ! (umask 077 && LC_ALL=C sed -E "$program" "$file" >"$new") 2>&1; then
    rm -f "$new"
    return 1
  fi
  if ! postgresql_connection "$new" || [[ ${connection[host]} != "$address" || $(rest) != "$before" ]]; then
    rm -f "$new"
    echo "$unclear"
    return 1
  fi
  if ! { cp --attributes-only --preserve=all "$file" "$new" && touch "$new" && mv -T "$new" "$file"; } 2>&1; then
    rm -f "$new"
    return 1
  fi
}

# postgresql_lets_in FROM: the line of pg_hba.conf that lets the site in from an address. In quotes no name is a word of that file,
# such as `all`.
postgresql_lets_in() {
  local bits=32
  if [[ $1 == *:* ]]; then bits=128; fi
  printf 'host "%s" "%s" %s/%s scram-sha-256' "$(of_database database)" "$(of_database role)" "$1" "$bits"
}

# postgresql_ask FILE HOST SQL: prints the one value that is asked for, over the way that the site itself takes: PHP, the login of the
# environment FILE, and as the account that as_owner is. HOST stands in the place of the file's, if it is not empty. When it fails,
# it prints what the server or PHP said.
postgresql_ask() {
  postgresql_connection "$1" || { echo "what $1 says of it is not understood"; return 1; }
  local host=${2:-${connection[host]}}
  host=${host#[} host=${host%]}
  printf '%s\0' "$host" "${connection[port]}" "${connection[name]}" "${connection[user]}" "${connection[password]}" | as_owner php -r '
    [$host, $port, $name, $user, $password] = explode("\0", stream_get_contents(STDIN));
    try {
        $database = new PDO("pgsql:host=$host;port=$port;dbname=$name", $user, $password, [PDO::ATTR_TIMEOUT => 15]);
        echo $database->query($argv[1])->fetchColumn();
    } catch (PDOException $problem) {
        echo strtok($problem->getMessage(), "\n");
        exit(1);
    }' -- "$3"
}
# Tables of the site, as it sees them.
postgresql_tables="SELECT count(*) FROM pg_tables WHERE tableowner = current_user"

# What the configuration says must lead to what is restored, else the site would come up with no database, or another: that of
# the backup, or the one that stays when the database comes back alone.
# Of a database on a server of its own the host is changed afterwards; where it alone comes back, the site's own server was asked.
postgresql_agrees() {
  local field variables="" differs="" file whose="the backup's configuration"
  file=$staging/content/$(of_database environmentMember)
  if [[ $file == */ ]]; then file=$(of_database environmentFile) whose="the site's configuration"; fi
  [[ -n $file ]] || return 0
  for field in url user password host port database; do
    if [[ -n $(of_database "connection.$field") ]]; then variables+=", $(of_database "connection.$field")"; fi
  done
  variables=${variables#, }
  postgresql_connection "$file" ||
    fail "$variables in $whose is no URL of a PostgreSQL database" "it is not of the form postgres://user:password@localhost:5432/database" \
      "correct databases.connection in site.yaml, or choose another restore point"
  if [[ ${connection[user]} != "$(of_database role)" ]]; then
    differs="it logs in as ${connection[user]}, and site.yaml says $(of_database role)"
  elif [[ ${connection[name]} != "$(of_database database)" ]]; then
    differs="it names the database ${connection[name]}, and site.yaml says $(of_database database)"
  elif [[ $(of_database server) != own && " localhost 127.0.0.1 ::1 [::1] " != *" ${connection[host]} "* ]]; then
    differs="it names the server ${connection[host]}, and the database is restored on this host"
  elif [[ -z ${connection[password]} ]]; then
    differs="it holds no password"
  fi
  [[ -z $differs ]] || fail "$whose ($variables) does not lead to the database $(of_database name)" "$differs" \
    "correct databases in site.yaml, or choose another restore point"
}

postgresql_staged() { printf '%s_recovery_new' "$(of_database database)"; }

# While a dump acts as the site's role, no other database is that role's to drop or to change; and what a role can change of
# itself, its password and its settings, is put back afterwards. The old site serves on.
postgresql_guard() {
  guarded_databases=$(administer postgres --set role="$(of_database role)" --set live="$(of_database database)" --set staged="$(postgresql_staged)" <<'SQL'
SELECT format('ALTER DATABASE %I OWNER TO %I;', datname, :'role') FROM pg_database
  WHERE datname = :'live' OR (pg_get_userbyid(datdba) = :'role' AND datname <> :'staged');
SELECT format('ALTER DATABASE %I OWNER TO postgres', datname) FROM pg_database
  WHERE datname = :'live' OR (pg_get_userbyid(datdba) = :'role' AND datname <> :'staged') \gexec
SQL
)
  guarded_password=$(administer postgres --set role="$(of_database role)" <<<"SELECT quote_nullable(rolpassword) FROM pg_authid WHERE rolname = :'role';")
  guarded_settings=$(postgresql_settings)
  trap postgresql_unguard EXIT
}
postgresql_settings() {
  administer postgres --set role="$(of_database role)" <<<"SELECT rolconfig FROM pg_roles WHERE rolname = :'role';"
}
postgresql_unguard() {
  trap - EXIT
  {
    echo "$postgresql_unlogged ALTER ROLE :\"role\" PASSWORD $guarded_password;"
    if [[ $(postgresql_settings) != "$guarded_settings" ]]; then echo 'ALTER ROLE :"role" RESET ALL;'; fi
    echo "$guarded_databases"
  } | administer postgres --set role="$(of_database role)"
}

# Roles, and the empty database that the dump is loaded into.
postgresql_prepare() {
  local mighty roles
  mapfile -t roles < <(items "$database.roles")
  administer postgres --set staged="$(postgresql_staged)" --set roles="$(texts "$(of_database role)" "${roles[@]}")" <<'SQL'
DROP DATABASE IF EXISTS :"staged" WITH (FORCE);
SELECT format('CREATE ROLE %I', name) FROM json_array_elements_text(:'roles'::json) AS name WHERE name NOT IN (SELECT rolname FROM pg_roles) \gexec
SELECT format('DROP ROLE %I', rolname) FROM pg_roles WHERE rolname ~ '^recovery_[0-9a-f]{40}$' AND rolname NOT IN (SELECT usename FROM pg_stat_activity WHERE usename IS NOT NULL) \gexec
SQL
  mighty=$(administer postgres --set role="$(of_database role)" <<'SQL'
SELECT string_agg(rolname, ', ') FROM pg_roles WHERE pg_has_role(:'role', oid, 'MEMBER')
  AND (rolsuper OR rolcreaterole OR rolreplication OR rolbypassrls OR rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'));
SQL
)
  [[ -z $mighty ]] || fail "the role $(of_database role) can do more than a site should" "on this server it has the rights of $mighty, and the dump would have them too" \
    "take them from the role, then run the recovery again"
  # The dump does not say how texts are sorted. This order is the same on every Debian.
  administer postgres --set staged="$(postgresql_staged)" --set role="$(of_database role)" <<'SQL'
CREATE DATABASE :"staged" OWNER :"role" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8';
SQL
  postgresql_extensions | while IFS= read -r extension; do
    administer "$(postgresql_staged)" --set extension="$extension" <<<'SET search_path = public; CREATE EXTENSION :"extension" CASCADE;' 2>"$RECOVERY_WORK/extension" ||
      fail "the extension $extension cannot be made" "PostgreSQL said: $(postgresql_said "$RECOVERY_WORK/extension")" "name the Debian package that brings it in packages of site.yaml"
  done
}
postgresql_extensions() { items "$database.extensions"; }

# postgresql_said FILE: the first error in what PostgreSQL's programs said. A dump may have a part in it: nothing that a terminal acts on.
postgresql_said() {
  { grep -a -m 1 -E '^(psql|pg_[a-z]+):.*(ERROR|FATAL|error):' "$1" || tail -n 1 "$1"; } | tr -d '\000-\037\177' | head -c 500
}

# postgresql_load_sql < DUMP: plain SQL into the staged database.
postgresql_load_sql() {
  # The whole is no transaction: what fails is dropped anyway, and a lock on each of ten thousand tables is more than a server has.
  {
    printf '\\restrict %s\n' "$(postgresql_random)"
    LC_ALL=C awk -v messages="$RECOVERY_WORK/messages" -v extensions=" plpgsql $(postgresql_extensions | tr '\n' ' ')" -f "$RECOVERY_HOST/databases/pg_dump.awk"
  } | as_site "$(postgresql_staged)" psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --output /dev/null --file -
}

# postgresql_load_archive PATH: pg_dump's custom format, or a folder of its directory format, into the staged database.
postgresql_load_archive() {
  local folder=/var/lib/recovery-load status=0
  # Read by an account that may enter this folder and no other; an attempt that is made again finds the dump where it was.
  rm -rf "$folder"
  install -d -m 700 "$folder" || return 1
  cp -al "$1" "$folder/dump" 2>/dev/null || cp -a "$1" "$folder/dump" || return 1
  chown -R nobody: "$folder" || return 1
  as_site "$(postgresql_staged)" pg_restore --list "$folder/dump" |
    grep -vE "COMMENT - EXTENSION ($(postgresql_extensions | tr '\n' '|')plpgsql) *$" >"$folder/list" &&
    chown nobody: "$folder/list" &&
    as_site "$(postgresql_staged)" pg_restore --exit-on-error --no-owner --jobs "$(nproc)" \
      --use-list "$folder/list" --dbname "$(postgresql_staged)" "$folder/dump" || status=$?
  rm -rf "$folder"
  return "$status"
}

# postgresql_load PATH: by its ending, which site.yaml allows to be one of these; a folder is what a .tar held.
postgresql_load() {
  case $1 in
    *.sql.gz) gzip -dc "$1" | postgresql_load_sql ;;
    *.sql) postgresql_load_sql <"$1" ;;
    *) postgresql_load_archive "$1" ;;
  esac
}

# postgresql_rows DATABASE: the rows of each table. A count of a table itself runs nothing that is stored in it.
postgresql_rows() {
  administer "$1" <"$RECOVERY_HOST/databases/postgresql-rows.sql" | jq -sc 'add // {}'
}

# postgresql_violated DATABASE WHICH: rows by the constraint that they break; WHICH is a condition on pg_constraint.
postgresql_violated() {
  site_query "$1" <<SQL | jq -sc 'add // {} | with_entries(select(.value > 0))'
SELECT format('SELECT json_build_object(%L, (SELECT count(*) FROM %s %s AS child WHERE %s AND NOT EXISTS (SELECT FROM %s AS parent WHERE %s)))',
    conname || ' of ' || conrelid::regclass, CASE relkind WHEN 'r' THEN 'ONLY' END, conrelid::regclass,
    string_agg(format('child.%I IS NOT NULL', child.attname), ' AND '), confrelid::regclass,
    string_agg(format('parent.%I = child.%I', parent.attname, child.attname), ' AND '))
  FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid CROSS JOIN LATERAL unnest(conkey, confkey) AS pair(child, parent)
    JOIN pg_attribute AS child ON child.attrelid = conrelid AND child.attnum = pair.child
    JOIN pg_attribute AS parent ON parent.attrelid = confrelid AND parent.attnum = pair.parent
  WHERE contype = 'f' AND conparentid = 0 AND ($2)
  GROUP BY conname, conrelid, confrelid, relkind
UNION ALL
SELECT format('SELECT json_build_object(%L, (SELECT count(*) FROM %s WHERE NOT (%s)))',
    conname || ' of ' || conrelid::regclass, conrelid::regclass, pg_get_expr(conbin, conrelid))
  FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0 AND conparentid = 0 AND NOT convalidated \gexec
SQL
}

# postgresql_amcheck DATABASE: prints ok, or the first that is wrong. The extension that it needs does not stay.
postgresql_amcheck() {
  local there output
  there=$(administer "$1" <<<"SELECT extname FROM pg_extension WHERE extname = 'amcheck';" 2>&1) || { printf '%s' "$there"; return 0; }
  output=$(as_superuser pg_amcheck --install-missing --heapallindexed --jobs "$(nproc)" --database "$1" 2>&1) && output=ok
  if [[ -z $there ]]; then administer "$1" <<<'DROP EXTENSION IF EXISTS amcheck;'; fi
  head -n 3 <<<"$output" | tr '\n' ' ' | sed 's/ $//'
}

postgresql_stage() {
  local name dump folder staged said=$RECOVERY_WORK/said status=0 integrity rows violated
  name=$(of_database name) dump=$staging/content/$(of_database member) staged=$(postgresql_staged)
  folder=$staging/databases/$name.dump
  postgresql_agrees
  if [[ $dump == *.tar ]]; then
    rm -rf "$folder"
    mkdir "$folder"
    unpack_archive "$dump" "$folder"
    dump=$(find "$folder" -maxdepth 2 -name toc.dat -printf '%h' -quit)
    [[ -n $dump ]] || fail "the dump of the database $name cannot be loaded" "$(of_database member) holds no toc.dat: it is no dump in pg_dump's directory format" "correct the member in site.yaml, or choose another restore point"
  fi
  postgresql_start
  postgresql_prepare
  postgresql_guard
  : >"$RECOVERY_WORK/messages"
  postgresql_load "$dump" 2>"$said" || status=$?
  postgresql_unguard
  if [[ $status -ne 0 ]]; then
    tail -n 20 "$said" | tr -d '\000-\010\013-\037\177' >&2
    administer postgres --set staged="$staged" <<<'DROP DATABASE IF EXISTS :"staged" WITH (FORCE);'
    [[ -s $said ]] || echo "it is cut short: the last line of pg_dump is missing" >"$said"
    fail "the dump of the database $name cannot be loaded" "$(postgresql_said "$said")" \
      "nothing was put in place of what stood there; choose another restore point: npx recovery points list"
  fi
  # What was not valid when it was backed up may be now. What is still not is the site's own state and no damage: it is
  # recorded, and must not become worse.
  as_site "$staged" psql --no-psqlrc --quiet --no-align --tuples-only --file - 2>/dev/null <<'SQL'
SELECT format('ALTER TABLE %s VALIDATE CONSTRAINT %I', conrelid::regclass, conname)
  FROM pg_constraint WHERE NOT convalidated AND conrelid <> 0 AND conparentid = 0 \gexec
SQL
  violated=$(postgresql_violated "$staged" 'NOT convalidated')
  # Beside each other: both read all of it, and neither uses all of a server.
  postgresql_amcheck "$staged" >"$RECOVERY_WORK/integrity" &
  rows=$(postgresql_rows "$staged")
  wait $!
  integrity=$(<"$RECOVERY_WORK/integrity")
  [[ $integrity == ok ]] || fail "the database $name is corrupt" "pg_amcheck said: $integrity" "look at the disk of this host; it was whole when it was loaded"
  staged_rows "$rows"
  # Settings would come along under the new name; the database's own number tells it from any other of that name.
  administer postgres --set staged="$staged" --set role="$(of_database role)" >"$restored/$name.oid" <<'SQL'
ALTER DATABASE :"staged" RESET ALL;
ALTER ROLE :"role" IN DATABASE :"staged" RESET ALL;
SELECT oid FROM pg_database WHERE datname = :'staged';
SQL
  printf '%s\n' "$violated" >"$restored/$name.violations"
  fact "$name" "$(jq -c --argjson violations "$violated" --argjson removed "$(jq -Rnc '[inputs[:300]] | .[:20]' "$RECOVERY_WORK/messages")" \
    '{rows: ., $violations} + if $removed == [] then {} else {removedFromDump: $removed} end' <<<"$rows")"
}

postgresql_oid() { administer postgres --set name="$1" <<<"SELECT oid FROM pg_database WHERE datname = :'name';"; }

postgresql_place() {
  local name live staged kept oid
  name=$(of_database name) live=$(of_database database) staged=$(postgresql_staged)
  kept=${live}_replaced_$(date -u +%Y%m%dt%H%M%Sz)
  oid=$(<"$restored/$name.oid")
  if [[ $(postgresql_oid "$staged") == "$oid" ]]; then
    # Both names change together or not at all. Nobody may come in between; what is kept is the superuser's, out of reach for
    # the dump of another recovery.
    administer postgres --set live="$live" --set staged="$staged" --set kept="$kept" <<'SQL'
SELECT format('ALTER DATABASE %I ALLOW_CONNECTIONS false', datname) FROM pg_database WHERE datname = :'live' \gexec
SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname IN (:'live', :'staged') \g /dev/null
BEGIN;
SELECT format(change, :'live', :'kept') FROM pg_database, (VALUES
    (1, 'ALTER DATABASE %I RENAME TO %I'), (2, 'ALTER DATABASE %2$I OWNER TO postgres'), (3, 'ALTER DATABASE %2$I ALLOW_CONNECTIONS true')) AS _(at, change)
  WHERE datname = :'live' ORDER BY at \gexec
ALTER DATABASE :"staged" RENAME TO :"live";
COMMIT;
SQL
    if [[ -n $(postgresql_oid "$kept") ]]; then echo "set aside: the database $live is now $kept"; fi
  fi
  [[ $(postgresql_oid "$live") == "$oid" ]] || fail "the database $name was not put in place" "$live is not the one that was loaded" "run the recovery of this point anew"
  same_rows "$(postgresql_rows "$live")"
}

# The role's password is the one in the site's configuration, or was given where that is on another host. It reaches psql on its
# standard input.
postgresql_admit() {
  local password
  if [[ -n $(of_database environmentFile) ]]; then
    postgresql_connection "$(of_database environmentFile)"
    password=${connection[password]}
  else
    password=$(<"$secrets/password-of-$(of_database name)")
  fi
  printf '%s\nALTER ROLE "%s" LOGIN PASSWORD %s;\n' "$postgresql_unlogged" "$(of_database role)" "'${password//\'/\'\'}'" | administer postgres
}

postgresql_reach() { postgresql_ask "$(of_database environmentFile)" "" "$postgresql_tables"; }

postgresql_integrity() { postgresql_amcheck "$(of_database database)"; }
postgresql_violations() { postgresql_violated "$(of_database database)" true 2>&1; }
postgresql_count() {
  # Its server is not this host's to ask, perhaps.
  if [[ $(of_database asked) == connection ]]; then
    postgresql_ask "$(of_database environmentFile)" "" "SELECT count(*) FROM \"$1\"" 2>&1
    return
  fi
  site_query "$(of_database database)" <<<"SELECT count(*) FROM \"$1\";" 2>&1
}
