# shellcheck shell=bash disable=SC2034
# take_environment FILE: its variables, by name; of several of a name the last wins.
declare -A variable
take_environment() {
  local at taken
  variable=()
  mapfile -d '' -t taken < <(jq -Rsj -L "$(dirname "${BASH_SOURCE[0]}")" 'include "environment"; variables | .name, .value | . + "\u0000"' "$1")
  for ((at = 0; at < ${#taken[@]}; at += 2)); do variable[${taken[at]}]=${taken[at + 1]}; done
}

# percent_decoded TEXT: a part of a URL as it was meant.
percent_decoded() {
  local text=${1//\\/\\\\}
  printf '%b' "${text//%/\\x}"
}

# environment_secrets FILE: the values of all variables whose names say that they are secret, a line each; of a URL its password too.
environment_secrets() {
  local value values
  values=$(jq -Rsr -L "$(dirname "${BASH_SOURCE[0]}")" \
    'include "environment"; variables | select(.name | test("KEY|TOKEN|SECRET|PASS|PWD|SALT|AUTH|PRIVATE|DSN|URL|CREDENTIAL"; "i")) | .value' "$1") || return 1
  while IFS= read -r value; do
    printf '%s\n' "$value"
    if [[ $value =~ ^[A-Za-z][A-Za-z0-9+.-]*://[^:/@]*:(.+)@ ]]; then printf '%s\n' "${BASH_REMATCH[1]}" "$(percent_decoded "${BASH_REMATCH[1]}")"; fi
  done <<<"$values"
}
