# shellcheck shell=bash
# A JSON document as bash reads it by itself. On Debian 12 jq needs 40 ms to start, as long as all else that a small step does, so
# it is asked once.
declare -A given

# What jq makes of a document for it: each text, number or truth by its path, such as `files.0.name`; by `files#` how many a list or
# an object holds. Nothing is an empty text. A zero byte ends each path and each value.
# shellcheck disable=SC2016,SC2034
by_path='path(..) as $path | getpath($path) | ($path | map(tostring) | join(".")) as $name
  | if type == "array" or type == "object" then "\($name)#", length elif . == null then $name, "" else $name, . end
  | tostring + "\u0000"'

# take_by_path < PATHS-AND-VALUES
take_by_path() {
  local at taken
  mapfile -d '' -t taken
  for ((at = 0; at < ${#taken[@]}; at += 2)); do given[${taken[at]}]=${taken[at + 1]}; done
  [[ ${#taken[@]} -gt 0 ]]
}

# take_given FILTER FILE: takes what FILTER makes of the document.
take_given() {
  take_by_path < <(jq -j "$1 | $by_path" "$2") || { echo "$2 is not understood" >&2; return 1; }
}

# items NAME [FIELD…]: a line for each item of a list: itself, or its FIELDs with tabs between. Its users read it through < <(…),
# where bash loses a failure: a loop over nothing would count as done. So a failure ends the whole program.
items() {
  local at field line key=$1
  shift
  [[ -n ${given[$key#]+there} ]] || { echo "no list $key" >&2; kill "$$"; exit 1; }
  for ((at = 0; at < ${given[$key#]}; at++)); do
    if [[ $# -eq 0 ]]; then line=$'\t'${given[$key.$at]}; else line=; fi
    for field; do
      [[ -n ${given[$key.$at.$field]+there} ]] || { echo "no $field in $key.$at" >&2; kill "$$"; exit 1; }
      line+=$'\t'${given[$key.$at.$field]}
    done
    printf '%s\n' "${line:1}"
  done
}

# text STRING: the string as JSON.
text() {
  if [[ $1 == *[\"\\[:cntrl:]]* ]]; then jq -nc --arg text "$1" '$text'; else printf '"%s"' "$1"; fi
}

# texts STRING…: the strings as a JSON array.
texts() {
  local one all=
  for one; do all+=,$(text "$one"); done
  printf '[%s]' "${all:1}"
}
