# shellcheck shell=bash disable=SC2154
# The site's databases, whatever their kind. $database is the path of one of them among what is given; host/databases/KIND.sh says
# what each kind does:
#   KIND_standing    whether it is there
#   KIND_stage       unpacks $staging/content/MEMBER beside its place, whole and not empty; leaves $restored/NAME.rows.json and
#                    NAME.violations: the rows that broke a constraint in the backup already
#   KIND_place       puts in place what was staged, keeps what stood there, and counts the rows again
#   KIND_admit       lets the site in, once its configuration is in place
#   KIND_lead FILE ADDRESS  makes an environment file lead the site to another server, or fails and prints why
#   KIND_reach       prints how many tables PHP sees, as the site's own user with the site's own settings
#   KIND_integrity   prints ok, or what is broken
#   KIND_violations  prints how many rows break which constraint, as JSON, or fails and prints why that is not known
#   KIND_count TABLE prints how many rows a table has, or why that is not known
. "$(dirname "${BASH_SOURCE[0]}")/databases/sqlite.sh"
. "$(dirname "${BASH_SOURCE[0]}")/databases/postgresql.sh"

# of_database FIELD: a field that is one text; a missing one is empty.
of_database() { printf '%s' "${given[$database.$1]-}"; }

# with_database ACTION [ARGUMENT]: does what the kind of $database says.
with_database() {
  local action=$1
  shift
  "$(of_database kind)_$action" "$@"
}

# each_database COMMAND…: for each database of a step's inputs, one after the other.
each_database() {
  local at
  for ((at = 0; at < ${given[databases#]}; at++)); do
    database=databases.$at
    "$@"
  done
}

# staged_rows ROWS: keeps how many rows each table of a staged database has (JSON). One that holds nothing ends the step, and
# one with other rows than the restore point counted, if it did.
staged_rows() {
  local name counted differ="" tables all older="choose an older restore point"
  name=$(of_database name)
  read -r tables all < <(jq -r '"\(length) \(add)"' <<<"$1")
  [[ $tables -gt 0 ]] || fail "the database $name has no tables" "an empty database was backed up" "$older"
  [[ $all -gt 0 ]] || fail "the database $name has not one row" "an empty database was backed up" "$older"
  counted=$staging/inventory/$(of_database member).rows.json
  if [[ -f $counted ]]; then
    differ=$(jq -r --argjson rows "$1" '. as $counted | [keys + ($rows | keys) | unique[] | select($counted[.] != $rows[.])] | join(", ")' "$counted")
  fi
  [[ -z $differ ]] || fail "the database $name is not what was backed up" "the rows of $differ are not as many as were counted" "$older"
  printf '%s\n' "$1" >"$restored/$name.rows.json"
}

# same_rows ROWS: ends the step when what is in place has other rows than what was staged.
same_rows() {
  local differs
  differs=$(jq -r --argjson rows "$1" '. as $expected | [keys + ($rows | keys) | unique[] | select($expected[.] != $rows[.])
    | "\(.) has \($rows[.] // "no") rows of \($expected[.] // "no")"] | first // ""' "$restored/$(of_database name).rows.json")
  [[ -z $differs ]] || fail "the restored database $(of_database name) is not the one that was backed up" "$differs" "run the recovery of this point anew"
}
