# shellcheck shell=bash
# The site's environment file, read and never executed: `export $(cat .env)` breaks on spaces and runs what it finds.
unquoted() { sed -E 's/\r$//; s/[[:space:]]+$//; s/^"(.*)"$/\1/; s/^'\''(.*)'\''$/\1/'; }

# environment_value FILE NAME: a variable without its quotes; the last one wins.
environment_value() { sed -nE "s/^[[:space:]]*(export[[:space:]]+)?${2}[[:space:]]*=[[:space:]]*//p" "$1" | tail -n 1 | unquoted; }

# environment_secrets FILE: the values of all variables whose names say that they are secret, a line each.
environment_secrets() {
  sed -nE 's/^[[:space:]]*(export[[:space:]]+)?[A-Za-z0-9_]*(KEY|TOKEN|SECRET|PASSWORD|PASS|DSN|URL|CREDENTIALS?)[A-Za-z0-9_]*[[:space:]]*=[[:space:]]*//Ip' "$1" | unquoted
}
