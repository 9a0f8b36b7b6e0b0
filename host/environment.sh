# shellcheck shell=bash
# environment_value FILE NAME: a variable's value; the last one wins, a missing one is empty.
environment_value() {
  jq -Rsj -L "$(dirname "${BASH_SOURCE[0]}")" --arg name "$2" 'include "environment"; [variables | select(.name == $name)] | last | .value // ""' "$1"
}

# environment_secrets FILE: the values of all variables whose names say that they are secret, a line each.
environment_secrets() {
  jq -Rsr -L "$(dirname "${BASH_SOURCE[0]}")" \
    'include "environment"; variables | select(.name | test("KEY|TOKEN|SECRET|PASS|PWD|SALT|AUTH|PRIVATE|DSN|URL|CREDENTIAL"; "i")) | .value' "$1"
}
