#!/usr/bin/env bash
# Every bash file of the project, but not what a page quotes, through shellcheck. Debian's package is installed when root on Debian lacks it.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v shellcheck >/dev/null; then
  if [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null; then
    echo "installing shellcheck" >&2
    apt-get -qq update && apt-get -qq -y install --no-install-recommends shellcheck >/dev/null
  else
    echo "shellcheck is missing; install it: sudo apt-get install -y shellcheck" >&2
    exit 3
  fi
fi
git ls-files -z --cached --others --exclude-standard ':!*.md' | xargs -0r grep -lIE --null '^#!.*\b(bash|sh)\b|^# shellcheck shell=bash' |
  xargs -0r shellcheck --external-sources
