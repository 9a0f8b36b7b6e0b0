#!/bin/bash
# Runs a command for as long as standard input stays open, then ends it and removes its folder. Standard input is a
# pipe whose other end only the operator's process holds: it closes even when that process is killed with -9.
set -u
folder=$1
shift
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
{
  read -r _ || true
  kill "$child"
} <&3 2>/dev/null &
reader=$!
wait "$child"
code=$?
kill "$reader" 2>/dev/null
rm -rf -- "$folder"
exit "$code"
